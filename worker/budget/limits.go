package budget

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Bounds of a window, and of how many windows may hold at once.
const (
	MaxCalls   = 1_000_000
	MinPer     = time.Second
	MaxPer     = 24 * time.Hour
	MaxWindows = 8
)

// DefaultListingShare is the share of each window below which listings take permits when Config gives none.
const DefaultListingShare = 0.8

// sweepPart is the part of a window's calls that the sweep may take: one in twenty.
const sweepPart = 20

// A Window allows Calls calls in any stretch of time as long as Per, wherever it begins (a rolling window).
type Window struct {
	Calls int
	Per   time.Duration
}

// String returns the window as ParseLimits reads it, for example "1000/5m".
func (w Window) String() string {
	d := w.Per.String()
	if strings.HasSuffix(d, "m0s") {
		d = strings.TrimSuffix(d, "0s")
	}
	if strings.HasSuffix(d, "h0m") {
		d = strings.TrimSuffix(d, "0m")
	}
	return strconv.Itoa(w.Calls) + "/" + d
}

// Limits are rolling windows that all hold at once. Nil limits allow every call.
type Limits []Window

// ParseLimits reads windows of the form calls/duration, separated by commas: "1000/5m,100/5s". "0" means no limit and
// gives nil. Calls go from 1 to MaxCalls, durations from MinPer to MaxPer in whole milliseconds.
func ParseLimits(s string) (Limits, error) {
	if strings.TrimSpace(s) == "0" {
		return nil, nil
	}
	var l Limits
	for part := range strings.SplitSeq(s, ",") {
		w, err := parseWindow(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("parsing window %q: %w", part, err)
		}
		l = append(l, w)
	}
	if len(l) > MaxWindows {
		return nil, fmt.Errorf("parsing limits: %d windows, at most %d", len(l), MaxWindows)
	}
	return l, nil
}

func parseWindow(s string) (Window, error) {
	calls, per, found := strings.Cut(s, "/")
	if !found {
		return Window{}, errors.New("want calls/duration, as in 100/5s")
	}
	n, err := strconv.Atoi(calls)
	if err != nil || n < 1 || n > MaxCalls {
		return Window{}, fmt.Errorf("calls must be a whole number from 1 to %d", MaxCalls)
	}
	d, err := time.ParseDuration(per)
	if err != nil || d < MinPer || d > MaxPer || d%time.Millisecond != 0 {
		return Window{}, fmt.Errorf("duration must be from %s to %s in whole milliseconds", MinPer, MaxPer)
	}
	return Window{Calls: n, Per: d}, nil
}

// String returns the limits as ParseLimits reads them.
func (l Limits) String() string {
	if len(l) == 0 {
		return "0"
	}
	parts := make([]string, len(l))
	for i, w := range l {
		parts[i] = w.String()
	}
	return strings.Join(parts, ",")
}

// listingCalls is how many calls of the window may be used before listings wait: a listing starts only while less than
// share of the window is used.
func (w Window) listingCalls(share float64) int {
	return min(w.Calls, int(math.Ceil(share*float64(w.Calls)-1e-9)))
}

// sweep returns the window that holds the sweep to one call in twenty of w. Where that is less than one call it is one call
// in as much more time.
func (w Window) sweep() Window {
	if w.Calls < sweepPart {
		return Window{Calls: 1, Per: min(w.Per*sweepPart/time.Duration(w.Calls), MaxPer)}
	}
	return Window{Calls: w.Calls / sweepPart, Per: w.Per}
}

// Lane says on whose behalf a permit is asked for.
type Lane int

// The lanes. Urgent goes before Normal and Normal before Listing, in the whole fleet. Sweep goes before all of them, but
// takes at most one call in twenty of each window.
const (
	Urgent Lane = iota
	Normal
	Listing
	Sweep

	laneCount = 4
)

// byRank lists the lanes in the order in which they are served.
var byRank = [laneCount]Lane{Sweep, Urgent, Normal, Listing}

// String returns the lane's name.
func (l Lane) String() string {
	switch l {
	case Urgent:
		return "urgent"
	case Normal:
		return "normal"
	case Listing:
		return "listing"
	case Sweep:
		return "sweep"
	}
	return "lane " + strconv.Itoa(int(l))
}

// rank is the lane's place in the order of service, 0 first.
func (l Lane) rank() int {
	switch l {
	case Sweep:
		return 0
	case Urgent:
		return 1
	case Normal:
		return 2
	default:
		return 3
	}
}
