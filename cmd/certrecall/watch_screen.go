package main

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"certrecall/worker/status"
)

// screen is a watch on a terminal: a line with the sum, a bar for each state
// that any command is in, and above them the failures as they come.
type screen struct {
	container *mpb.Progress
	headline  atomic.Pointer[string]
	head      *mpb.Bar
	bars      map[status.State]*mpb.Bar
	failures  int
}

// maxFailureLines bounds how many failures are named while watching.
const maxFailureLines = 20

func newScreen(p *process) *screen {
	s := &screen{container: mpb.New(mpb.WithOutput(p.stdout), mpb.WithWidth(60)), bars: map[status.State]*mpb.Bar{}}
	s.headline.Store(new(""))
	// The first line is a bar without a filler.
	s.head = s.container.MustAdd(1, nil, mpb.BarPriority(0),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return *s.headline.Load() })))
	return s
}

func (s *screen) show(now progress, last bool) {
	parts := []string{fmt.Sprintf("%d of %d final", now.sums().final, now.Total)}
	if now.Counts.open() > 0 && !last {
		if now.Rate > 0 {
			parts = append(parts, fmt.Sprintf("%.1f/s", now.Rate))
		}
		parts = append(parts, "about "+span(now.Left)+" left")
	}
	if n := now.Counts[status.Waiting]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d wait for an administrator", n))
	}
	if now.Held != "" {
		parts = append(parts, now.Held)
	}
	s.headline.Store(new(clean([]string{strings.Join(parts, "   ")})[0]))
	for i, state := range status.States() {
		n, bar := now.Counts[state], s.bars[state]
		if bar == nil {
			if n == 0 {
				continue
			}
			bar = s.container.AddBar(0, mpb.BarPriority(i+1),
				mpb.PrependDecorators(decor.Name(string(state), decor.WC{W: 10, C: decor.DindentRight})),
				mpb.AppendDecorators(decor.CurrentNoUnit("%d", decor.WC{W: 8})))
			s.bars[state] = bar
		}
		bar.SetTotal(int64(now.Total)+1, false) // a full bar would be a finished one
		bar.SetCurrent(int64(n))
	}
}

func (s *screen) failed(r status.Row) {
	if s.failures++; s.failures > maxFailureLines {
		return
	}
	kind, detail := problemOf(r)
	line := fmt.Sprintf("order %d: %s: %s", r.OrderID, kind, detail)
	if s.failures == maxFailureLines {
		line += " (certrecall status names the further ones)"
	}
	fmt.Fprintln(s.container, clean([]string{line})[0])
}

func (s *screen) close() {
	s.head.Abort(false)
	for _, bar := range s.bars {
		bar.Abort(false)
	}
	s.container.Wait()
}
