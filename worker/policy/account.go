package policy

import "time"

// account counts the orders of one source. A claim counts if it was neither
// held nor covered by an allowance. One that found the limit reached, and of
// which nothing else is known yet, will be held by whoever has it in hand: it
// does not count either. It is not safe for concurrent use.
type account struct {
	limits  Limits
	claims  []*claim // in the order of the stream
	byName  map[string]*claim
	windows []window
}

// window counts over the time that ends at the newest claim.
type window struct {
	Limit
	head   int           // the first claim inside
	orders map[int64]int // counting claims inside, by order
}

func newAccount(l Limits) *account {
	a := &account{limits: l, byName: map[string]*claim{}}
	a.begin()
	return a
}

// begin counts from nothing.
func (a *account) begin() {
	a.windows = make([]window, len(a.limits))
	for i, l := range a.limits {
		a.windows[i] = window{Limit: l, orders: map[int64]int{}}
	}
}

func (c *claim) counts() bool { return !c.covered && !c.held && (!c.over || c.begun) }

// add takes the next claim of the stream. covered is what allowances say of it.
func (a *account) add(c claim, covered bool) {
	if a.byName[c.name] != nil {
		return
	}
	c.at, c.covered = monotone(a.claims, c.at), covered
	a.claims = append(a.claims, &c)
	a.byName[c.name] = &c
	a.judge(&c)
}

// judge decides about the newest claim and counts it.
func (a *account) judge(c *claim) {
	c.over = false
	for i := range a.windows {
		w := &a.windows[i]
		w.slide(a.claims, c.at)
		if w.orders[c.order] == 0 && len(w.orders) >= w.Orders && !c.over {
			c.over, c.reached, c.before = true, w.Limit, len(w.orders)
		}
	}
	a.count(c, len(a.claims)-1)
}

// slide lets go of what is no longer inside.
func (w *window) slide(claims []*claim, now time.Time) {
	for w.head < len(claims) && now.Sub(claims[w.head].at) >= w.Per {
		if claims[w.head].counts() {
			w.less(claims[w.head].order)
		}
		w.head++
	}
}

func (w *window) less(order int64) {
	if w.orders[order]--; w.orders[order] <= 0 {
		delete(w.orders, order)
	}
}

func (a *account) count(c *claim, place int) {
	if !c.counts() {
		return
	}
	for i := range a.windows {
		if place >= a.windows[i].head {
			a.windows[i].orders[c.order]++
		}
	}
}

// mark takes in what a later event says about a claim. What was decided about
// other claims stays.
func (a *account) mark(name string, m mark) {
	c := a.byName[name]
	if c == nil {
		return
	}
	before := c.counts()
	if !c.set(m) || c.counts() == before {
		return
	}
	for i := range a.windows {
		w := &a.windows[i]
		if w.head < len(a.claims) && c.seq >= a.claims[w.head].seq {
			if before {
				w.less(c.order)
			} else {
				w.orders[c.order]++
			}
		}
	}
}

// again decides about every claim anew, with all that is known by now.
func (a *account) again(l Limits, covered func(*claim) bool) {
	a.limits = l
	a.begin()
	all := a.claims
	for n, c := range all {
		c.covered = covered(c)
		a.claims = all[:n+1]
		a.judge(c)
	}
}

// prune forgets claims that no window can reach any more.
func (a *account) prune() {
	least := len(a.claims)
	for _, w := range a.windows {
		least = min(least, w.head)
	}
	const worth = 4096
	if least < worth || least < len(a.claims)/2 {
		return
	}
	for _, c := range a.claims[:least] {
		delete(a.byName, c.name)
	}
	a.claims = append([]*claim(nil), a.claims[least:]...)
	for i := range a.windows {
		a.windows[i].head -= least
	}
}
