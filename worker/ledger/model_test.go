package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The model: workers that step, freeze and crash at any moment, a DigiCert
// whose reads lag and whose commits come late, and an administrator. Between
// any two micro-steps anything else may happen, and every plain read of the
// record may be an old one.

const (
	modelCall    = 20 * time.Second
	maxLag       = 4 * time.Second
	maxLate      = 5 * time.Second // of a commit after its PUT ended; with maxLag below SettleTime
	modelTarget  = int64(7)
	modelWorkers = 3
)

// version is the order at DigiCert from a moment on.
type version struct {
	at       time.Time
	revoked  map[int64]bool
	requests []modelRequest
}

type modelRequest struct {
	id       int64
	target   int64
	comments string
	status   string
}

func (v version) clone(at time.Time) version {
	c := version{at: at, revoked: map[int64]bool{}, requests: slices.Clone(v.requests)}
	maps.Copy(c.revoked, v.revoked)
	return c
}

func (v version) isRevoked(target int64) bool { return v.revoked[target] || v.revoked[WholeOrder] }

// modelPut is one PUT, and what the model knows of it.
type modelPut struct {
	command    string
	target     int64
	start, end time.Time
	request    int64 // that it made
	effective  bool
	harmless   bool // provably did nothing
	clear      bool // its answer reached the record
	refused    bool
}

type late struct {
	at time.Time
	do func(at time.Time)
}

type model struct {
	*rapid.T
	now      time.Time
	digicert []version
	late     []late

	stored  [][]byte // every version of the record; the revision is the length
	puts    []*modelPut
	reads   []modelRead
	workers [modelWorkers]*modelWorker
	ended   map[string]bool

	nextID int64
	names  int
}

// modelRead is a reading that was stored.
type modelRead struct {
	target int64
	began  time.Time
	shows  []int64
}

func (m *model) current() version { return m.digicert[len(m.digicert)-1] }

func (m *model) change(at time.Time, f func(*version)) {
	v := m.current().clone(at)
	f(&v)
	m.digicert = append(m.digicert, v)
}

func (m *model) at(t time.Time) version {
	seen := m.digicert[0]
	for _, v := range m.digicert {
		if !v.at.After(t) {
			seen = v
		}
	}
	return seen
}

func (m *model) name() string { m.names++; return fmt.Sprintf("owner-%d", m.names) }

// load reads the record: the latest, or an older one as a follower may give.
func (m *model) load() Entry {
	revision := len(m.stored)
	if revision > 0 && rapid.IntRange(0, 3).Draw(m.T, "stale") == 0 {
		revision -= rapid.IntRange(0, min(revision, 3)).Draw(m.T, "age")
	}
	return m.loadAt(revision)
}

func (m *model) loadAt(revision int) Entry {
	e := Entry{Record: Record{Order: 1}, Revision: uint64(revision)}
	if revision > 0 {
		if err := json.Unmarshal(m.stored[revision-1], &e.Record); err != nil {
			m.Fatal(err)
		}
	}
	return e
}

// swap stores the entry if nothing came between. Its answer may be lost.
func (m *model) swap(e Entry) error {
	if e.Revision != uint64(len(m.stored)) {
		return ErrLost
	}
	before := m.loadAt(len(m.stored))
	e.prune()
	value, err := json.Marshal(&e.Record)
	if err != nil {
		m.Fatal(err)
	}
	m.stored = append(m.stored, value)
	m.judgeRecord(before.Record, m.loadAt(len(m.stored)).Record)
	if rapid.IntRange(0, 9).Draw(m.T, "answer lost") == 0 {
		return errors.New("no answer")
	}
	return nil
}

// update is what Ledger.Update does; the change must be idempotent.
func (m *model) update(change func(*Record) bool) Entry {
	for e := m.load(); ; e = m.loadAt(len(m.stored)) {
		if !change(&e.Record) {
			return e
		}
		once, _ := json.Marshal(&e.Record)
		again := Entry{}
		_ = json.Unmarshal(once, &again.Record)
		if change(&again.Record) {
			if twice, _ := json.Marshal(&again.Record); string(once) != string(twice) {
				m.Fatalf("a change is not idempotent:\n%s\n%s", once, twice)
			}
		}
		if m.swap(e) == nil {
			return m.loadAt(len(m.stored))
		}
	}
}

// advance moves the time, and does what is due on the way.
func (m *model) advance(d time.Duration) {
	m.now = m.now.Add(d)
	for _, p := range m.puts {
		if p.end.IsZero() && !m.now.Before(p.start.Add(modelCall)) {
			p.end = p.start.Add(modelCall)
		}
	}
	slices.SortStableFunc(m.late, func(a, b late) int { return a.at.Compare(b.at) })
	for len(m.late) > 0 && !m.late[0].at.After(m.now) {
		l := m.late[0]
		m.late = m.late[1:]
		l.do(l.at)
	}
}

// administrator decides a request that waits.
func (m *model) administrator() {
	for i, q := range m.current().requests {
		if q.status != "pending" {
			continue
		}
		approve := rapid.Bool().Draw(m.T, "approve")
		m.change(m.now, func(v *version) {
			v.requests[i].status = "rejected"
			if approve {
				v.requests[i].status = "approved"
				v.revoked[q.target] = true
			}
		})
		return
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		m := &model{T: rt, now: began, ended: map[string]bool{}, digicert: []version{{at: began.Add(-time.Hour), revoked: map[int64]bool{}}}}
		m.nextID = 100
		if rapid.IntRange(0, 4).Draw(rt, "an older request of somebody outside") == 0 {
			m.digicert[0].requests = []modelRequest{{50, WholeOrder, "console", rapid.SampledFrom([]string{"pending", "rejected"}).Draw(rt, "status")}}
		}
		for i := range m.workers {
			m.workers[i] = &modelWorker{model: m}
		}
		for range rapid.IntRange(20, 150).Draw(rt, "steps") {
			switch rapid.IntRange(0, 19).Draw(rt, "action") {
			case 0:
				m.administrator()
			case 1:
				m.workers[rapid.IntRange(0, modelWorkers-1).Draw(rt, "crash")].crash()
			case 2, 3, 4:
				m.advance(time.Duration(rapid.IntRange(0, 15_000).Draw(rt, "ms")) * time.Millisecond)
			default:
				m.workers[rapid.IntRange(0, modelWorkers-1).Draw(rt, "worker")].step()
			}
		}
		m.judgeEffects()
	})
}
