package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"certrecall/worker/status"
)

// details tells everything of one command.
func details(r status.Row, now time.Time) section {
	s := section{tag: "command", title: "COMMAND " + r.Key(), header: []string{"", ""}, wrap: 2}
	add := func(name, value string) {
		if value != "" && value != "-" {
			s.add(name, value)
		}
	}
	state := string(r.State)
	if !r.State.Final() {
		state += ", for " + since(r.Since, now)
	}
	if r.Overdue {
		state += ", overdue"
	}
	add("command", r.Key())
	add("state", state)
	add("order", number(r.OrderID))
	add("certificate", number(r.CertificateID))
	add("common name", r.CommonName)
	add("serial number", r.Serial)
	add("incident", r.Incident)
	add("lane", string(r.Lane))
	add("requested by", r.RequestedBy)
	add("comments", r.Comments)
	add("reason", string(r.Reason))
	if r.SkipApproval {
		add("approval", "skipped")
	}
	add("deadline", stamp(r.Deadline))
	add("expires", stamp(r.Expires))
	add("replay of", r.ReplayOf)
	add("retried as", r.RetriedAs)
	add("claimed id", r.ClaimedID)
	for _, e := range []struct {
		name string
		at   time.Time
	}{{"received", r.Received}, {"accepted", r.Accepted}, {"requested", r.Requested}, {"finished", r.Finished}} {
		add(e.name, stamp(e.at))
	}
	add("request", number(r.RequestID))
	add("status", r.Status)
	add("decided by", r.Decision.By)
	add("decided", stamp(r.Decision.At))
	add("decision", r.Decision.Comment)
	if r.Already {
		add("already", "another command, or somebody outside, had caused it")
	}
	add("attempts", strconv.Itoa(r.Attempts))
	if r.Certificates != nil {
		add("certificates", strconv.Itoa(*r.Certificates))
	}
	add("order status", r.OrderStatus)
	if e := r.Error; e != nil {
		add("error", string(e.Type))
		add("detail", e.Detail)
		add("DigiCert said", strings.TrimSpace(fmt.Sprintf("%s %s", number(e.Status), e.Code)))
		add("retryable", strconv.FormatBool(e.Retryable))
	}
	add("cancelled by", r.CancelledBy)
	add("why cancelled", r.CancelReason)
	if r.HeldBy != "" {
		add("held by", fmt.Sprintf("the limit %s, %d orders counted before it", r.HeldBy, r.HeldCount))
	}
	add("dead letter", number(r.DeadLetter))
	return s
}
