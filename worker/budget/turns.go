package budget

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"certrecall/worker/streams/kv"
)

// A race for the record is won by whoever is nearest to its server, and among equals by luck. So a process that
// cannot serve its callers says so under a key of its own, which nobody contends for, and permits that get free are taken in
// the order in which processes began to wait: whoever was served goes to the end. The order is a courtesy: the swap of
// the record alone decides, and a process that does not use its turn is passed over.

// turnPrefix begins the key of a process that waits; its owner follows.
const turnPrefix = "turn."

const (
	// turnPatience is how long permits lie free for a process whose turn it is before the next one takes them.
	turnPatience = 300 * time.Millisecond
	// turnFresh is how long others are believed to be about after they were seen.
	turnFresh = time.Minute
	// turnLife is when what a process said is too old to be believed, and turnAgain when it says it again.
	turnLife, turnAgain = 5 * time.Minute, 2 * time.Minute
)

// turn is what a process that waits says.
type turn struct {
	Rank  int   `json:"rank"`  // of the highest lane that waits
	Since int64 `json:"since"` // server time in ms
}

// before reports whether t goes first.
func (t turn) before(o turn, owner, other uint32) bool {
	switch {
	case t.Rank != o.Rank:
		return t.Rank < o.Rank
	case t.Since != o.Since:
		return t.Since < o.Since
	}
	return owner < other
}

// turns are what the processes of the fleet said. All but seen belongs to the reserver.
type turns struct {
	keys  kv.Keys[turn]
	owner uint32

	said   turn // by this process; Since 0 is nothing
	saidAt time.Time
	// free is since when permits lie free for others whose turn it is; local.
	free time.Time

	mu     sync.Mutex
	others map[uint32]turn
	passed map[uint32]turn // what was said by those who did not use it
	about  time.Time       // when another process was last seen; local
}

func (t *turns) key(owner uint32) string { return turnPrefix + strconv.FormatUint(uint64(owner), 10) }

// saw takes note of what a process says.
func (t *turns) saw(e entry) {
	n, err := strconv.ParseUint(strings.TrimPrefix(e.Key, turnPrefix), 10, 32)
	owner := uint32(n)
	if err != nil || owner == t.owner {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var said turn
	if e.Gone || json.Unmarshal(e.Value, &said) != nil || said.Since <= 0 {
		delete(t.others, owner)
		delete(t.passed, owner)
		return
	}
	if t.others == nil {
		t.others, t.passed = map[uint32]turn{}, map[uint32]turn{}
	}
	t.others[owner] = said
	t.about = time.Now()
}

// sawOther takes note that another process has changed the record.
func (t *turns) sawOther() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.about = time.Now()
}

// waiting returns how many processes wait for the rank, this one included, and who of the others goes first.
func (t *turns) waiting(rank int, now int64) (n int, ahead []uint32) {
	mine := t.said
	if mine.Since == 0 {
		mine.Since = now
	}
	mine.Rank = rank
	t.mu.Lock()
	defer t.mu.Unlock()
	n = 1
	for owner, said := range t.others {
		if said.Since < now-turnLife.Milliseconds() || t.passed[owner] == said {
			continue
		}
		if said.Rank == rank {
			n++
		}
		if said.before(mine, owner, t.owner) {
			ahead = append(ahead, owner)
		}
	}
	return n, ahead
}

// hold returns for how long permits that are free are left to others whose turn it is; it is 0 when they did not take
// them in time.
func (t *turns) hold(ahead []uint32) time.Duration {
	if len(ahead) == 0 {
		t.free = time.Time{}
		return 0
	}
	if t.free.IsZero() {
		t.free = time.Now()
	}
	if left := turnPatience - time.Since(t.free); left > 0 {
		return left
	}
	t.free = time.Time{}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, owner := range ahead {
		t.passed[owner] = t.others[owner]
	}
	return 0
}

// wait says that this process waits, unless it said so or is alone. served means that it had its turn since.
func (t *turns) wait(ctx context.Context, rank int, now int64, served bool) {
	t.mu.Lock()
	alone, last := time.Since(t.about) > turnFresh, now
	for _, said := range t.others {
		if said.Since <= now+tolerance.Milliseconds() { // else by a clock that is wrong
			last = max(last, said.Since+1)
		}
	}
	t.mu.Unlock()
	if alone && t.said.Since == 0 {
		return
	}
	next := turn{Rank: rank, Since: t.said.Since}
	if served || next.Since == 0 {
		next.Since = last // behind all others
	}
	if next == t.said && time.Since(t.saidAt) < turnAgain {
		return
	}
	if _, err := t.keys.Put(ctx, t.key(t.owner), next); err == nil { // else it is said the next time
		t.said, t.saidAt = next, time.Now()
	}
}

// done says that nobody waits here any more.
func (t *turns) done(ctx context.Context) {
	if t.said.Since == 0 {
		return
	}
	if err := t.keys.Remove(ctx, t.key(t.owner)); err == nil { // else it is passed over
		t.said = turn{}
	}
}
