package main

import (
	"context"
	"errors"
	"sync"
)

// crew is what serves the worker: it outlives the work, and ends it when one of
// it fails.
type crew struct {
	working context.Context
	stop    context.CancelFunc // of working

	serving context.Context
	release context.CancelFunc // of serving
	all     sync.WaitGroup
	mu      sync.Mutex
	err     error
}

func newCrew(ctx context.Context) *crew {
	c := &crew{}
	c.working, c.stop = context.WithCancel(ctx)
	c.serving, c.release = context.WithCancel(context.WithoutCancel(ctx))
	return c
}

// goes runs f until the crew ends.
func (c *crew) goes(f func(context.Context) error) {
	c.all.Go(func() {
		if err := f(c.serving); err != nil {
			c.mu.Lock()
			c.err = errors.Join(c.err, err)
			c.mu.Unlock()
			c.stop()
		}
	})
}

// end stops all of the crew, waits for it, and gives what failed.
func (c *crew) end() error {
	c.stop()
	c.release()
	c.all.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
