package main

import (
	"slices"
	"testing"
	"time"

	"certrecall/client/digicertsim"
	"certrecall/messages"
)

// judged is a plant without processes, in which one command has revoked one
// order, as it should be; each case of TestJudge breaks one promise in it.
type judged struct {
	*judge
	of      map[string][]*published
	command *published
	at      time.Time
}

func newJudged(t *testing.T, broken func(string)) *judged {
	t.Helper()
	names, err := messages.NewNames("certrecall")
	if err != nil {
		t.Fatal(err)
	}
	log := newTranscript(t)
	log.fails = broken
	p := &plant{t: t, names: names, sim: digicertsim.New(digicertsim.Options{AutoOrders: true})}
	if err := p.sim.RevokeOutside(firstSoakOrder); err != nil {
		t.Fatal(err)
	}
	d := &judged{
		judge: &judge{
			p: p, log: log, chains: map[string][]messages.Event{}, answers: map[string]messages.Event{}, letters: map[string]int{},
			puts: map[target][]put{}, requests: map[int64]digicertsim.Request{},
		},
		at: time.Now(),
	}
	d.command = d.add(messages.Command{ID: "a", Source: "soar", Lane: messages.LaneRevoke, OrderID: firstSoakOrder, Comments: "soak", SkipApproval: true},
		messages.EventRevokeAccepted, messages.EventRevoked)
	d.put(0, "soar/a", 204, true)
	return d
}

// add publishes a command that has these events.
func (d *judged) add(c messages.Command, names ...messages.EventName) *published {
	what := &published{cmd: c}
	for _, name := range names {
		e := messages.NewEvent(c, name, d.at, d.at)
		e.Attempts = 1
		d.chains[what.key()] = append(d.chains[what.key()], e)
	}
	if d.of == nil {
		d.of = map[string][]*published{}
	}
	d.of[what.key()] = append(d.of[what.key()], what)
	return what
}

// put has a revocation arrive for the order, so long after the first.
func (d *judged) put(after time.Duration, by string, status int, effective bool) {
	c := digicertsim.Call{
		At: d.at.Add(after), Op: digicertsim.OpRevokeOrder, OrderID: firstSoakOrder, Status: status, Effective: effective,
		Body: `{"comments": "soak [certrecall ` + by + `]", "skip_approval": true}`,
	}
	d.calls = append(d.calls, c)
	d.arrived(c)
}

func (d *judged) read(after time.Duration) {
	d.calls = append(d.calls, digicertsim.Call{At: d.at.Add(after), Op: digicertsim.OpOrder, OrderID: firstSoakOrder, Status: 200})
}

func (d *judged) second(names ...messages.EventName) *published {
	c := d.command.cmd
	c.ID = "b"
	return d.add(c, names...)
}

func (d *judged) events() []messages.Event { return d.chains["soar/a"] }

// TestJudge: the judge of the soak finds nothing where all is well, and finds
// each promise that is broken.
func TestJudge(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(d *judged)
		fine   bool
	}{
		"all is well": {func(*judged) {}, true},
		"no event":    {func(d *judged) { delete(d.chains, "soar/a") }, false},
		"no final":    {func(d *judged) { d.chains["soar/a"] = d.events()[:1] }, false},
		"two finals": {func(d *judged) {
			d.chains["soar/a"] = append(d.events(), messages.NewEvent(d.command.cmd, messages.EventRevokeFailed, d.at, d.at))
		}, false},
		"one event twice":        {func(d *judged) { d.chains["soar/a"] = slices.Insert(d.events(), 0, d.events()[0]) }, false},
		"no claim":               {func(d *judged) { d.chains["soar/a"] = d.events()[1:] }, false},
		"never published":        {func(d *judged) { delete(d.of, "soar/a") }, false},
		"revoked and is not":     {func(d *judged) { _ = d.p.sim.Reset() }, false},
		"already and is not":     {func(d *judged) { d.events()[1].Already = true }, false},
		"another's, not already": {func(d *judged) { d.second(messages.EventRevokeAccepted, messages.EventRevoked) }, false},
		"another's, already": {func(d *judged) {
			d.second(messages.EventRevokeAccepted, messages.EventRevoked)
			d.chains["soar/b"][1].Already = true
		}, true},
		"revoked twice":  {func(d *judged) { d.put(time.Minute, "soar/a", 204, true) }, false},
		"wrong reason":   {func(d *judged) { d.events()[1].RevocationReason = messages.ReasonSuperseded }, false},
		"attempts short": {func(d *judged) { d.events()[1].Attempts = 0 }, false},
		"cancelled, but sent": {func(d *judged) {
			d.chains["soar/a"][1] = messages.NewEvent(d.command.cmd, messages.EventRevokeCancelled, d.at, d.at)
		}, false},
		"sent again after a 502, unread":     {func(d *judged) { d.earlier(502, -1) }, false},
		"sent again after a 502, read twice": {func(d *judged) { d.earlier(502, 11*time.Second) }, true},
		"sent again after a 502, too early":  {func(d *judged) { d.earlier(502, 5*time.Second) }, false},
		"sent again after a 429":             {func(d *judged) { d.earlier(429, -1) }, true},
		"no dead letter": {func(d *judged) {
			d.chains["soar/a"][1] = messages.NewEvent(d.command.cmd, messages.EventRevokeFailed, d.at, d.at)
			d.chains["soar/a"][1].Error = messages.NewError(messages.ErrorExpired, "late")
		}, false},
		"a dead letter too many": {func(d *judged) { d.letters["certrecall.evt.v1.revoke-failed.soar.-.a"] = 1 }, false},
		"rejected, unanswered": {func(d *judged) {
			c := d.command.cmd
			c.OrderID++
			d.add(c).sequences = []uint64{7}
		}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var broken []string
			d := newJudged(t, func(s string) { broken = append(broken, s) })
			c.change(d)
			d.checkChains(d.of)
			d.checkPuts()
			d.checkAlready()
			d.checkLetters()
			if c.fine != (len(broken) == 0) {
				t.Errorf("found %q", broken)
			}
		})
	}
}

// earlier has a call without effect come before the one that had one, with two
// reads between, the second so long after it.
func (d *judged) earlier(status int, second time.Duration) {
	clear(d.puts)
	d.calls = nil
	d.events()[1].Attempts = 2
	d.put(-time.Minute, "soar/a", status, false)
	if second > 0 {
		d.read(-time.Minute + time.Second)
		d.read(-time.Minute + second)
	}
	d.put(0, "soar/a", 204, true)
}
