package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"certrecall/worker/status"
)

// plainLines is a watch in a pipe: a line when something has changed.
type plainLines struct {
	p           *process
	last, plans tally
	held        string
}

func (o *plainLines) show(now progress, last bool) {
	if !last && maps.Equal(now.Counts, o.last) && maps.Equal(now.Plans, o.plans) && now.Held == o.held {
		return
	}
	o.last, o.plans, o.held = now.Counts, now.Plans, now.Held
	tag := "progress"
	if last {
		tag = "end"
	}
	fields := []string{tag, stamp(now.Time), fmt.Sprintf("final=%d/%d", now.sums().final-now.Counts[status.Retried], now.Total)}
	for _, state := range status.States() {
		if n := now.Counts[state]; n > 0 {
			fields = append(fields, fmt.Sprintf("%s=%d", state, n))
		}
	}
	if n := totals(now.Plans); n.all > 0 {
		fields = append(fields, fmt.Sprintf("plans=%d/%d", n.final, n.all))
	}
	if !last && now.Held == "" {
		fields = append(fields, "rate="+strconv.FormatFloat(now.Rate, 'f', 1, 64)+"/s", "left="+span(now.Left))
	}
	if now.Held != "" {
		fields = append(fields, "held="+now.Held)
	}
	fmt.Fprintln(o.p.stdout, strings.Join(clean(fields), "\t"))
}

func (o *plainLines) failed(r status.Row) {
	kind, detail := problemOf(r)
	fields := []string{"failed", number(r.OrderID), number(r.CertificateID), kind, detail, r.Key()}
	fmt.Fprintln(o.p.stdout, strings.Join(clean(fields), "\t"))
}

func (o *plainLines) close() {}

// jsonLines is a watch for programs.
type jsonLines struct {
	p    *process
	last tally
}

func (o *jsonLines) show(now progress, last bool) {
	if !last && maps.Equal(now.Counts, o.last) {
		return
	}
	o.last = now.Counts
	kind := "progress"
	if last {
		kind = "end"
	}
	o.line(struct {
		Type string `json:"type"`
		progress
		SecondsLeft float64 `json:"seconds_left"`
	}{kind, now, now.Left.Seconds()})
}

func (o *jsonLines) failed(r status.Row) {
	o.line(struct {
		Type    string     `json:"type"`
		Command status.Row `json:"command"`
	}{"failed", r})
}

func (o *jsonLines) line(v any) {
	e := json.NewEncoder(o.p.stdout)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // a reader that has gone is told by the exit of this process
}

func (o *jsonLines) close() {}
