package digicertsim

import (
	"container/heap"
	"time"
)

// dueQueue holds what happens later, soonest first.
type dueQueue []dueItem

type dueItem struct {
	at time.Time
	do func(at time.Time) // with the lock held
}

func (q *dueQueue) add(at time.Time, do func(time.Time)) { heap.Push(q, dueItem{at, do}) }

// settle does what is due, each dated when it was due.
func (s *Simulator) settle(now time.Time) {
	for len(s.due) > 0 && !s.due[0].at.After(now) {
		item := heap.Pop(&s.due).(dueItem)
		item.do(item.at)
	}
}

// The methods of heap.Interface.

func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q dueQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *dueQueue) Push(x any)        { *q = append(*q, x.(dueItem)) }
func (q *dueQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
