package budget

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A waiter is a caller in Acquire. Its channel has room for the one permit that it gets.
type waiter struct {
	lane Lane
	got  chan *grant
}

// A queue holds the callers of this process that wait, by lane in the order in which they came, and the permits that are
// to be taken back in the record.
type queue struct {
	kick    chan struct{} // has room for one: something changed for the reserver
	blocked func() bool   // a not-before lies ahead: nothing is passed on

	mu       sync.Mutex
	waiting  [laneCount][]*waiter
	returned []*grant
}

func newQueue(blocked func() bool) *queue {
	return &queue{kick: make(chan struct{}, 1), blocked: blocked}
}

// wake makes the reserver look again.
func (q *queue) wake() { signal(q.kick) }

// wait returns the permit that the queue hands to a caller of the lane.
func (q *queue) wait(ctx context.Context, lane Lane) (*grant, error) {
	w := &waiter{lane: lane, got: make(chan *grant, 1)}
	q.mu.Lock()
	q.waiting[lane] = append(q.waiting[lane], w)
	q.mu.Unlock()
	q.wake()
	select {
	case g := <-w.got:
		return g, nil
	case <-ctx.Done():
	}
	if !q.leave(w) { // it was served in the same moment
		Permit{<-w.got}.GiveBack()
	}
	return nil, ctx.Err()
}

// leave takes a caller out of the queue; false says that it was already served.
func (q *queue) leave(w *waiter) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting[w.lane], w)
	if i < 0 {
		return false
	}
	q.waiting[w.lane] = slices.Delete(q.waiting[w.lane], i, i+1)
	return true
}

// counts returns how many callers of each lane wait, and the permits that wait to be taken back.
func (q *queue) counts() (waiting [laneCount]int, returned []*grant) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for lane := range q.waiting {
		waiting[lane] = len(q.waiting[lane])
	}
	return waiting, slices.Clone(q.returned)
}

// settled says that the first n permits to be taken back were, or never will be.
func (q *queue) settled(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.returned = slices.Delete(q.returned, 0, n)
}

// takeBack puts permits among those to be taken back in the record.
func (q *queue) takeBack(grants []*grant) {
	q.mu.Lock()
	q.returned = append(q.returned, grants...)
	q.mu.Unlock()
	q.wake()
}

// pass gives a permit to the first caller who may have it, by lane, or else takes it back.
func (q *queue) pass(g *grant) {
	if !q.passOn(g) {
		q.takeBack([]*grant{g})
	}
}

func (q *queue) passOn(g *grant) bool {
	if q.blocked() || !g.lives(time.Now()) {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, lane := range byRank {
		if g.serves(lane) && len(q.waiting[lane]) > 0 {
			w := q.waiting[lane][0]
			q.waiting[lane] = slices.Delete(q.waiting[lane], 0, 1)
			w.got <- g.again()
			return true
		}
	}
	return false
}
