package main

import (
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"certrecall/worker/status"
)

// screen is a watch on a terminal: a line with the sum, a bar for each state
// that any command is in, and above them the failures as they come.
type screen struct {
	container *mpb.Progress
	headline  atomic.Pointer[string]
	hold      [2]atomic.Pointer[string] // what holds everything, in up to two lines
	heads     []*mpb.Bar
	width     int
	bars      map[status.State]*mpb.Bar
	failures  map[string]int // by kind
}

func newScreen(p *process) *screen {
	s := &screen{
		container: mpb.New(mpb.WithOutput(p.stdout), mpb.WithWidth(60)), bars: map[status.State]*mpb.Bar{}, failures: map[string]int{},
		width: max(terminalWidth(p.stdout), 40),
	}
	// The first lines are bars without a filler.
	for i, line := range []*atomic.Pointer[string]{&s.headline, &s.hold[0], &s.hold[1]} {
		line.Store(new(""))
		s.heads = append(s.heads, s.container.MustAdd(1, nil, mpb.BarPriority(i),
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return *line.Load() }))))
	}
	return s
}

func (s *screen) show(now progress, last bool) {
	what := "commands"
	if now.Counts[status.Listed] == 0 {
		what = "orders"
	}
	parts := []string{fmt.Sprintf("%d of %d %s final", now.sums().final-now.Counts[status.Retried], now.Total, what)}
	if n := totals(now.Plans); n.all > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d plans", n.final, n.all))
	}
	if now.Counts.open() > 0 && !last && now.Held == "" {
		if now.Rate > 0 {
			parts = append(parts, fmt.Sprintf("%.1f/s", now.Rate))
		}
		parts = append(parts, "about "+span(now.Left)+" left")
	}
	if n := now.Counts[status.Waiting]; n > 0 {
		parts = append(parts, fmt.Sprintf("%d wait for an administrator", n))
	}
	s.headline.Store(new(clean([]string{strings.Join(parts, "   ")})[0]))
	held := ""
	if now.Held != "" && !last {
		held = "HELD: " + clean([]string{now.Held})[0]
	}
	lines := strings.SplitN(text.WrapSoft(held, s.width-2), "\n", len(s.hold))
	for i := range s.hold {
		line := ""
		if i < len(lines) {
			line = strings.Join(strings.Fields(lines[i]), " ")
		}
		s.hold[i].Store(&line)
	}
	for i, state := range status.States() {
		n, bar := now.Counts[state], s.bars[state]
		if bar == nil {
			if n == 0 {
				continue
			}
			bar = s.container.AddBar(0, mpb.BarPriority(i+3),
				mpb.PrependDecorators(decor.Name(string(state), decor.WC{W: 10, C: decor.DindentRight})),
				mpb.AppendDecorators(decor.CurrentNoUnit("%d", decor.WC{W: 8})))
			s.bars[state] = bar
		}
		bar.SetTotal(int64(now.Total)+1, false) // a full bar would be a finished one
		bar.SetCurrent(int64(n))
	}
}

// failed names the first few of each kind; at the end they are grouped.
func (s *screen) failed(r status.Row) {
	kind, detail := problemOf(r)
	if s.failures[kind]++; s.failures[kind] > firstOfGroup {
		return
	}
	line := fmt.Sprintf("order %d: %s: %s", r.OrderID, kind, detail)
	if s.failures[kind] == firstOfGroup {
		line += " (further ones are counted)"
	}
	fmt.Fprintln(s.container, clean([]string{line})[0])
}

func (s *screen) close() {
	for _, head := range s.heads {
		head.Abort(false)
	}
	for _, bar := range s.bars {
		bar.Abort(false)
	}
	s.container.Wait()
}
