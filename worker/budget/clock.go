package budget

import (
	"sync"
	"time"
)

// A clock tells the server's time. It trusts Config.Now only as far as the stamps on the records bear it out: it is never
// behind the last stamp plus the time since that was read, and is set back by as much as a stamp proved it ahead.
type clock struct {
	raw func() time.Time

	mu       sync.Mutex
	lastRaw  time.Time
	lastRead time.Time     // when lastRaw was; local
	judged   bool          // a stamp was compared with raw since it last jumped
	ahead    time.Duration // how far raw was found ahead of the server then
	stamp    time.Time     // on the record read last
	stamped  time.Time     // when that was; local
}

// now returns the server's time.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.read().Add(-c.ahead)
	if !c.stamp.IsZero() {
		if low := c.stamp.Add(time.Since(c.stamped)); low.After(t) {
			return low
		}
	}
	return t
}

// read returns raw, and notices when it jumps. The caller holds mu.
func (c *clock) read() time.Time {
	raw, local := c.raw(), time.Now()
	if d := raw.Sub(c.lastRaw) - local.Sub(c.lastRead); d.Abs() > tolerance {
		c.judged, c.ahead = false, 0
	}
	c.lastRaw, c.lastRead = raw, local
	return raw
}

// saw takes note of the stamp of a record that was just read.
func (c *clock) saw(e entry) {
	if e.Gone {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stamp, c.stamped = e.Stamp, time.Now()
}

// doubtful reports whether raw has yet to be judged by a stamp.
func (c *clock) doubtful() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read()
	return !c.judged
}

// judge compares raw with the stamp of a record that was written after the local time sent, and read back at once. It
// returns by how much raw is ahead of the server, 0 within the tolerance.
func (c *clock) judge(sent, stamp time.Time) (ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	raw := c.read().Add(-time.Since(sent))
	c.judged, c.ahead = true, 0
	if d := raw.Sub(stamp); d.Abs() > tolerance {
		c.ahead = max(0, d)
		return d
	}
	return 0
}
