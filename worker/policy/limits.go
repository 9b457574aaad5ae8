package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bounds of a limit.
const (
	maxOrders  = 10_000_000
	minWindow  = time.Second
	maxWindow  = 31 * day
	maxWindows = 8

	day = 24 * time.Hour
)

// Limit allows Orders distinct orders in any stretch of time as long as Per.
type Limit struct {
	Orders int
	Per    time.Duration
}

// String writes a limit as it is read: "50/10m", "1000/7d".
func (l Limit) String() string { return strconv.Itoa(l.Orders) + "/" + short(l.Per) }

func short(d time.Duration) string {
	if d > day && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Limits all hold at once; none is no limit.
type Limits []Limit

// String writes limits as they are read.
func (l Limits) String() string {
	parts := make([]string, len(l))
	for i, one := range l {
		parts[i] = one.String()
	}
	return strings.Join(parts, ",")
}

// longest gives the longest window.
func (l Limits) longest() time.Duration {
	var d time.Duration
	for _, one := range l {
		d = max(d, one.Per)
	}
	return d
}

// ParseLimits reads limits separated by commas: "50/10m,200/24h".
func ParseLimits(text string) (Limits, error) {
	var all Limits
	for part := range strings.SplitSeq(text, ",") {
		one, err := parseLimit(strings.TrimSpace(part))
		if err != nil {
			return nil, fmt.Errorf("%q: %w", part, err)
		}
		for _, other := range all {
			if other.Per == one.Per {
				return nil, fmt.Errorf("%q: the window %s is there twice", text, short(one.Per))
			}
		}
		all = append(all, one)
	}
	if len(all) > maxWindows {
		return nil, fmt.Errorf("%d windows: at most %d", len(all), maxWindows)
	}
	return all, nil
}

func parseLimit(text string) (Limit, error) {
	orders, per, found := strings.Cut(text, "/")
	if !found {
		return Limit{}, errors.New("want orders/duration, as 50/10m")
	}
	n, err := strconv.Atoi(orders)
	if err != nil || n < 1 || n > maxOrders {
		return Limit{}, fmt.Errorf("the orders must be a whole number from 1 to %d", maxOrders)
	}
	d, err := parseWindow(per)
	if err != nil || d < minWindow || d > maxWindow {
		return Limit{}, fmt.Errorf("the window must be from %s to %s, as 10m, 24h or 7d", short(minWindow), short(maxWindow))
	}
	return Limit{n, d}, nil
}

func parseWindow(text string) (time.Duration, error) {
	if days, found := strings.CutSuffix(text, "d"); found {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * day, err
	}
	return time.ParseDuration(text)
}
