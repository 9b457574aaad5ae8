package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"certrecall/messages"
	"certrecall/worker/ledger"
)

// store is what very many orders, each revoked once, cost a NATS server: disk,
// memory, and the time until it serves again after an orderly stop and after a
// kill. It ends with the throughput of revocations on top of them.
func (b *bench) store(ctx context.Context) (err error) {
	p, err := b.newPlant(ctx, plantOptions{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	n := b.sizes.waiting
	empty, _ := p.nats.memory()
	if err := p.remember(ctx, n); err != nil {
		return err
	}
	resident, peak := p.nats.memory()
	details := fmt.Sprintf("%d orders, one record and two events each", n)
	add := func(what string, v float64, unit string) {
		b.add(benchRow{part: "store", what: what, samples: []float64{v}, unit: unit, details: details})
	}
	for _, s := range []string{"KV_" + p.names.OrdersBucket(), p.names.EventsStream()} {
		stream, err := p.js.Stream(ctx, s)
		if err != nil {
			return fmt.Errorf("reading %s: %w", s, err)
		}
		add(s+", an order", float64(stream.CachedInfo().State.Bytes)/float64(n), "B")
	}
	size, err := folderSize(filepath.Join(p.dir, "nats"))
	if err != nil {
		return err
	}
	add("disk", size/mib, "MiB")
	add("NATS resident, empty", empty/mib, "MiB")
	add("NATS resident, after writing", resident/mib, "MiB")
	add("NATS resident, at most", peak/mib, "MiB")
	for _, end := range []struct {
		name string
		do   func()
	}{{"an orderly stop", func() { _ = p.nats.stop() }}, {"a kill", p.nats.kill}} {
		p.conn.Close()
		end.do()
		began := time.Now()
		if err := p.startNATS(ctx, true); err != nil {
			return err
		}
		add("NATS up again after "+end.name, time.Since(began).Seconds(), "s")
		resident, _ = p.nats.memory()
		add("NATS resident then", resident/mib, "MiB")
	}
	return b.revokeOnTop(ctx, p, n)
}

// revokeOnTop compares revocations in a store with n orders with those in an empty one.
func (b *bench) revokeOnTop(ctx context.Context, p *plant, n int) error {
	var err error
	if p.commands, err = p.js.Stream(ctx, p.names.CommandsStream()); err != nil {
		return fmt.Errorf("opening the commands: %w", err)
	}
	w, err := p.worker(ctx, atOnce, "0")
	if err != nil {
		return err
	}
	b.add(benchRow{part: "store", what: "worker, start to ready", samples: []float64{float64(time.Since(w.began).Milliseconds())}, unit: "ms"})
	if err := w.stop(); err != nil {
		return err
	}
	p.workers = nil
	commands := b.sizes.commands
	if err := p.fill(ctx, messages.LaneRevoke, n, commands); err != nil {
		return err
	}
	if err := ours(atOnce, 1)(ctx, p); err != nil {
		return err
	}
	all, err := p.samples(ctx, 0)
	if err != nil {
		return err
	}
	fresh, err := b.commandsPerSecond(ctx, plantOptions{synced: true}, messages.LaneRevoke, commands, ours(atOnce, 1), "")
	if err != nil {
		return err
	}
	b.add(benchRow{part: "store", what: "revoke, 64 at once", samples: []float64{rate(all, commands)}, unit: "commands/s", of: fresh.perSecond, ofWhat: "an empty store"})
	return nil
}

// remember stores what n revocations leave behind, as the worker writes it.
func (p *plant) remember(ctx context.Context, n int) error {
	for i := range n {
		_, body := commandOf(messages.LaneRevoke, i)
		c, err := messages.DecodeCommand(messages.LaneRevoke, benchSource, nil, body)
		if err != nil {
			return err
		}
		now := time.Now()
		for _, name := range []messages.EventName{messages.EventRevokeAccepted, messages.EventRevoked} {
			e := messages.NewEvent(c, name, now, now)
			e.Digest, e.Status = c.Digest(), "revoked"
			subject, header, data, err := p.names.EncodeEvent(e)
			if err != nil {
				return err
			}
			if _, err := p.js.PublishMsgAsync(&nats.Msg{Subject: subject, Header: header, Data: data}, unhurried); err != nil {
				return fmt.Errorf("filling the events: %w", err)
			}
		}
		r := ledger.Record{Order: c.OrderID}
		claimant := ledger.Claimant{Command: c.Name().String(), Reason: string(c.RevocationReason), Received: now}
		r.EndRevoked(claimant, "", now)
		value, err := json.Marshal(&r)
		if err != nil {
			return err
		}
		if _, err := p.js.PublishAsync("$KV."+p.names.OrdersBucket()+".order."+strconv.FormatInt(c.OrderID, 10), value, unhurried); err != nil {
			return fmt.Errorf("filling the orders: %w", err)
		}
	}
	return p.flushed(ctx)
}

func folderSize(dir string) (float64, error) {
	var size int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return float64(size), err
}
