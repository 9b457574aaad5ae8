package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

// settings reads flags that the parser leaves as text, and collects what is
// wrong with them, so that all of it is said at once. Each problem names the
// flag and its variable.
type settings struct {
	variables map[string]string // of a flag, without the dashes
	problems  usageError
}

// settings gives an empty collection for the subcommand that runs.
func (p *process) settings() *settings {
	s := &settings{variables: map[string]string{}}
	for _, flag := range p.flags() {
		if len(flag.Envs) > 0 {
			s.variables[flag.Name] = flag.Envs[0]
		}
	}
	return s
}

// flags gives the flags of the subcommand that runs.
func (p *process) flags() []*kong.Flag {
	if p.selected == nil || p.selected.Selected() == nil {
		return nil
	}
	return p.selected.Selected().Flags
}

// err gives all problems, or nil.
func (s *settings) err() error {
	if len(s.problems) == 0 {
		return nil
	}
	return s.problems
}

// name gives a flag with its variable: "--ack-wait (CERTRECALL_ACK_WAIT)".
func (s *settings) name(flag string) string {
	if variable := s.variables[flag]; variable != "" {
		return "--" + flag + " (" + variable + ")"
	}
	return "--" + flag
}

// bad adds a problem of a flag. The text says what is wrong and what to do; it
// stays one line.
func (s *settings) bad(flag, format string, args ...any) {
	text := strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ")
	s.problems = append(s.problems, s.name(flag)+": "+text)
}

// duration reads a duration from low to high. Days are written as 30d.
func (s *settings) duration(flag, text string, low, high time.Duration) time.Duration {
	d, err := parseDuration(text)
	if err != nil || d < low || d > high {
		s.bad(flag, "%q: set a duration from %s to %s, as 30s or 5m", text, short(low), short(high))
		return low
	}
	return d
}

// integer reads a whole number from low to high.
func (s *settings) integer(flag, text string, low, high int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		s.bad(flag, "%q: set a whole number from %d to %d", text, low, high)
		return low
	}
	return n
}

// share reads a number from low to high.
func (s *settings) share(flag, text string, low, high float64) float64 {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= low && f <= high) {
		s.bad(flag, "%q: set a number from %g to %g", text, low, high)
		return low
	}
	return f
}

// boolean reads a yesNo.
func (s *settings) boolean(flag string, text yesNo) bool {
	b, err := strconv.ParseBool(string(text))
	if err != nil {
		s.bad(flag, "%q: set true or false", string(text))
	}
	return b
}

// file checks that a file can be read; "" is none.
func (s *settings) file(flag, path string) {
	if path == "" {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		s.bad(flag, "%v: name a file that can be read", err)
		return
	}
	_ = f.Close()
}

// yesNo is a flag that may stand alone (--provision) or with a value
// (--provision=false); any text is left to settings.boolean.
type yesNo string

// IsBool tells the parser that the flag may stand alone.
func (*yesNo) IsBool() bool { return true }

// Decode implements kong.MapperValue.
func (y *yesNo) Decode(ctx *kong.DecodeContext) error {
	*y = "true"
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		*y = yesNo(ctx.Scan.Pop().String())
	}
	return nil
}

// parseDuration is time.ParseDuration with days: 30d, 1d12h.
func parseDuration(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is no number of days", days)
	}
	d := time.Duration(n) * 24 * time.Hour
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	return d + more, err
}

// short writes a duration without parts that are zero: 5m, 30d.
func short(d time.Duration) string {
	if days := d / (24 * time.Hour); days > 1 && d%(24*time.Hour) == 0 {
		return strconv.Itoa(int(days)) + "d"
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
