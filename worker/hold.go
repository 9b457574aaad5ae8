package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"certrecall/messages"
	"certrecall/worker/gate"
	"certrecall/worker/ledger"
	"certrecall/worker/policy"
)

// admit asks the policy whether a command may begin; nil says so. What has
// begun goes on: it was admitted then.
func (w *Worker) admit(ctx context.Context, j *job, e ledger.Entry) *verdict {
	limits := w.policy.Policy().Of(j.cmd.Source).Limits
	wasHeld := j.held || j.chain.name == messages.EventRevokeHeld
	if len(limits) == 0 && !wasHeld || e.Note(j.key).Attempts > 0 {
		return nil
	}
	claim := policy.Claim{Name: j.cmd.Name(), Order: j.cmd.OrderID, At: w.clock.Now()}
	if j.deliveries > 1 || wasHeld {
		var err error
		if claim.At, err = w.claimedAt(ctx, j); err != nil {
			return new(w.tryLater(j, err))
		}
	}
	held, err := w.admission.Admit(ctx, claim, wasHeld)
	switch {
	case err != nil:
		return new(w.tryLater(j, fmt.Errorf("asking the policy: %w", err)))
	case held == nil:
		j.waits = j.waits || wasHeld
		return nil
	}
	return new(w.hold(ctx, j, held))
}

// claimedAt reads when the claim of the command was stored.
func (w *Worker) claimedAt(ctx context.Context, j *job) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	m, err := w.stores().Events.GetLastMsgForSubject(ctx, w.cfg.Names.EventSubject(messages.EventRevokeAccepted, j.cmd.Name()))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return w.clock.Now(), nil // an operator's age limit took it
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the claim of %s: %w", j.key, err)
	}
	return m.Time, nil
}

// hold keeps a command that is over its source's limit: a reminder, then
// revoke-held, then the message is acked.
func (w *Worker) hold(ctx context.Context, j *job, held *messages.Held) verdict {
	if j.held { // from its reminder
		return verdict{do: done, outcome: outcomeHeld}
	}
	key := j.waiting(ledger.Held, w.clock.Now())
	old, _, err := w.ledger.IsWaiting(ctx, j.cmd.OrderID, j.cmd.Name())
	if err != nil {
		return w.tryLater(j, err)
	}
	key.OverdueSaid = old.OverdueSaid
	if old.Phase == ledger.Held {
		key.Since = old.Since
	}
	if err := w.ledger.Wait(ctx, key); err != nil {
		return w.tryLater(j, err)
	}
	j.waits = true
	w.at(stepHeldKey)
	if j.chain.name != messages.EventRevokeHeld {
		ev := w.event(j, messages.EventRevokeHeld)
		ev.Held = held
		switch err := w.say(ctx, j, ev); {
		case errors.Is(err, errAnswered):
			return w.answered(ctx, j)
		case err != nil:
			return w.tryLater(j, err)
		}
	}
	w.at(stepHeldSaid)
	return verdict{do: done, outcome: outcomeHeld}
}

// Stopped tells whether something ends a held command.
func (s sweptCommands) Stopped(ctx context.Context, k ledger.Waiting) bool {
	j, err := s.w.fromKey(ctx, k)
	if err != nil {
		return true // Pursue says what is wrong with it
	}
	_, stop := s.w.stopped(j, ledger.Answer{Next: ledger.Send})
	return stop
}

const (
	// releaseLook is how often allowances in force are looked through; what
	// operators say is heard at once.
	releaseLook = time.Second
	// releaseTurn bounds one try with a held command, so that its taking ends
	// after it.
	releaseTurn = 20 * time.Second
)

// allowed hears that operators said something about allowances.
func (w *Worker) allowed() {
	w.admission.Changed()
	select {
	case w.released <- struct{}{}:
	default:
	}
}

// release goes on with held commands that operators have allowed, in the order
// of their claims, until ctx ends. All workers do; each command is taken by one.
func (w *Worker) release(ctx context.Context) {
	r := &releaser{Worker: w, slots: make(chan struct{}, w.cfg.Concurrency), later: map[string]time.Time{}}
	defer r.inHand.Wait()
	tick := time.NewTicker(releaseLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-w.released:
		}
		if err := w.gates.Wait(ctx, gate.Revocations); err != nil {
			return
		}
		for _, thing := range w.admission.InForce() {
			if err := r.through(ctx, thing); err != nil && ctx.Err() == nil {
				w.log.Warn("held commands that are allowed wait: their events cannot be read", zap.String("allowed", thing), zap.Error(err))
			}
		}
	}
}

type releaser struct {
	*Worker
	slots  chan struct{}
	inHand sync.WaitGroup

	mu sync.Mutex
	// later is when a command is looked at again: it is in hand here or
	// elsewhere, or its try failed.
	later map[string]time.Time
}

// through takes what is allowed of one thing, in order, as slots become free.
func (r *releaser) through(ctx context.Context, thing string) error {
	claims, err := r.admission.Released(ctx, thing)
	if err != nil {
		return err
	}
	for _, c := range claims {
		if !r.due(c.Name.Key()) {
			continue
		}
		select {
		case r.slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		if _, closed := r.gates.Closed(gate.Revocations); closed {
			<-r.slots
			return nil
		}
		now := r.clock.Now()
		k, taken, err := r.ledger.Take(ctx, c.Order, c.Name, now, now.Add(releaseTurn+r.cfg.CallTimeout))
		if err != nil || !taken {
			<-r.slots
			r.put(c.Name.Key(), max(k.Taken.Sub(now), releaseLook))
			if err != nil {
				return err
			}
			continue
		}
		r.put(c.Name.Key(), releaseTurn+r.cfg.CallTimeout)
		r.inHand.Go(func() {
			defer func() { <-r.slots }()
			r.goOn(ctx, k)
		})
	}
	r.forgetOld()
	return nil
}

func (r *releaser) due(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !time.Now().Before(r.later[name])
}

func (r *releaser) put(name string, d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.later[name] = time.Now().Add(d)
}

func (r *releaser) forgetOld() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, at := range r.later {
		if time.Since(at) > time.Minute {
			delete(r.later, name)
		}
	}
}

// goOn carries a held command as far as it goes. If it has to be tried again,
// any worker may, after a pause.
func (r *releaser) goOn(stopping context.Context, k ledger.Waiting) {
	ctx, cancel := context.WithTimeoutCause(r.calling, releaseTurn+r.cfg.CallTimeout, errLeaseLost)
	defer cancel()
	wait, cancelWait := context.WithTimeoutCause(ctx, releaseTurn, errLeaseLost)
	defer cancelWait()
	defer context.AfterFunc(stopping, cancelWait)()
	var pause time.Duration
	err := sweptCommands{r.Worker}.with(ctx, k, func(ctx context.Context, j *job) error {
		j.wait = wait
		e, err := r.ledger.Load(ctx, k.Order)
		if err != nil {
			return err
		}
		v := r.pursue(ctx, j, e)
		pause = v.delay
		return sweptCommands{r.Worker}.report(j, v)
	})
	if err != nil {
		r.log.Warn("going on with a held command failed; it is tried again", fieldOrder(k.Order), zap.String("command", k.Name().String()), zap.Error(err))
		pause = max(pause, time.Second+rand.N(time.Second))
	}
	saying, done := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer done()
	_, there, err := r.ledger.Amend(saying, k, func(k *ledger.Waiting) { k.Taken = r.clock.Now().Add(pause) })
	if err == nil && there {
		r.put(k.Name().Key(), pause)
	}
}

// watchPolicy reads the policy again when its file changes.
func (w *Worker) watchPolicy(ctx context.Context) error {
	w.policy.Run(ctx, func(p *policy.Policy, err error) {
		if err != nil {
			w.metrics.policyBroken.Set(1)
			w.log.Error("the policy is broken; the last good one stays in force", zap.Error(err))
			return
		}
		w.metrics.policyBroken.Set(0)
		w.allowed()
		w.tellPolicy()
	})
	return nil
}

// tellPolicy says once what is in force.
func (w *Worker) tellPolicy() {
	if w.policy.Path() == "" {
		w.log.Warn("no policy: every source may revoke as much as it asks for, as fast as DigiCert allows: set --policy (CERTRECALL_POLICY)")
		return
	}
	w.log.Info("policy read", zap.String("file", w.policy.Path()), zap.Strings("rules", w.policy.Policy().Lines()))
}
