package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"certrecall/client"
	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker"
	"certrecall/worker/budget"
	"certrecall/worker/streams"
)

// site is everything that runs.
type site struct {
	*devCmd
	p       *process
	log     *zap.Logger
	store   store
	names   messages.Names
	limits  budget.Limits
	conn    *nats.Conn
	natsURL string
	start   time.Time

	digicert client.Config
	keyFile  *client.KeyFile // nil for the simulated DigiCert
	seen     uint64          // last sequence of the events stream at the start
}

func (s *site) run(ctx context.Context) error {
	js, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	crew := newCrew(ctx)
	return errors.Join(s.work(ctx, js, crew), crew.end())
}

// work starts what serves the worker and runs it until ctx ends or something fails.
func (s *site) work(ctx context.Context, js jetstream.JetStream, crew *crew) error {
	if err := s.openDigiCert(ctx, crew); err != nil {
		return err
	}
	w, err := s.newWorker()
	if err != nil {
		return err
	}
	health, err := listen(ctx, s.Host, s.HTTPPort)
	if err != nil {
		return fmt.Errorf("listening for --http-port: %w", err)
	}
	door, err := s.openGateway(ctx, crew)
	if err != nil {
		return err
	}
	page, err := s.openConsole(ctx, crew)
	if err != nil {
		return err
	}
	s.introduce(page, health.Addr(), door)
	crew.goes(func(ctx context.Context) error { return serve(ctx, health, w.Handler()) })
	crew.goes(func(ctx context.Context) error { return newPrinter(s.p.stdout, s.names).follow(ctx, js, s.seen) })
	if s.Samples {
		if err := submit(ctx, js, s.names, samples(s.start)); err != nil {
			return err
		}
	}
	if s.Incident > 0 {
		if err := submit(ctx, js, s.names, incident(s.start, s.Incident)); err != nil {
			return err
		}
	}
	return w.Run(crew.working)
}

// prepare makes the streams, so that events can be followed and commands be
// published before the worker is up.
func (s *site) prepare(ctx context.Context) (jetstream.JetStream, error) {
	ctx, cancel := context.WithTimeout(ctx, natsTimeout)
	defer cancel()
	js, err := jetstream.New(s.conn)
	if err != nil {
		return nil, err
	}
	if err := streams.Apply(ctx, js, s.names, streams.Options{}); err != nil {
		return nil, err
	}
	events, err := js.Stream(ctx, s.names.EventsStream())
	if err != nil {
		return nil, fmt.Errorf("reading stream %s: %w", s.names.EventsStream(), err)
	}
	s.seen = events.CachedInfo().State.LastSeq
	return js, nil
}

// openDigiCert starts the simulated DigiCert, or opens the key of the real one.
func (s *site) openDigiCert(ctx context.Context, crew *crew) error {
	s.digicert.UserAgent = "certrecall-dev/" + version
	if s.Real {
		file, err := client.NewKeyFile(s.KeyFile)
		if err != nil {
			return err
		}
		s.keyFile, s.digicert.Key, s.digicert.BaseURL = file, file, s.RealURL
		crew.goes(file.Run)
		return nil
	}
	sim, err := digicertsim.Open(digicertsim.Options{
		Limits: windows(s.limits), Block: 10 * time.Second, AutoDecide: s.AutoDecide, Latency: s.Latency,
		AutoOrders: true, StateFile: s.store.digicert(),
	})
	if err != nil {
		return err
	}
	listener, err := listen(ctx, s.Host, s.SimulatorPort)
	if err != nil {
		return errors.Join(fmt.Errorf("listening for --simulator-port: %w", err), sim.Close())
	}
	s.digicert.Key, s.digicert.BaseURL = client.StaticKey("simulated"), "http://"+dialable(listener.Addr())+digicertsim.BasePath
	crew.goes(func(ctx context.Context) error { return errors.Join(serve(ctx, listener, sim), sim.Close()) })
	return nil
}

func (s *site) newWorker() (*worker.Worker, error) {
	cfg := worker.Config{
		Names: s.names, Conn: s.conn, DigiCert: s.digicert, Limits: s.limits, ApprovalPoll: s.ApprovalPoll,
		ShutdownGrace: shutdownGrace, ProtectedOrders: s.Protected, Provision: true, Log: s.log, Version: version,
	}
	if s.keyFile != nil {
		cfg.KeyChanged = s.keyFile.Changed()
	}
	return worker.New(cfg)
}

// dialable is an address that the own host reaches: a server on every address is reached on the loopback.
func dialable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: tcp.Port}).String()
}
