package console

import (
	"slices"
	"time"

	"certrecall/worker/status"
)

// digest is what the page of an incident says of all its commands. It is worked
// out at most once a second, however many look.
type digest struct {
	Failures []status.Failures
	Overdue  int
	Plans    int
	// Rate is how many became final in a minute, over the last five.
	Rate  float64
	Chart chart
	First time.Time
	Done  time.Time // the last final event, where all are final
}

const digestEvery = time.Second

// failuresNamed is how many commands are named of each kind of failure.
const failuresNamed = 5

func (s *shared) summary(now time.Time) digest {
	s.mu.Lock()
	defer s.mu.Unlock()
	version := s.version.Load()
	if !s.made.IsZero() && (version == s.at || time.Since(s.made) < digestEvery) {
		return s.digest
	}
	d := digest{}
	var done, failed []int64
	open, recent := 0, 0
	d.Failures = status.GroupFailures(func(yield func(status.Row) bool) {
		for r := range s.view.Each(now) {
			if d.First.IsZero() || !r.Received.IsZero() && r.Received.Before(d.First) {
				d.First = r.Received
			}
			if r.Overdue && !r.State.Final() {
				d.Overdue++
			}
			if r.DryRun {
				d.Plans++
			}
			switch {
			case !r.State.Final():
				open++
			case r.State.Failed():
				failed = append(failed, r.Finished.Unix())
				fallthrough
			default:
				done = append(done, r.Finished.Unix())
				if now.Sub(r.Finished) < rateOver {
					recent++
				}
				if r.Finished.After(d.Done) {
					d.Done = r.Finished
				}
			}
			if !yield(r) {
				return
			}
		}
	}, failuresNamed)
	d.Rate = float64(recent) / min(rateOver, max(now.Sub(d.First), time.Second)).Minutes()
	end := now
	if open > 0 {
		d.Done = time.Time{}
	} else if !d.Done.IsZero() {
		end = d.Done
	}
	slices.Sort(done)
	slices.Sort(failed)
	d.Chart = newChart(d.First, end, s.view.Len(), done, failed)
	s.digest, s.at, s.made = d, version, time.Now()
	return d
}

const rateOver = 5 * time.Minute

// chart is the progress over time: how many were final, and how many of those failed.
type chart struct {
	From, To     time.Time
	Total        int
	Done, Failed string // points of a polyline in a box of chartWidth by chartHeight
	Area         string // the same as Done, closed along the bottom
	Last, Bad    int
}

const (
	chartWidth, chartHeight = 600, 120
	chartSteps              = 60
)

func newChart(from, to time.Time, total int, done, failed []int64) chart {
	c := chart{From: from, To: to, Total: total, Last: len(done), Bad: len(failed)}
	span := to.Unix() - from.Unix()
	if total == 0 || from.IsZero() || span <= 0 {
		return c
	}
	c.Done, c.Failed = line(from.Unix(), span, total, done), line(from.Unix(), span, total, failed)
	c.Area = "0," + itoa(chartHeight) + " " + c.Done + " " + itoa(chartWidth) + "," + itoa(chartHeight)
	return c
}

// line gives how many of the sorted moments had come at each step.
func line(from, span int64, total int, sorted []int64) string {
	var points []byte
	n := 0
	for i := range chartSteps + 1 {
		at := from + span*int64(i)/chartSteps
		for n < len(sorted) && sorted[n] <= at {
			n++
		}
		if i > 0 {
			points = append(points, ' ')
		}
		points = append(points, itoa(chartWidth*i/chartSteps)...)
		points = append(points, ',')
		points = append(points, itoa(chartHeight-chartHeight*n/total)...)
	}
	return string(points)
}
