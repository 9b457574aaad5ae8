package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	zero  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	plain = Claimant{Command: "soar/a", Reason: "keyCompromise", Received: zero}
	other = Claimant{Command: "servicenow/b", Received: zero}
	skip  = Claimant{Command: "soc/s", Skip: true, Received: zero}
	cert  = Claimant{Command: "cli/c", Target: 7, Received: zero}

	certSkip = Claimant{Command: "cli/d", Target: 7, Skip: true, Received: zero}
)

func after(seconds int) time.Time { return zero.Add(time.Duration(seconds) * time.Second) }

// change is one step of a story; the record is judged after the last.
type change func(t *testing.T, r *Record)

func begin(c Claimant, at int) change {
	return func(t *testing.T, r *Record) {
		t.Helper()
		if !r.Begin(c, "put of "+c.Command, after(at), 20*time.Second) {
			t.Fatalf("no Begin for %s at %d s: %+v", c.Command, at, r.Decide(c, after(at)))
		}
	}
}

func do(f func(r *Record)) change { return func(_ *testing.T, r *Record) { f(r) } }

func unclear(c Claimant, at int) change {
	return do(func(r *Record) { r.EndUnclear(c, "put of "+c.Command, after(at)) })
}

func refused(c Claimant, at int) change {
	return do(func(r *Record) { r.EndRefused(c, "put of "+c.Command, after(at), Refusal{Status: 400, Code: "x"}) })
}

func requested(c Claimant, at int, id int64) change {
	return do(func(r *Record) { r.EndRequested(c, "put of "+c.Command, after(at), Request{ID: id, Status: "pending"}) })
}

func decided(_ int64, at int, id int64, status string) change {
	return do(func(r *Record) { r.Decided(Request{ID: id, Status: status}, after(at)) })
}

// read takes the lease and stores what the order shows.
func read(target int64, at int, f ...func(*Reading)) change {
	return func(t *testing.T, r *Record) {
		t.Helper()
		owner := "read at " + after(at).String()
		if !r.TakeLease(owner, after(at), time.Minute) {
			t.Fatalf("no lease at %d s", at)
		}
		seen := Reading{ID: owner, Began: after(at), OrderStatus: "issued"}
		for _, g := range f {
			g(&seen)
		}
		for i := range seen.Requests {
			if q := &seen.Requests[i]; q.Comments == "console" {
				q.Named, q.Target = true, target
			}
		}
		r.Release(owner)
		r.Observe(target, seen, after(at))
	}
}

func revoked(r *Reading) { r.Revoked, r.OrderStatus = true, "revoked" }
func missing(r *Reading) { r.Missing, r.OrderStatus = true, "" }

// names is a request from outside that waits and names its target.
func names(id, target int64) func(*Reading) {
	return func(r *Reading) {
		r.Requests = append(r.Requests, SeenRequest{Request: Request{ID: id, Status: "pending"}, Comments: "by hand", Named: true, Target: target})
	}
}

func reads(status string) func(*Reading) { return func(r *Reading) { r.OrderStatus = status } }

func shows(id int64, status, comments string) func(*Reading) {
	return func(r *Reading) {
		r.Requests = append(r.Requests, SeenRequest{Request: Request{ID: id, Status: status}, Comments: comments})
	}
}

// withItsOrder: a PUT for one certificate comes to nobody knows what, and
// another command has the whole order revoked by request 9.
func withItsOrder(c Claimant) []change {
	return []change{begin(c, 0), unclear(c, 1), begin(plain, 2), requested(plain, 3, 9)}
}

// The command that revoked the order keeps its own note when a certificate is
// found to have gone with it.
func TestNoteOutlivesAnotherTarget(t *testing.T) {
	r := &Record{Order: 1}
	r.SetMember(cert.Target)
	for _, change := range append(withItsOrder(cert), read(7, 20, revoked, shows(9, "approved", "x"+Suffix(plain.Command)))) {
		change(t, r)
	}
	if n := r.Note(plain.Command); n.Attempts != 1 {
		t.Errorf("note %+v, want that of one attempt", n)
	}
	read(0, 30, revoked, shows(9, "approved", "x"+Suffix(plain.Command)))(t, r)
	if a := r.Decide(plain, after(30)); a.State != Revoked || a.Effect.Command != plain.Command || a.Effect.Attempts != 1 {
		t.Errorf("answer %+v, want revoked by its own call, after one attempt", a)
	}
}

func TestDecide(t *testing.T) {
	type want struct {
		Next    Next
		Why     Why
		Request int64
		State   State
		By      string // of the effect
		Outcome string // kind and type
		Open    bool
	}
	finished := func(s State, by string) want { return want{Next: Finish, State: s, By: by} }
	told := func(o string) want { return want{Next: Finish, Outcome: o} }
	mark := Suffix(plain.Command)
	for name, c := range map[string]struct {
		story []change
		asks  Claimant
		at    int
		want  want
	}{
		"nothing known":            {nil, plain, 0, want{Next: Send}},
		"while a PUT may run":      {[]change{begin(plain, 0)}, plain, 24, want{Next: Later, Why: WhyLease, Open: true}},
		"another target meanwhile": {[]change{begin(plain, 0)}, cert, 24, want{Next: Later, Why: WhyLease}},
		"its process died":         {[]change{begin(plain, 0)}, plain, 25, want{Next: Read, Open: true}},
		"another's process died":   {[]change{begin(plain, 0)}, other, 25, want{Next: Read}},
		"unclear":                  {[]change{begin(plain, 0), unclear(plain, 1)}, plain, 1, want{Next: Read, Open: true}},
		"unclear, read once":       {[]change{begin(plain, 0), unclear(plain, 1), read(0, 2)}, plain, 10, want{Next: Later, Why: WhySettle, Open: true}},
		"unclear, second read due": {[]change{begin(plain, 0), unclear(plain, 1), read(0, 2)}, plain, 11, want{Next: Read, Open: true}},
		"unclear, read twice":      {[]change{begin(plain, 0), unclear(plain, 1), read(0, 2), read(0, 11)}, plain, 11, want{Next: Send}},
		"unclear, read twice too early": {
			[]change{begin(plain, 0), unclear(plain, 1), read(0, 2), read(0, 10)}, plain, 11, want{Next: Read, Open: true}},
		"read while its process was frozen": {
			[]change{begin(plain, 0), read(0, 26), unclear(plain, 60), read(0, 71)}, plain, 72, want{Next: Read, Open: true}},
		"unclear, its request shows":   {[]change{begin(plain, 0), unclear(plain, 1), read(0, 2, shows(9, "pending", "x"+mark))}, plain, 2, want{Next: Await, Request: 9}},
		"another adopts it":            {[]change{begin(plain, 0), unclear(plain, 1), read(0, 2, shows(9, "pending", "x"+mark))}, other, 2, want{Next: Adopt, Request: 9}},
		"one who skips does not":       {[]change{begin(plain, 0), requested(plain, 1, 9)}, skip, 2, want{Next: Send}},
		"skip refused, so it adopts":   {[]change{begin(plain, 0), requested(plain, 1, 9), begin(skip, 2), refused(skip, 3), read(0, 4)}, skip, 4, want{Next: Adopt, Request: 9}},
		"unclear, reads revoked":       {[]change{begin(plain, 0), unclear(plain, 1), read(0, 2, revoked)}, plain, 2, finished(Revoked, "soar/a")},
		"unclear, an old approval too": {[]change{begin(plain, 0), unclear(plain, 1), read(0, 2, revoked, shows(3, "approved", "console"))}, plain, 2, finished(Revoked, "soar/a")},
		"revoked outside":              {[]change{read(0, 0, revoked)}, plain, 0, finished(Revoked, "")},
		"refused, revoked outside":     {[]change{begin(plain, 0), refused(plain, 1), read(0, 2, revoked)}, plain, 2, finished(Revoked, "")},
		"refused, not read yet":        {[]change{begin(plain, 0), refused(plain, 1)}, plain, 1, want{Next: Read, Open: true}},
		"refused, read once":           {[]change{begin(plain, 0), refused(plain, 1), read(0, 2)}, plain, 2, want{Next: Later, Why: WhySettle, Open: true}},
		"refused, second read due":     {[]change{begin(plain, 0), refused(plain, 1), read(0, 2)}, plain, 11, want{Next: Read, Open: true}},
		"refused, the second reads revoked": {
			[]change{begin(plain, 0), refused(plain, 1), read(0, 2), read(0, 11, revoked)}, plain, 11, finished(Revoked, "")},
		"refused, the second shows another's request": {
			[]change{begin(plain, 0), refused(plain, 1), read(0, 2), read(0, 11, shows(3, "pending", "console"))}, plain, 11, want{Next: Adopt, Request: 3}},
		"refused":                        {[]change{begin(plain, 0), refused(plain, 1), read(0, 2), read(0, 11)}, plain, 11, told("revoke-failed refused")},
		"refused, canceled":              {[]change{begin(plain, 0), refused(plain, 1), read(0, 2), read(0, 11, reads("canceled"))}, plain, 11, told("revoke-failed order-not-revocable")},
		"refused, unknown order":         {[]change{begin(plain, 0), refused(plain, 1), read(0, 2, missing), read(0, 11, missing)}, plain, 11, told("revoke-failed order-not-found")},
		"a new one after a refusal":      {[]change{begin(plain, 0), refused(plain, 1), read(0, 2), read(0, 11)}, other, 11, want{Next: Read}},
		"and after a read":               {[]change{begin(plain, 0), refused(plain, 1), read(0, 2), read(0, 11), read(0, 12)}, other, 12, want{Next: Send}},
		"and after a 404":                {[]change{begin(plain, 0), refused(plain, 1), read(0, 2), read(0, 11), read(0, 12, missing)}, other, 12, want{Next: Read}},
		"unclear, then unknown twice":    {[]change{begin(plain, 0), unclear(plain, 1), read(0, 2, missing), read(0, 11, missing)}, plain, 11, want{Next: Read, Open: true}},
		"rejected":                       {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, "rejected")}, plain, 50, told("revoke-rejected approval-rejected")},
		"rejected, for who waited":       {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, "rejected")}, other, 50, finished(Rejected, "soar/a")},
		"rejected, for who skips":        {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, "rejected")}, skip, 50, want{Next: Read}},
		"rejected, and another waits":    {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, "rejected"), read(0, 51, shows(10, "pending", "console"))}, other, 51, want{Next: Adopt, Request: 10}},
		"approved, not revoked yet":      {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, "approved"), read(0, 51)}, plain, 51, want{Next: Await, Request: 9}},
		"approved, for another":          {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, "approved"), read(0, 51)}, other, 51, want{Next: Adopt, Request: 9}},
		"approved outside, untouched":    {[]change{read(0, 0, shows(3, "pending", "console")), decided(0, 50, 3, "approved"), read(0, 51), read(0, 60)}, plain, 60, want{Next: Send}},
		"approved outside, not read yet": {[]change{read(0, 0, shows(3, "pending", "console")), decided(0, 50, 3, "approved")}, plain, 50, want{Next: Read}},
		"approved outside, read once":    {[]change{read(0, 0, shows(3, "pending", "console")), decided(0, 50, 3, "approved"), read(0, 51)}, plain, 51, want{Next: Later, Why: WhySettle}},
		"approved outside, one read lagged": {
			[]change{read(0, 0, shows(3, "pending", "console")), decided(0, 50, 3, "approved"), read(0, 51), read(0, 60, revoked)}, plain, 60, finished(Revoked, "")},
		"seen approved at first sight": {[]change{read(0, 0, shows(3, "approved", "console"))}, plain, 0, want{Next: Later, Why: WhySettle}},
		"rejected outside, read once":  {[]change{read(0, 0, shows(3, "pending", "console")), decided(0, 50, 3, "rejected"), read(0, 51)}, plain, 51, want{Next: Later, Why: WhySettle}},
		"rejected outside":             {[]change{read(0, 0, shows(3, "pending", "console")), decided(0, 50, 3, "rejected"), read(0, 51), read(0, 60)}, plain, 60, finished(Rejected, "")},
		"outside, in a status nobody knows": {
			[]change{read(0, 0, shows(3, "escalated", "console"))}, plain, 0, want{Next: Adopt, Request: 3}},
		"a request that names no target": {[]change{read(0, 0, shows(3, "pending", "unnamed"))}, plain, 0, want{Next: Send}},
		"one that names another target":  {[]change{read(0, 0, names(3, 8))}, plain, 0, want{Next: Send}},
		"nor for that target's order":    {[]change{read(8, 0, names(3, 8))}, plain, 0, want{Next: Send}},
		"a certificate not identified":   {nil, Claimant{Command: "cli/e", Target: 8, Received: zero}, 0, want{Next: Identify}},
		"nor where its order is revoked": {[]change{read(0, 0, revoked)}, Claimant{Command: "cli/e", Target: 8, Received: zero}, 0, want{Next: Identify}},
		"a name that is expected":        {[]change{read(0, 0, revoked)}, Claimant{Command: "cli/e", Expects: true, Received: zero}, 0, want{Next: Identify}},
		"a name that was read":           {nil, Claimant{Command: "cli/e", Expects: true, Identified: true, Received: zero}, 0, want{Next: Send}},
		"approved and revoked":           {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, "approved"), read(0, 51, revoked)}, other, 51, finished(Revoked, "soar/a")},
		"in a status nobody knows":       {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, "escalated"), read(0, 51)}, plain, 51, want{Next: Await, Request: 9}},
		"gone, not read yet":             {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, RequestGone)}, plain, 50, want{Next: Read}},
		"gone":                           {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, RequestGone), read(0, 51), read(0, 60)}, plain, 60, told("revoke-failed refused")},
		"gone, read once":                {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, RequestGone), read(0, 51)}, plain, 51, want{Next: Later, Why: WhySettle}},
		"gone, yet the order shows it":   {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, RequestGone), read(0, 51, shows(9, "pending", "x"+mark))}, plain, 51, want{Next: Await, Request: 9}},
		"approved, then gone":            {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, "approved"), decided(0, 51, 9, RequestGone), read(0, 52)}, plain, 52, want{Next: Later, Why: WhySettle}},
		"gone, too young for that":       {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 10, 9, RequestGone), read(0, 10)}, plain, 10, want{Next: Await, Request: 9}},
		"gone, too young, for another":   {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 10, 9, RequestGone), read(0, 10)}, other, 10, want{Next: Adopt, Request: 9}},
		"gone, for another":              {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, RequestGone), read(0, 51), read(0, 60)}, other, 60, want{Next: Send}},
		"gone, canceled":                 {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, RequestGone), read(0, 51), read(0, 60, reads("canceled"))}, plain, 60, told("revoke-failed order-not-revocable")},
		"gone, yet revoked":              {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 50, 9, RequestGone), read(0, 51, revoked)}, plain, 51, finished(Revoked, "")},
		"one certificate only":           {[]change{begin(cert, 0), do(func(r *Record) { r.EndRevoked(cert, "put of cli/c", after(1)) })}, plain, 1, want{Next: Send}},
		"the whole order answers it":     {[]change{begin(skip, 0), do(func(r *Record) { r.EndRevoked(skip, "put of soc/s", after(1)) })}, cert, 1, finished(Revoked, "soc/s")},
		"it went with its order":         {append(withItsOrder(cert), read(7, 20, revoked, shows(9, "approved", "x"+mark))), cert, 20, finished(Revoked, "soar/a")},
		"its order was not revoked": {append(withItsOrder(cert), read(7, 20, revoked, reads("issued"), shows(9, "approved", "x"+mark))), cert, 20,
			finished(Revoked, "cli/c")},
		"by its own request": {append(withItsOrder(cert), read(7, 20, revoked, shows(8, "approved", "x"+Suffix(cert.Command)), shows(9, "approved", "x"+mark))), cert, 20,
			finished(Revoked, "cli/c")},
		"without approval it may be its own": {append(withItsOrder(certSkip), read(7, 20, revoked, shows(9, "approved", "x"+mark))), certSkip, 20,
			finished(Revoked, "cli/d")},
		"a late request of another target": {
			[]change{begin(cert, 0), unclear(cert, 1), read(7, 2), read(7, 11), read(0, 20, shows(9, "pending", "x"+Suffix(cert.Command)))}, cert, 20, want{Next: Await, Request: 9}},
		"backoff": {[]change{begin(plain, 0), do(func(r *Record) {
			r.TakeBack(plain, "put of soar/a", true)
			r.Failed(plain, after(1), time.Second, 30*time.Second, true)
		})}, plain, 30, want{Next: Later, Why: WhyBackoff}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Record{Order: 1}
			r.SetMember(cert.Target)
			for _, change := range c.story {
				change(t, r)
			}
			a := r.Decide(c.asks, after(c.at))
			got := want{Next: a.Next, Why: a.Why, Request: a.Request.ID, State: a.State, By: a.Effect.Command, Open: a.Open}
			if a.Outcome != nil {
				got.Outcome = a.Outcome.Kind + " " + a.Outcome.Type
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatDidNothingIsTakenBack(t *testing.T) {
	r := &Record{Order: 1}
	begin(plain, 0)(t, r)
	r.TakeBack(plain, "somebody else's", true)
	if r.Targets[0].Attempt == nil {
		t.Fatal("another owner took the attempt back")
	}
	r.TakeBack(plain, "put of soar/a", false)
	if target := r.Targets[0]; target.Attempt != nil || target.Puts != 0 || r.Lease != nil || r.Note(plain.Command).Attempts != 0 {
		t.Errorf("left: %+v, lease %v, %d attempts", target, r.Lease, r.Note(plain.Command).Attempts)
	}
	begin(plain, 1)(t, r)
	r.TakeBack(plain, "put of soar/a", true)
	if n := r.Note(plain.Command).Attempts; n != 1 || r.Targets[0].Puts != 0 {
		t.Errorf("%d attempts, %d puts", n, r.Targets[0].Puts)
	}
}

func TestEndIsRefusedWhereSomethingIsOpen(t *testing.T) {
	o := Outcome{Kind: "revoke-cancelled"}
	for name, c := range map[string]struct {
		story []change
		force bool
		want  bool
	}{
		"nothing sent":     {nil, false, true},
		"open":             {[]change{begin(plain, 0), unclear(plain, 1)}, false, false},
		"open, forced":     {[]change{begin(plain, 0), unclear(plain, 1)}, true, true},
		"request waits":    {[]change{begin(plain, 0), requested(plain, 1, 9)}, true, false},
		"request approved": {[]change{begin(plain, 0), requested(plain, 1, 9), decided(0, 2, 9, "approved")}, true, false},
		"another's open":   {[]change{begin(other, 0), unclear(other, 1)}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Record{Order: 1}
			for _, change := range c.story {
				change(t, r)
			}
			if got := r.End(plain, after(5), o, c.force); got != c.want {
				t.Fatalf("ended: %t", got)
			}
			if !c.want {
				return
			}
			if !r.End(plain, after(6), Outcome{Kind: "revoke-failed"}, true) || r.Note(plain.Command).Outcome.Kind != o.Kind {
				t.Errorf("the outcome changed to %+v", r.Note(plain.Command).Outcome)
			}
			if r.Begin(plain, "later", after(100), time.Second) {
				t.Error("a PUT began for a command that has its outcome")
			}
		})
	}
}

func TestBeginIsRepeatedUnderItsLeaseOnly(t *testing.T) {
	r := &Record{Order: 1}
	begin(plain, 0)(t, r)
	begin(plain, 10)(t, r)
	if r.Targets[0].Puts != 1 || !r.Lease.Until.Equal(after(35)) {
		t.Errorf("%d puts, lease until %s", r.Targets[0].Puts, r.Lease.Until)
	}
	if !r.TakeLease("reader", after(36), time.Minute) {
		t.Fatal("no lease after the first died")
	}
	if r.Begin(plain, "put of soar/a", after(37), 20*time.Second) {
		t.Error("a Begin over the lease of another")
	}
	if ended := r.Targets[0].Attempt.Ended; !ended.Equal(after(35)) {
		t.Errorf("the PUT of a dead lease counts as ended at %s", ended)
	}
}
