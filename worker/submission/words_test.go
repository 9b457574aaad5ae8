package submission

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"certrecall/messages"
)

func TestNumberWithSeparatorsIsNotTakenForSeveralOrders(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"1234567": {"1234567"}, "1234567,1234568": {"1234567", "1234568"}, "100,101": {"100", "101"}, " 7, 8 ": {"7", "8"},
		"1,234,567": nil, "1,234": nil, "12,345": nil, "123,456,789": nil,
	} {
		got, err := OrderList(text)
		if (err != nil) != (want == nil) {
			t.Errorf("%s: error %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	if _, err := OrderList("1,234,567"); err == nil || !strings.Contains(err.Error(), "write 1234567") {
		t.Errorf("error %v, want one that says what was meant", err)
	}
}

func TestTimesOfThePastAndHalfTimesAreRefused(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]string{
		"2026-03-01T12:00:00Z":      "lies in the past: it is now 2026-03-01T12:00:00Z",
		"2020-01-01T00:00:00Z":      "lies in the past",
		"2026-03-01T12:00:01Z":      "",
		"4h":                        "a length of time is none: 4h from now is 20",
		"2026-03-01T17:00:00":       "add the zone: 2026-03-01T17:00:00Z is UTC",
		"2026-03-01 17:00":          "add the zone: 2026-03-01T17:00:00Z is UTC",
		"tomorrow":                  "must be an RFC 3339 time",
		"2026-03-01T14:00:00+01:00": "",
	} {
		for _, field := range []string{"deadline", "expires"} {
			b := batcher()
			b.Now = now
			b.Defaults = append(b.Defaults, Text(field, value))
			problems := b.CheckDefaults()
			_, err := b.Rows(Fields(Text("order_id", "7")))
			if want == "" {
				if len(problems) > 0 || err != nil {
					t.Errorf("%s %s: %v, %v", field, value, problems, err)
				}
				continue
			}
			if len(problems) != 1 || problems[0].Field != field || !strings.Contains(problems[0].Detail, want) {
				t.Errorf("%s %s: %v, want %q", field, value, problems, want)
			}
			if _, ok := errors.AsType[Problems](err); !ok {
				t.Errorf("%s %s: a batch in spite of it", field, value)
			}
		}
	}
}

func TestExportOfCertCentralIsRead(t *testing.T) {
	t.Parallel()
	const export = "Order #,Common Name,Status,order_id,comments\n1234567,www.example.com,issued,x,\n"
	b, err := batcher().Read(strings.NewReader(export), Input{Format: "csv", OrderColumn: "order #", IgnoreColumns: true})
	if err != nil || len(b.Items) != 1 || b.Items[0].Command.OrderID != 1234567 || b.Items[0].Command.Comments != "from the flag" {
		t.Errorf("%+v, %v", b.Items, err)
	}
	for how, want := range map[Input]string{
		{Format: "csv"}: "Common Name: is no field of a command",
		{Format: "csv", OrderColumn: "Order No", IgnoreColumns: true}: "",
		{Format: "csv", OrderColumn: "Order #"}:                       "order_id: names two columns",
	} {
		_, err := batcher().Read(strings.NewReader(export), how)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", how, err, want)
		}
	}
	_, err = batcher().Read(strings.NewReader("Order #\n7\n"), Input{Format: "csv", OrderColumn: "Order No", IgnoreColumns: true})
	if err == nil || !strings.Contains(err.Error(), "names no column; there are: Order #") {
		t.Errorf("error %v, want one that names the columns", err)
	}
}

func TestNothingIsSentOfMoreThanMayBe(t *testing.T) {
	t.Parallel()
	b := batcher()
	b.Max = 2
	if _, err := b.Read(strings.NewReader("order_id\n1\n2\n2\n"), Input{Format: "csv"}); err != nil {
		t.Errorf("two of two: %v", err)
	}
	_, err := b.Read(strings.NewReader("order_id\n1\n2\n3\n"), Input{Format: "csv"})
	if err == nil || !strings.Contains(err.Error(), "there are 3 commands, more than --max 2") {
		t.Errorf("error %v", err)
	}
}

func TestBlankCommentsAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"order_id,comments\n7,\"  \"\n", `{"order_id":7,"comments":"  "}`} {
		if _, err := revocations(t, text, "auto"); err == nil || !strings.Contains(err.Error(), "comments: is blank") {
			t.Errorf("%q: error %v", text, err)
		}
	}
	b := Batcher{Lane: messages.LaneRevoke, Defaults: []Field{Text("comments", " ")}}
	if problems := b.CheckDefaults(); len(problems) != 1 || problems[0].Field != "comments" {
		t.Errorf("%v", problems)
	}
}
