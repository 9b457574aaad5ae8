package submission

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"certrecall/messages"
)

// Batch is a whole input as commands, checked: what is sent, or nothing is.
type Batch struct {
	Items []Item
	// Repeated are lines that say again what an earlier one says.
	Repeated []int
	// Covered are lines about one certificate of an order that another line
	// revokes as a whole.
	Covered []int
}

// Item is one command and where it was given.
type Item struct {
	Line    int // 0: by flags
	Command messages.Command
}

// Batcher makes commands of rows.
type Batcher struct {
	Lane     messages.Lane
	Source   string
	Incident string // of rows that name none
	Again    int    // another try: the ids end in -againN
	DryRun   bool
	// Max is how many commands there may be; 0 is any number.
	Max int
	// Defaults are fields for rows that do not name them.
	Defaults []Field
	// Now is when the input is judged; zero is the present.
	Now time.Time
}

// CheckDefaults decodes a command with nothing but the defaults, so that a
// wrong one is named once, and not as a problem of every line.
func (b *Batcher) CheckDefaults() Problems {
	r := Row{object: []byte(`{"id":"x","order_id":1}`), Given: map[string]string{"id": "x", orderField: "1"}}
	named := Row{Given: map[string]string{}}
	for _, f := range b.Defaults {
		named.Given[f.name] = f.text
	}
	c, err := messages.DecodeCommand(b.Lane, messages.InvalidSource, nil, r.with(b.Defaults))
	if err == nil {
		return slices.Concat(past(named, c, b.now()), blankComments(named, c))
	}
	var out Problems
	for _, p := range problemsOf(named, err) {
		if _, given := named.Given[p.Field]; given || p.Field != "comments" {
			out = append(out, p)
		}
	}
	return out
}

// Read makes commands of an input.
func (b *Batcher) Read(in io.Reader, how Input) (Batch, error) {
	m := b.maker()
	problems, err := how.read(in, b.Lane.Action(), m.add)
	if err != nil {
		return Batch{}, err
	}
	m.problems = append(m.problems, problems...)
	return m.batch()
}

// Rows makes commands of rows.
func (b *Batcher) Rows(rows ...Row) (Batch, error) {
	m := b.maker()
	for _, r := range rows {
		m.add(r)
	}
	return m.batch()
}

func (b *Batcher) now() time.Time {
	if b.Now.IsZero() {
		return time.Now()
	}
	return b.Now
}

// maker makes one batch.
type maker struct {
	*Batcher
	at       time.Time
	out      Batch
	places   map[messages.CommandName]place
	whole    map[int64]bool
	problems Problems
}

// place is where a command was first seen.
type place struct {
	line   int
	digest string
}

func (b *Batcher) maker() *maker {
	return &maker{Batcher: b, at: b.now(), places: map[messages.CommandName]place{}, whole: map[int64]bool{}}
}

// add makes a command of one row, checked as a worker does.
func (m *maker) add(r Row) {
	c, found := m.command(r)
	if len(found) > 0 {
		m.problems = append(m.problems, found...)
		return
	}
	here := place{r.Line, c.Digest()}
	first, twice := m.places[c.Name()]
	switch {
	case !twice:
		m.places[c.Name()] = here
		m.out.Items = append(m.out.Items, Item{r.Line, c})
		if c.CertificateID == 0 {
			m.whole[c.OrderID] = true
		}
	case first.digest == here.digest:
		m.out.Repeated = append(m.out.Repeated, r.Line)
	default:
		m.problems = append(m.problems, Problem{Line: r.Line, Field: "id", Detail: fmt.Sprintf(
			"%s is the command of line %d too, with other content: leave one of them out", c.ID, first.line)})
	}
}

// batch returns the commands. With any problem there is no batch.
func (m *maker) batch() (Batch, error) {
	if m.Max > 0 && len(m.out.Items) > m.Max {
		m.problems = append(m.problems, Problem{Detail: fmt.Sprintf(
			"there are %d commands, more than --max %d: look at the list again, or raise --max", len(m.out.Items), m.Max)})
	}
	if len(m.problems) > 0 {
		return Batch{}, m.problems
	}
	for _, it := range m.out.Items {
		if it.Command.CertificateID != 0 && m.whole[it.Command.OrderID] {
			m.out.Covered = append(m.out.Covered, it.Line)
		}
	}
	return m.out, nil
}

// command makes a command of one row. The row's object is completed by the
// defaults and decoded as the workers decode it; then the command gets its id.
func (m *maker) command(r Row) (messages.Command, Problems) {
	const standIn = "x" // where the id follows from the order, which is not decoded yet
	defaults := append(slices.Clone(m.Defaults), Text("id", standIn))
	if m.Incident != "" {
		defaults = append(defaults, Text("incident", m.Incident))
	}
	c, err := messages.DecodeCommand(m.Lane, m.Source, nil, r.with(defaults))
	if err != nil {
		return c, problemsOf(m.filled(r), err)
	}
	if found := slices.Concat(past(r, c, m.at), blankComments(r, c)); len(found) > 0 {
		return c, found
	}
	c.DryRun = c.DryRun || m.DryRun
	if _, given := r.Given["id"]; !given {
		c.ID = commandID(c)
	}
	if m.Again > 0 {
		c.ID += "-again" + strconv.Itoa(m.Again)
	}
	if _, err := messages.EncodeCommand(c); err != nil {
		return c, problemsOf(r, err)
	}
	return c, nil
}

// filled is the row with what the defaults give, to repeat it in problems.
func (m *maker) filled(r Row) Row {
	given := map[string]string{}
	for _, f := range m.Defaults {
		given[f.name] = f.text
	}
	maps.Copy(given, r.Given)
	return Row{Line: r.Line, Given: given}
}

// blankComments refuses comments that say nothing.
func blankComments(r Row, c messages.Command) Problems {
	if c.Comments == "" || strings.TrimSpace(c.Comments) != "" {
		return nil
	}
	return Problems{{Line: r.Line, Field: "comments", Detail: "is blank: say why"}}
}

// commandID is the id of a command that is given none: the same for the same
// order and incident, so that sending it twice is sending it once, and another
// for a plan, which never stands in the way of the real thing.
func commandID(c messages.Command) string {
	kind := "revoke"
	switch {
	case c.Action() == messages.ActionListDuplicates:
		kind = "list"
	case c.DryRun:
		kind = "plan"
	}
	id := c.Incident + "-" + kind + "-" + strconv.FormatInt(c.OrderID, 10)
	if c.CertificateID != 0 {
		id += "-" + strconv.FormatInt(c.CertificateID, 10)
	}
	return id
}

// NewIncident makes a name that sorts by time and that two people do not make
// in the same second.
func NewIncident(now time.Time) string {
	return "inc-" + now.UTC().Format("20060102-150405") + "-" + strconv.FormatInt(int64(now.Nanosecond()/1000), 36)
}

// Foreign reports whether a command is of another incident than the one that
// was just made, or has an id of its own: only then it can be known already.
func (b Batch) Foreign(incident string) bool {
	return slices.ContainsFunc(b.Items, func(it Item) bool {
		return it.Command.Incident != incident || !strings.HasPrefix(it.Command.ID, incident+"-")
	})
}

// Incident is the one that all commands have, or false.
func (b Batch) Incident() (string, bool) {
	for _, it := range b.Items {
		if it.Command.Incident != b.Items[0].Command.Incident {
			return "", false
		}
	}
	return b.Items[0].Command.Incident, true
}

// Revokes reports whether a command revokes when it is carried out.
func Revokes(c messages.Command) bool { return c.Action() == messages.ActionRevoke && !c.DryRun }

// Revocations counts the commands that revoke.
func (b Batch) Revocations() int { return Revocations(b.Commands()) }

// Revocations counts the commands that revoke.
func Revocations(all []messages.Command) int {
	n := 0
	for _, c := range all {
		if Revokes(c) {
			n++
		}
	}
	return n
}

// Orders are the orders of the commands, each once, in the order of the input.
func (b Batch) Orders() []int64 {
	seen := map[int64]bool{}
	var orders []int64
	for _, it := range b.Items {
		if id := it.Command.OrderID; !seen[id] {
			seen[id] = true
			orders = append(orders, id)
		}
	}
	return orders
}

// Without is the batch without those that are known.
func (b Batch) Without(known map[messages.CommandName]KnownItem) Batch {
	out := Batch{Repeated: b.Repeated, Covered: b.Covered}
	for _, it := range b.Items {
		if _, ok := known[it.Command.Name()]; !ok {
			out.Items = append(out.Items, it)
		}
	}
	return out
}

// Commands are the commands alone.
func (b Batch) Commands() []messages.Command {
	all := make([]messages.Command, len(b.Items))
	for i, it := range b.Items {
		all[i] = it.Command
	}
	return all
}
