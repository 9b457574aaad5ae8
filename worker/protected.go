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
	sum    [sha256.Size]byte
	broken string
}

// newProtectedOrders reads the file; "" is none. A file that cannot be read is
// an error at start: nobody may rely on a protection that is not there.
func newProtectedOrders(path string) (*protectedOrders, error) {
	p := &protectedOrders{path: path}
	p.orders.Store(&map[int64]string{})
	if path == "" {
		return p, nil
	}
	if _, err := p.load(); err != nil {
		return nil, fmt.Errorf("protected orders: %w", err)
	}
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

// load takes the file over if its content changed and all of it can be read.
func (p *protectedOrders) load() (changed bool, err error) {
	f, err := os.Open(p.path)
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxProtectedFile+1))
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", p.path, err)
	}
	if len(content) > maxProtectedFile {
		return false, fmt.Errorf("%s is larger than %d bytes", p.path, maxProtectedFile)
	}
	sum := sha256.Sum256(content)
	if sum == p.sum {
		return false, nil
	}
	orders, err := parseProtected(content)
	if err != nil {
		return false, fmt.Errorf("%s: %w", p.path, err)
	}
	p.sum = sum
	p.orders.Store(&orders)
	return true, nil
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
		case err == nil && (changed || p.broken != ""):
			p.broken = ""
			w.metrics.protectedBroken.Set(0)
			w.log.Info("protected orders read", zap.Int("orders", len(*p.orders.Load())))
		}
	}
}
