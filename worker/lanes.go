package worker

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"certrecall/messages"
	"certrecall/worker/streams"
)

const (
	// How often the worker looks who has commands in the stream: a source of which
	// nobody has heard for some time begins so much later. Often while commands
	// are in hand, when others could go before.
	lookWhenBusy = 200 * time.Millisecond
	lookWhenIdle = time.Second
	// sourceIdle is how long a source is pulled for that has no command in the stream.
	sourceIdle = 10 * time.Minute
	// mostSources bounds the sources that are pulled for at once in one lane; the
	// others have their turn when one of these has nothing more.
	mostSources = 1000
)

// lane is one lane of this worker: its slots, which sources take in turn, and
// whoever pulls for a source. Everything but line and inHand belongs to the one
// goroutine of runLanes.
type lane struct {
	name    messages.Lane
	line    *line
	inHand  sync.WaitGroup // messages, and pulls that give back what they were sent
	pullers map[string]*pulling
	crowded bool
}

// pulling is a puller that runs.
type pulling struct {
	stop  context.CancelFunc
	ended chan struct{}
	seen  time.Time // when the source last had a command in the stream
}

// runLanes pulls for every source that has commands in the stream, until ctx
// has ended and nothing is in hand any more.
func (w *Worker) runLanes(ctx context.Context) {
	lanes := map[messages.Lane]*lane{}
	for _, name := range messages.Lanes() {
		lanes[name] = &lane{name: name, line: newLine(w.cfg.Concurrency), pullers: map[string]*pulling{}}
	}
	for ctx.Err() == nil {
		queued, err := streams.Sources(ctx, w.stores().Commands, w.cfg.Names)
		if ctx.Err() != nil {
			break
		}
		wait := lookWhenIdle
		if err != nil {
			w.health.lanesDown(err)
		} else {
			w.health.lanesUp()
			w.warm(ctx, queued)
			w.pullFor(ctx, lanes, queued)
		}
		for _, l := range lanes {
			if l.line.busy(w.cfg.Concurrency) {
				wait = lookWhenBusy
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	for _, l := range lanes {
		for _, p := range l.pullers {
			<-p.ended
		}
		l.inHand.Wait()
	}
}

// pullFor begins to pull for sources that have commands, and ends it for those
// that have had none for long.
func (w *Worker) pullFor(ctx context.Context, lanes map[messages.Lane]*lane, queued []streams.Queued) {
	now := time.Now()
	for _, q := range queued {
		l := lanes[q.Lane]
		p := l.pullers[q.Source]
		if p == nil {
			if len(l.pullers) >= mostSources {
				w.tooManySources(l)
				continue
			}
			p = w.startPulling(ctx, l, q.Source)
			l.pullers[q.Source] = p
		}
		p.seen = now
	}
	for _, l := range lanes {
		for source, p := range l.pullers {
			if now.Sub(p.seen) < sourceIdle {
				continue
			}
			p.stop()
			<-p.ended // it waits for a message or a slot, and for nothing else
			delete(l.pullers, source)
			l.crowded = false
		}
	}
}

func (w *Worker) startPulling(ctx context.Context, l *lane, source string) *pulling {
	ctx, cancel := context.WithCancel(ctx)
	p := &puller{Worker: w, lane: l, source: source}
	running := &pulling{stop: cancel, ended: make(chan struct{})}
	go func() {
		defer close(running.ended)
		defer w.health.pullerUp(p.name()) // it complains no more
		p.run(ctx)
	}()
	return running
}

// tooManySources says, once, that sources wait until others have nothing more.
func (w *Worker) tooManySources(l *lane) {
	if !l.crowded {
		l.crowded = true
		w.log.Warn("more sources have commands than are pulled for at once; the others wait", zap.String("lane", string(l.name)), zap.Int("at_once", mostSources))
	}
}

// noteEnd takes note of a final event that this worker has said. A source whose
// orders are all unknown to DigiCert goes to the end of the line.
func (w *Worker) noteEnd(e messages.Event) {
	if !e.Name.Final() || e.Name == messages.EventCommandRejected {
		return
	}
	unknown := e.Error != nil && e.Error.Type == messages.ErrorOrderNotFound
	if w.unknown.ended(e.Source, unknown) {
		w.log.Warn("the last orders of a source were all unknown to DigiCert; its commands wait at the end of the line until one is known",
			zap.String("source", e.Source), zap.Int("orders", mostUnknown))
	}
}
