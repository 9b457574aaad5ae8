package budget

import (
	"sync"
	"time"
)

// A clock tells the server's time. It trusts Config.Now only as far as the stamps on the records bear it out: it is never
// behind the last stamp plus the time since that was read, and is set back by as much as a stamp proves it ahead.
type clock struct {
	raw func() time.Time

	mu    sync.Mutex
	ahead time.Duration // how far raw was found ahead of the server
	stamp time.Time     // on the record read last
	read  time.Time     // when that was; local
}

// now returns the server's time.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.raw().Add(-c.ahead)
	if !c.stamp.IsZero() {
		if low := c.stamp.Add(time.Since(c.read)); low.After(t) {
			return low
		}
	}
	return t
}

// saw takes note of the stamp of a record that was just read.
func (c *clock) saw(stamp time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stamp, c.read = stamp, time.Now()
}

// judge compares raw with the stamp of a record that this process sent when raw said sent, and returns by how much raw is
// wrong: 0 within the tolerance. own is false if the stamp is of a later record, which can only prove raw ahead. news
// tells whether that was not known yet.
func (c *clock) judge(sent, stamp time.Time, own bool) (wrong time.Duration, news bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.ahead
	switch d := sent.Sub(stamp); {
	case d > tolerance:
		c.ahead = d
		return d, before == 0
	case !own:
		return 0, false
	case d < -tolerance:
		c.ahead = 0
		return d, true
	}
	c.ahead = 0
	return 0, false
}
