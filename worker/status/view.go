package status

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"certrecall/messages"
)

// View is where the commands of a filter stand. [Reader.Load] makes one and
// [Reader.Follow] keeps it up to date; its methods may be called meanwhile.
type View struct {
	names  messages.Names
	filter Filter

	mu         sync.Mutex
	rows       *table
	latest     map[target]uint32 // the last command of those for the same thing
	known      map[int64]named   // what plans and lists say of orders
	counts     map[State]int
	work       work
	unreadable int

	// Where to go on: the first sequence not read.
	nextEvent, nextCommand uint64
}

func newView(names messages.Names, f Filter) *View {
	return &View{
		names: names, filter: f,
		rows: newTable(), latest: map[target]uint32{}, known: map[int64]named{}, counts: map[State]int{}, work: work{},
	}
}

// Filter is what the view is about.
func (v *View) Filter() Filter { return v.filter }

// Len is how many commands there are.
func (v *View) Len() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.rows.size
}

// Counts gives the number of commands by state; states without any are absent.
func (v *View) Counts() map[State]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return maps.Clone(v.counts)
}

// Plans gives the number of those that only plan, by state.
func (v *View) Plans() map[State]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	counts := map[State]int{}
	for _, chunk := range v.rows.chunks {
		for i := range chunk {
			if chunk[i].flags&flagDryRun != 0 {
				counts[State(v.rows.texts.text(chunk[i].state))]++
			}
		}
	}
	return counts
}

// Unreadable is how many events, commands and waiting keys could not be read.
func (v *View) Unreadable() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.unreadable
}

// Rows gives every command, oldest first, as of now (which decides what is overdue).
func (v *View) Rows(now time.Time) []Row {
	return v.Select(now, func(*Row) bool { return true })
}

// Select gives the commands that keep reports true for, oldest first.
func (v *View) Select(now time.Time, keep func(*Row) bool) []Row {
	var rows []Row
	for r := range v.Each(now) {
		if keep(&r) {
			rows = append(rows, r)
		}
	}
	return rows
}

// Each yields every command, in order of receipt, as of now. A view of a
// million commands is walked without a copy of it.
func (v *View) Each(now time.Time) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		v.mu.Lock()
		order := v.inOrder()
		v.mu.Unlock()
		for _, i := range order {
			v.mu.Lock()
			r := v.row(i, now)
			v.mu.Unlock()
			if !yield(r) {
				return
			}
		}
	}
}

// inOrder returns the places of all rows, oldest first. The caller holds mu.
func (v *View) inOrder() []uint32 {
	order := make([]uint32, v.rows.size)
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(a, b uint32) int {
		x, y := v.rows.at(a), v.rows.at(b)
		return cmp.Or(cmp.Compare(x.received, y.received), cmp.Compare(x.order, y.order), cmp.Compare(x.id, y.id), cmp.Compare(a, b))
	})
	return order
}

// row returns a row as of now. The caller holds mu.
func (v *View) row(i uint32, now time.Time) Row {
	r := v.rows.get(i)
	r.overdue(now)
	if n, ok := v.known[r.OrderID]; ok && r.CommonName == "" {
		r.CommonName, r.Serial = n.of(r.CertificateID)
	}
	return r
}

func (r *Row) overdue(now time.Time) {
	end := now
	if r.State.Final() {
		end = r.Finished
	}
	r.Overdue = !r.Deadline.IsZero() && end.After(r.Deadline)
}

// Get gives one command.
func (v *View) Get(c messages.CommandName, now time.Time) (Row, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	i, ok := v.rows.find(c)
	if !ok {
		return Row{}, false
	}
	return v.row(i, now), true
}

// edit is one row that is being changed. The view's mu is held.
type edit struct {
	Row
	view *View
	at   uint32
}

// edit begins to change the row of a command, new if there is none.
func (v *View) edit(c messages.CommandName) *edit {
	at := v.rows.place(c)
	return &edit{v.rows.get(at), v, at}
}

// keep ends a change.
func (e *edit) keep() {
	if !e.view.filter.Digests {
		e.Digest = ""
	}
	e.view.rows.set(e.at, e.Row)
	e.view.compare(e)
}

// enter puts a row into a state.
func (e *edit) enter(s State, since time.Time) {
	if e.State == s {
		return
	}
	e.leave()
	e.State, e.Since = s, since
	e.view.counts[s]++
}

func (e *edit) leave() {
	if e.State == "" {
		return
	}
	if e.view.counts[e.State]--; e.view.counts[e.State] == 0 {
		delete(e.view.counts, e.State)
	}
}

// forget makes a row new.
func (e *edit) forget() {
	e.leave()
	e.Row = Row{Source: e.Source, Incident: e.Incident, ID: e.ID}
}
