package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// childPatience bounds the start of a process, and its end.
const childPatience = 2 * time.Minute

// look is the pause between two looks at what another process does.
const look = time.Millisecond

// child is a process that was started here. What it says goes to a file: its
// readers cost the measured processes nothing.
type child struct {
	name  string
	cmd   *exec.Cmd
	path  string // of what it says
	url   string // of its health, once known
	began time.Time
	ended chan struct{}
	err   error // once ended
}

func (p *plant) start(ctx context.Context, name, path string, args ...string) (*child, error) {
	c := &child{name: name, path: filepath.Join(p.dir, name+".log"), ended: make(chan struct{})}
	said, err := os.Create(c.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = said.Close() }()
	c.cmd = exec.CommandContext(ctx, path, args...)
	c.cmd.Env = append(os.Environ(), "DIGICERT_API_KEY="+benchKey)
	c.cmd.Stdout, c.cmd.Stderr = said, said
	c.cmd.Cancel = func() error { return c.cmd.Process.Signal(syscall.SIGTERM) }
	c.cmd.WaitDelay = childPatience
	c.began = time.Now()
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		defer close(c.ended)
		c.err = c.cmd.Wait()
	}()
	return c, nil
}

// says waits until the process has said something, and gives the first group of it.
func (c *child) says(ctx context.Context, pattern string) (string, error) {
	re := regexp.MustCompile(pattern)
	found := ""
	err := c.until(ctx, func() bool {
		said, err := os.ReadFile(c.path)
		if m := re.FindSubmatch(said); err == nil && m != nil {
			found = string(m[1])
		}
		return found != ""
	})
	return found, err
}

// ready waits until the process answers /readyz with 200.
func (c *child) ready(ctx context.Context) error {
	addr, err := c.says(ctx, `"address": ?"([^"]+)"`)
	if err != nil {
		return err
	}
	c.url = "http://" + addr
	return c.until(ctx, func() bool {
		status, _, err := get(ctx, c.url+"/readyz")
		return err == nil && status == http.StatusOK
	})
}

// until looks again and again; it gives up when the process has ended.
func (c *child) until(ctx context.Context, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, childPatience)
	defer cancel()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; it said: %s", c.name, context.Cause(ctx), c.tail())
		case <-c.ended:
			return fmt.Errorf("%s has ended (%w); it said: %s", c.name, c.err, c.tail())
		case <-tick.C:
		}
	}
	return nil
}

// tail is the end of what it said.
func (c *child) tail() string {
	said, err := os.ReadFile(c.path)
	if err != nil {
		return err.Error()
	}
	return string(said[max(0, len(said)-2000):])
}

// stop ends the process in order, and waits for it.
func (c *child) stop() error {
	if c == nil {
		return nil
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-c.ended:
	case <-time.After(childPatience):
		_ = c.cmd.Process.Kill()
		<-c.ended
		return fmt.Errorf("%s did not end: %s", c.name, c.tail())
	}
	var exit *exec.ExitError
	if errors.As(c.err, &exit) {
		return fmt.Errorf("%s: %w; it said: %s", c.name, c.err, c.tail())
	}
	return nil
}

// kill ends the process at once, and waits for it.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
}

// memory is what the process has of memory and what it had at most, in bytes;
// 0 where the system has no /proc.
func (c *child) memory() (now, peak float64) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.cmd.Process.Pid), "status"))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
		if err != nil {
			continue
		}
		switch name {
		case "VmRSS":
			now = kib * 1024
		case "VmHWM":
			peak = kib * 1024
		}
	}
	return now, peak
}

// cpu is the processor time that the process has used; 0 where the system has no /proc.
func (c *child) cpu() time.Duration {
	const tick = 10 * time.Millisecond // USER_HZ, the same on all of Linux
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.cmd.Process.Pid), "stat"))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may hold anything; utime and stime are the 12th and 13th field after it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * tick
}

// metric sums the series of a metric that a worker serves.
func (c *child) metric(ctx context.Context, name string) (float64, error) {
	_, body, err := get(ctx, c.url+"/metrics")
	if err != nil {
		return 0, err
	}
	sum, found := 0.0, false
	for line := range strings.Lines(string(body)) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if series != name && !strings.HasPrefix(series, name+"{") {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("reading metric %s: %w", name, err)
		}
		sum, found = sum+v, true
	}
	if !found {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	return sum, nil
}

func get(ctx context.Context, url string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, childPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	answer, err := new(http.Client).Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, body, err
}

func getJSON(ctx context.Context, url string, into any) error {
	status, body, err := get(ctx, url)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s: status %d: %s", url, status, bytes.TrimSpace(body))
	}
	return json.Unmarshal(body, into)
}
