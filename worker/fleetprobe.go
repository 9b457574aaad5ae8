package worker

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"certrecall/client"
	"certrecall/worker/streams/kv"
)

// In an outage every worker wants to know whether DigiCert is back. One asks,
// and tells the others under a key of the fleet: a probe is a call like all
// others, and fifty workers that probe spend what the night's commands need.

// probed is the latest probe of the workers that have the same key and address.
type probed struct {
	By    string    `json:"by"`    // random, of the worker
	Began time.Time `json:"began"` // server time
	// Ended is zero while the probe is under way. What is below is what it told.
	Ended   time.Time    `json:"ended,omitzero"`
	Class   client.Class `json:"class,omitempty"`
	Status  int          `json:"status,omitempty"`
	Code    string       `json:"code,omitempty"`
	Foreign bool         `json:"foreign,omitempty"`
	Detail  string       `json:"detail,omitempty"` // never a secret: the client's words
}

// probeLook is how often a worker looks whether the probe of another has ended.
const probeLook = 500 * time.Millisecond

// probe is one neutral read, or what one of the fleet told no longer than
// maxAge ago. Without the fleet's key it is a read of its own.
func (w *Worker) probe(ctx context.Context, maxAge time.Duration) error {
	name, err := w.probeKey(ctx)
	if err != nil {
		return w.probeAlone(ctx)
	}
	keys, me := kv.JSON[probed](w.stores().Budget), rand.Text()
	for {
		e, err := keys.Get(ctx, name)
		if err != nil && !errors.Is(err, kv.ErrUnreadable) {
			return w.probeAlone(ctx)
		}
		now := w.clock.Now()
		switch last := e.Value; {
		case last.Ended.IsZero() && now.Sub(last.Began) < w.cfg.CallTimeout+5*time.Second && !last.Began.After(now.Add(time.Second)):
			if !sleepFor(ctx, probeLook) {
				return context.Cause(ctx)
			}
			continue
		case !last.Ended.IsZero() && now.Sub(last.Ended) <= maxAge && !last.Ended.After(now.Add(time.Second)):
			return last.err()
		}
		mine := probed{By: me, Began: now}
		revision, err := keys.Swap(ctx, name, mine, e.Revision)
		switch {
		case errors.Is(err, kv.ErrLost), errors.Is(err, kv.ErrBusy):
			continue
		case err != nil:
			return w.probeAlone(ctx)
		}
		err = w.probeAlone(ctx)
		if ctx.Err() != nil { // it tells nothing; the next may begin at once
			mine.Began = time.Time{}
		} else {
			mine.Ended = w.clock.Now()
			mine.tell(err)
		}
		storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), kv.Timeout)
		defer cancel()
		_, _ = keys.Swap(storing, name, mine, revision) // else the others wait until it is overdue
		return err
	}
}

// probeKey names the key for those who have the same key and address: an answer
// to one key says nothing of another.
func (w *Worker) probeKey(ctx context.Context) (string, error) {
	key, err := w.cfg.DigiCert.Key.Key(ctx)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte("certrecall probe\x00" + w.cfg.DigiCert.BaseURL + "\x00" + string(key)))
	return "probe." + hex.EncodeToString(sum[:8]), nil
}

func (p *probed) tell(err error) {
	e, ok := errors.AsType[*client.Error](err)
	switch {
	case err == nil:
		return
	case !ok:
		e = &client.Error{Class: client.ClassUnavailable}
	}
	p.Class, p.Status, p.Code, p.Foreign, p.Detail = e.Class, e.Status, e.Code, e.Foreign, err.Error()
}

func (p *probed) err() error {
	if p.Class == "" {
		return nil
	}
	return &client.Error{Op: client.OpProbe, Class: p.Class, Status: p.Status, Code: p.Code, Foreign: p.Foreign, Err: errors.New("another worker was told: " + p.Detail)}
}

func sleepFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
