package status

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
)

// column is one of the evidence file.
type column struct {
	name  string
	value func(Row) string
}

// evidence gives the columns of the evidence file, one row a command: what was
// asked by whom and why, when what happened, and what DigiCert said. Columns
// are only ever added at the end.
func evidence() []column {
	return []column{
		{"incident", func(r Row) string { return r.Incident }},
		{"source", func(r Row) string { return r.Source }},
		{"command_id", func(r Row) string { return r.ID }},
		{"action", func(r Row) string { return string(r.Action) }},
		{"lane", func(r Row) string { return string(r.Lane) }},
		{"dry_run", func(r Row) string { return strconv.FormatBool(r.DryRun) }},
		{"order_id", func(r Row) string { return digits(r.OrderID) }},
		{"certificate_id", func(r Row) string { return digits(r.CertificateID) }},
		{"state", func(r Row) string { return string(r.State) }},
		{"final", func(r Row) string { return strconv.FormatBool(r.State.Final()) }},
		{"requested_by", func(r Row) string { return r.RequestedBy }},
		{"comments", func(r Row) string { return r.Comments }},
		{"revocation_reason", func(r Row) string { return string(r.Reason) }},
		{"skip_approval", func(r Row) string { return strconv.FormatBool(r.SkipApproval) }},
		{"received_at", func(r Row) string { return cellTime(r.Received) }},
		{"accepted_at", func(r Row) string { return cellTime(r.Accepted) }},
		{"requested_at", func(r Row) string { return cellTime(r.Requested) }},
		{"finished_at", func(r Row) string { return cellTime(r.Finished) }},
		{"deadline", func(r Row) string { return cellTime(r.Deadline) }},
		{"overdue", func(r Row) string { return strconv.FormatBool(r.Overdue) }},
		{"expires", func(r Row) string { return cellTime(r.Expires) }},
		{"request_id", func(r Row) string { return digits(r.RequestID) }},
		{"digicert_status", func(r Row) string { return r.Status }},
		{"decided_by", func(r Row) string { return r.Decision.By }},
		{"decided_at", func(r Row) string { return cellTime(r.Decision.At) }},
		{"decision_comment", func(r Row) string { return r.Decision.Comment }},
		{"already", func(r Row) string { return strconv.FormatBool(r.Already) }},
		{"attempts", func(r Row) string { return strconv.Itoa(r.Attempts) }},
		{"certificates", func(r Row) string { return count(r.Certificates) }},
		{"order_status", func(r Row) string { return r.OrderStatus }},
		{"error_type", func(r Row) string { return string(problemIn(r).Type) }},
		{"error_detail", func(r Row) string { return problemIn(r).Detail }},
		{"error_http_status", func(r Row) string { return digits(int64(problemIn(r).Status)) }},
		{"error_code", func(r Row) string { return problemIn(r).Code }},
		{"dead_letter", func(r Row) string { return digits(int64(r.DeadLetter)) }},
		{"replay_of", func(r Row) string { return r.ReplayOf }},
		{"retried_as", func(r Row) string { return r.RetriedAs }},
		{"claimed_id", func(r Row) string { return r.ClaimedID }},
		{"common_name", func(r Row) string { return r.CommonName }},
		{"serial_number", func(r Row) string { return r.Serial }},
		{"digicert_account", func(r Row) string { return r.Account }},
		{"product", func(r Row) string { return r.Product }},
		{"cancelled_by", func(r Row) string { return r.CancelledBy }},
		{"cancel_reason", func(r Row) string { return r.CancelReason }},
		{"held_by", func(r Row) string { return r.HeldBy }},
	}
}

// WriteEvidence writes the evidence file, a row at a time. Its last row has the
// SHA-256 of all bytes before it, and who wrote them (by): whoever has the file can
// tell whether it is whole.
func WriteEvidence(w io.Writer, rows iter.Seq[Row], by string) error {
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
			cells[i] = Inert(column.value(r))
		}
		if err == nil {
			err = out.Write(cells)
		}
	}
	out.Flush()
	clear(cells)
	cells[0], cells[1], cells[2], cells[3] = "checksum", "sha-256", hex.EncodeToString(sum.Sum(nil)), by
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

// Inert keeps a spreadsheet from taking somebody else's text for a formula
// (OWASP, CSV injection): an apostrophe goes before what could begin one.
func Inert(cell string) string {
	if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
		return "'" + cell
	}
	return cell
}

func digits(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// moment writes a time, in UTC, as spreadsheets read it.
func cellTime(t time.Time) string {
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

func problemIn(r Row) Problem {
	if r.Error == nil {
		return Problem{}
	}
	return *r.Error
}
