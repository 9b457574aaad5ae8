package worker

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// protectedPoll is how often the file is looked at. Its content counts, not its
// date: mounted configuration changes behind a link.
const protectedPoll = 2 * time.Second

// maxProtectedFile bounds the file.
const maxProtectedFile = 16 << 20

// protectedOrders are the orders that are never revoked here, each with the
// reason why. They come from a file: one order id a line, "#" begins the reason.
type protectedOrders struct {
	path   string
	orders atomic.Pointer[map[int64]string]
	broken string

	// The file as it is in force, and as the latest look found it.
	content []byte
	seen    [sha256.Size]byte
}

// change is what a look at the file came to.
type change struct {
	taken          bool // another file is in force now
	added, removed int  // orders
}

// newProtectedOrders reads the file; "" is none. A file that cannot be read is
// an error at start: nobody may rely on a protection that is not there.
func newProtectedOrders(path string) (*protectedOrders, error) {
	p := &protectedOrders{path: path}
	p.orders.Store(&map[int64]string{})
	if path == "" {
		return p, nil
	}
	content, err := p.read()
	if err != nil {
		return nil, fmt.Errorf("protected orders: %w", err)
	}
	orders, err := parseProtected(content)
	if err != nil {
		return nil, fmt.Errorf("protected orders: %s: %w", path, err)
	}
	p.content, p.seen = content, sha256.Sum256(content)
	p.orders.Store(&orders)
	return p, nil
}

// CheckProtectedOrders names everything that is wrong with a file of protected
// orders, so that it can be told with the other settings. "" is none.
func CheckProtectedOrders(path string) error {
	_, err := newProtectedOrders(path)
	return err
}

func (p *protectedOrders) reason(order int64) (string, bool) {
	why, protected := (*p.orders.Load())[order]
	return why, protected
}

func (p *protectedOrders) read() ([]byte, error) {
	f, err := os.Open(p.path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxProtectedFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", p.path, err)
	}
	if len(content) > maxProtectedFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", p.path, maxProtectedFile)
	}
	return content, nil
}

// load takes the file over if its content changed, two looks in a row found
// the same, and all of it can be read: a file that is being written is nobody's
// word. One that protects nothing any more, or that was cut in the middle of a
// line, is never taken over while the worker runs.
func (p *protectedOrders) load() (change, error) {
	content, err := p.read()
	if err != nil {
		return change{}, err
	}
	sum := sha256.Sum256(content)
	before := p.seen
	p.seen = sum
	if sum != before || bytes.Equal(content, p.content) {
		return change{}, nil
	}
	orders, err := parseProtected(content)
	old := *p.orders.Load()
	switch {
	case err != nil:
		return change{}, fmt.Errorf("%s: %w", p.path, err)
	case len(orders) == 0 && len(old) > 0:
		return change{}, fmt.Errorf("%s protects no order any more: if that is meant, restart the workers", p.path)
	case len(content) > 0 && content[len(content)-1] != '\n' && bytes.HasPrefix(p.content, content):
		return change{}, fmt.Errorf("%s is cut off in the middle of a line", p.path)
	}
	c := change{taken: true}
	for order := range orders {
		if _, was := old[order]; !was {
			c.added++
		}
	}
	for order := range old {
		if _, is := orders[order]; !is {
			c.removed++
		}
	}
	p.content = content
	p.orders.Store(&orders)
	return c, nil
}

func parseProtected(content []byte) (map[int64]string, error) {
	orders := map[int64]string{}
	var problems []error
	lines := bufio.NewScanner(bytes.NewReader(content))
	for n := 1; lines.Scan(); n++ {
		id, why, _ := strings.Cut(lines.Text(), "#")
		if id = strings.TrimSpace(id); id == "" {
			continue
		}
		order, err := strconv.ParseInt(id, 10, 64)
		if err != nil || order <= 0 {
			problems = append(problems, fmt.Errorf("line %d: %q is no order id: write digits, then # and the reason", n, id))
			continue
		}
		if why = strings.TrimSpace(why); why == "" {
			why = "no reason is given in the file"
		}
		orders[order] = why
	}
	if err := lines.Err(); err != nil {
		problems = append(problems, err)
	}
	return orders, errors.Join(problems...)
}

// watchProtected reads the file again when it changes. A broken file keeps the
// last good one, and says so once.
func (w *Worker) watchProtected(ctx context.Context) error {
	p := w.protected
	if p.path == "" {
		return nil
	}
	tick := time.NewTicker(protectedPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		changed, err := p.load()
		switch {
		case err != nil && err.Error() != p.broken:
			p.broken = err.Error()
			w.metrics.protectedBroken.Set(1)
			w.log.Error("the file of protected orders is broken; the last good one stays in force", zap.Error(err), zap.Int("orders", len(*p.orders.Load())))
		case err == nil && changed.removed > 0:
			w.metrics.protectedGone.Add(float64(changed.removed))
			w.log.Warn("orders were taken out of the file of protected orders: they can be revoked now",
				zap.Int("removed", changed.removed), zap.Int("added", changed.added), zap.Int("orders", len(*p.orders.Load())))
		case err == nil && changed.taken:
			w.log.Info("protected orders read", zap.Int("added", changed.added), zap.Int("orders", len(*p.orders.Load())))
		}
		if err == nil && (changed.taken || p.broken != "" && p.inForce()) {
			p.broken = ""
			w.metrics.protectedBroken.Set(0)
		}
		w.metrics.protectedOrders.Set(float64(len(*p.orders.Load())))
	}
}

// inForce reports whether the latest look found the file that is in force.
func (p *protectedOrders) inForce() bool { return p.seen == sha256.Sum256(p.content) }
