package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"certrecall/messages"
	"certrecall/worker/status"
)

func TestEvidenceTellsWhoWhyWhenAndDigiCertsWords(t *testing.T) {
	t.Parallel()
	at := func(minute int) time.Time { return time.Date(2026, 3, 1, 12, minute, 0, 0, time.UTC) }
	rows := []status.Row{
		{
			Source: "cli", ID: "INC-1-revoke-7-70", Lane: messages.LaneRevoke, Action: messages.ActionRevoke, OrderID: 7, CertificateID: 70,
			Incident: "INC-1", State: status.Revoked, Deadline: at(59), RequestID: 900, Status: "approved", Attempts: 1,
			Decision: status.Decision{By: "Grace <grace@example.com>", At: at(5), Comment: "=HYPERLINK(\"x\")"},
			Comments: "key leaked, \"twice\"", Reason: messages.ReasonKeyCompromise, RequestedBy: "@ada",
			Received: at(0), Accepted: at(1), Requested: at(2), Finished: at(6),
		},
		{
			Source: "soar", ID: "x", Lane: messages.LaneListDuplicates, Action: messages.ActionListDuplicates, OrderID: 8, State: status.Failed,
			Error:    &status.Problem{Type: messages.ErrorRefused, Detail: "-1 is no order", Status: 400, Code: "bad"},
			Attempts: 2, DeadLetter: 17, Received: at(0), Finished: at(3), Certificates: new(0),
		},
	}
	var out bytes.Buffer
	if err := status.WriteEvidence(&out, slices.Values(rows), "certrecall "+thisBuild().Version); err != nil {
		t.Fatal(err)
	}
	checkSum(t, out.String())
	records, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	records = records[:len(records)-1]
	got := make([]map[string]string, 0, 2)
	for _, record := range records[1:] {
		cells := map[string]string{}
		for i, name := range records[0] {
			if record[i] != "" && record[i] != "false" {
				cells[name] = record[i]
			}
		}
		got = append(got, cells)
	}
	want := []map[string]string{
		{
			"incident": "INC-1", "source": "cli", "command_id": "INC-1-revoke-7-70", "action": "revoke", "lane": "revoke", "order_id": "7",
			"certificate_id": "70", "state": "revoked", "final": "true", "requested_by": "'@ada", "comments": `key leaked, "twice"`,
			"revocation_reason": "keyCompromise", "received_at": "2026-03-01 12:00:00.000", "accepted_at": "2026-03-01 12:01:00.000",
			"requested_at": "2026-03-01 12:02:00.000", "finished_at": "2026-03-01 12:06:00.000", "deadline": "2026-03-01 12:59:00.000",
			"request_id": "900", "digicert_status": "approved", "decided_by": "Grace <grace@example.com>",
			"decided_at": "2026-03-01 12:05:00.000", "decision_comment": `'=HYPERLINK("x")`, "attempts": "1",
		},
		{
			"source": "soar", "command_id": "x", "action": "list-duplicates", "lane": "list-duplicates", "order_id": "8", "state": "failed",
			"final": "true", "received_at": "2026-03-01 12:00:00.000", "finished_at": "2026-03-01 12:03:00.000", "attempts": "2", "certificates": "0",
			"error_type": "refused", "error_detail": "'-1 is no order", "error_http_status": "400", "error_code": "bad", "dead_letter": "17",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// checkSum fails unless the last row has the SHA-256 of all that is before it.
func checkSum(t *testing.T, file string) {
	t.Helper()
	end := strings.LastIndexByte(strings.TrimSuffix(file, "\n"), '\n') + 1
	last := strings.Split(file[end:], ",")
	sum := sha256.Sum256([]byte(file[:end]))
	if last[0] != "checksum" || last[1] != "sha-256" || last[2] != hex.EncodeToString(sum[:]) || !strings.HasPrefix(last[3], "certrecall ") {
		t.Errorf("the last row is %q, want the checksum %x", file[end:], sum)
	}
}

func TestNoCellOfTheEvidenceBeginsAFormula(t *testing.T) {
	t.Parallel()
	for _, begin := range []string{"=", "+", "-", "@", "\t", "\r"} {
		text := begin + "1+1"
		row := status.Row{ID: "x", Comments: text, RequestedBy: text, Status: text, Decision: status.Decision{By: text, Comment: text}}
		var out bytes.Buffer
		if err := status.WriteEvidence(&out, slices.Values([]status.Row{row}), "certrecall test"); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(&out).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for i, cell := range records[1] {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") {
				t.Errorf("column %s: %q", records[0][i], cell)
			}
		}
	}
}
