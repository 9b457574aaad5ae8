package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"certrecall/worker/status"
)

// column is one of the evidence file.
type column struct {
	name  string
	value func(status.Row) string
}

// evidence gives the columns of the evidence file, one row a command: what was
// asked by whom and why, when what happened, and what DigiCert said. Columns
// are only ever added at the end.
func evidence() []column {
	return []column{
		{"incident", func(r status.Row) string { return r.Incident }},
		{"source", func(r status.Row) string { return r.Source }},
		{"command_id", func(r status.Row) string { return r.ID }},
		{"action", func(r status.Row) string { return string(r.Action) }},
		{"lane", func(r status.Row) string { return string(r.Lane) }},
		{"dry_run", func(r status.Row) string { return strconv.FormatBool(r.DryRun) }},
		{"order_id", func(r status.Row) string { return id(r.OrderID) }},
		{"certificate_id", func(r status.Row) string { return id(r.CertificateID) }},
		{"state", func(r status.Row) string { return string(r.State) }},
		{"final", func(r status.Row) string { return strconv.FormatBool(r.State.Final()) }},
		{"requested_by", func(r status.Row) string { return r.RequestedBy }},
		{"comments", func(r status.Row) string { return r.Comments }},
		{"revocation_reason", func(r status.Row) string { return string(r.Reason) }},
		{"skip_approval", func(r status.Row) string { return strconv.FormatBool(r.SkipApproval) }},
		{"received_at", func(r status.Row) string { return moment(r.Received) }},
		{"accepted_at", func(r status.Row) string { return moment(r.Accepted) }},
		{"requested_at", func(r status.Row) string { return moment(r.Requested) }},
		{"finished_at", func(r status.Row) string { return moment(r.Finished) }},
		{"deadline", func(r status.Row) string { return moment(r.Deadline) }},
		{"overdue", func(r status.Row) string { return strconv.FormatBool(r.Overdue) }},
		{"expires", func(r status.Row) string { return moment(r.Expires) }},
		{"request_id", func(r status.Row) string { return id(r.RequestID) }},
		{"digicert_status", func(r status.Row) string { return r.Status }},
		{"decided_by", func(r status.Row) string { return r.Decision.By }},
		{"decided_at", func(r status.Row) string { return moment(r.Decision.At) }},
		{"decision_comment", func(r status.Row) string { return r.Decision.Comment }},
		{"already", func(r status.Row) string { return strconv.FormatBool(r.Already) }},
		{"attempts", func(r status.Row) string { return strconv.Itoa(r.Attempts) }},
		{"certificates", func(r status.Row) string { return count(r.Certificates) }},
		{"order_status", func(r status.Row) string { return r.OrderStatus }},
		{"error_type", func(r status.Row) string { return string(problemIn(r).Type) }},
		{"error_detail", func(r status.Row) string { return problemIn(r).Detail }},
		{"error_http_status", func(r status.Row) string { return id(int64(problemIn(r).Status)) }},
		{"error_code", func(r status.Row) string { return problemIn(r).Code }},
		{"dead_letter", func(r status.Row) string { return id(int64(r.DeadLetter)) }},
		{"replay_of", func(r status.Row) string { return r.ReplayOf }},
		{"retried_as", func(r status.Row) string { return r.RetriedAs }},
		{"claimed_id", func(r status.Row) string { return r.ClaimedID }},
		{"common_name", func(r status.Row) string { return r.CommonName }},
		{"serial_number", func(r status.Row) string { return r.Serial }},
		{"digicert_account", func(r status.Row) string { return r.Account }},
		{"product", func(r status.Row) string { return r.Product }},
		{"cancelled_by", func(r status.Row) string { return r.CancelledBy }},
		{"cancel_reason", func(r status.Row) string { return r.CancelReason }},
		{"held_by", func(r status.Row) string { return r.HeldBy }},
	}
}

// writeEvidence writes the evidence file, a row at a time. Its last row has the
// SHA-256 of all bytes before it, and who wrote them: whoever has the file can
// tell whether it is whole.
func writeEvidence(w io.Writer, rows iter.Seq[status.Row]) error {
	buffered := bufio.NewWriter(w)
	sum := sha256.New()
	out := csv.NewWriter(io.MultiWriter(buffered, sum))
	columns := evidence()
	cells := make([]string, len(columns))
	for i, column := range columns {
		cells[i] = column.name
	}
	err := out.Write(cells)
	for r := range rows {
		for i, column := range columns {
			cells[i] = inert(column.value(r))
		}
		if err == nil {
			err = out.Write(cells)
		}
	}
	out.Flush()
	clear(cells)
	cells[0], cells[1], cells[2], cells[3] = "checksum", "sha-256", hex.EncodeToString(sum.Sum(nil)), "certrecall "+thisBuild().Version
	if err == nil {
		err = out.Write(cells)
	}
	out.Flush()
	if err == nil {
		err = errors.Join(out.Error(), buffered.Flush())
	}
	if err != nil {
		return fmt.Errorf("writing the evidence file: %w", err)
	}
	return nil
}

// inert keeps a spreadsheet from taking somebody else's text for a formula
// (OWASP, CSV injection): an apostrophe goes before what could begin one.
func inert(cell string) string {
	if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
		return "'" + cell
	}
	return cell
}

func id(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// moment writes a time, in UTC, as spreadsheets read it.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05.000")
}

func count(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

func problemIn(r status.Row) status.Problem {
	if r.Error == nil {
		return status.Problem{}
	}
	return *r.Error
}
