package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"certrecall/messages"
)

// revocations makes commands of an input as submit revoke does.
func revocations(t *testing.T, text, format string) (batch, error) {
	t.Helper()
	p := &process{stdin: strings.NewReader(text), stderr: io.Discard}
	rows, problems, err := p.readInput("-", format, messages.ActionRevoke)
	if err != nil {
		return batch{}, err
	}
	b := batcher{lane: messages.LaneRevoke, source: "cli", incident: "INC-1"}
	b.text("comments", "from the flag")
	return b.batch(rows, problems)
}

func TestInputBecomesCommands(t *testing.T) {
	t.Parallel()
	want := func(order int64, change func(*messages.Command)) messages.Command {
		c := messages.Command{
			ID: fmt.Sprintf("INC-1-revoke-%d", order), Source: "cli", Lane: messages.LaneRevoke,
			OrderID: order, Comments: "from the flag", Incident: "INC-1",
		}
		if change != nil {
			change(&c)
		}
		return c
	}
	all := want(7, func(c *messages.Command) {
		c.ID, c.CertificateID, c.Comments = "INC-1-revoke-7-70", 70, `why, "really"`
		c.RevocationReason, c.SkipApproval = messages.ReasonSuperseded, true
		c.Context = []byte(`{"ticket": "T-1"}`)
	})
	for name, test := range map[string]struct {
		text, format string
		want         []messages.Command
	}{
		"one column":          {"order_id\n7\n8\n", "auto", []messages.Command{want(7, nil), want(8, nil)}},
		"no line end":         {"order_id\n7", "auto", []messages.Command{want(7, nil)}},
		"as a spreadsheet":    {"\xef\xbb\xbforder_id;skip_approval;\r\n7;TRUE;\r\n8;;\r\n;;\r\n", "auto", []messages.Command{want(7, func(c *messages.Command) { c.SkipApproval = true }), want(8, nil)}},
		"tabs":                {"order_id\tincident\n 7 \tINC-2\n", "csv", []messages.Command{want(7, func(c *messages.Command) { c.Incident, c.ID = "INC-2", "INC-2-revoke-7" })}},
		"everything as CSV":   {"order_id,certificate_id,comments,revocation_reason,skip_approval,context\n7,70,\"why, \"\"really\"\"\",superseded,true,\"{\"\"ticket\"\": \"\"T-1\"\"}\"\n", "auto", []messages.Command{all}},
		"everything as JSON":  {`{"order_id": 7, "certificate_id": "70", "comments": "why, \"really\"", "revocation_reason": "superseded", "skip_approval": true, "context": {"ticket": "T-1"}}` + "\n\n", "auto", []messages.Command{all}},
		"own id":              {`{"order_id":7,"id":"mine"}`, "jsonl", []messages.Command{want(7, func(c *messages.Command) { c.ID = "mine" })}},
		"order as text":       {"{\"order_id\":\"0007\"}\n{\"order_id\":8}\n", "auto", []messages.Command{want(7, nil), want(8, nil)}},
		"plan in a row":       {`{"order_id":7,"dry_run":true}`, "auto", []messages.Command{want(7, func(c *messages.Command) { c.DryRun, c.ID = true, "INC-1-plan-7" })}},
		"empty lines between": {"order_id\n\n7\n\n8\n", "auto", []messages.Command{want(7, nil), want(8, nil)}},
	} {
		b, err := revocations(t, test.text, test.format)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []messages.Command
		for _, it := range b.items {
			got = append(got, it.command)
			again, err := messages.DecodeCommand(it.command.Lane, it.command.Source, nil, it.body)
			if diff := cmp.Diff(it.command, again); err != nil || diff != "" {
				t.Errorf("%s: the body says something else: %v\n%s", name, err, diff)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestEveryProblemOfAnInputIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"lines": {"order_id,revocation_reason\n7,\n8x,\n,superseded\n9,keycompromise\n-1,\n", []string{
			"lines 3, 6: order_id: must be an integer from 1 to 9223372036854775807, or a string of its digits",
			"line 4: order_id: missing; it is required",
			"line 5: revocation_reason: must be one of unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation",
		}},
		"columns": {"order_id,comment,show_archived,order_id,,lane\n1,2,3,4,5,6\n", []string{
			"line 1: comment: is no field of a command; did you mean comments?",
			"line 1: show_archived: belongs to list-duplicates commands; leave it out, or send to another lane",
			"line 1: order_id: names two columns; remove one",
			"line 1: column 5: has no name; name it after a field of a command",
			"line 1: lane: is no field of a command; leave it out, the subject says it",
		}},
		"no header":         {"7\n8\n", []string{"line 1: 7: is no field of a command; leave it out, or put it inside context"}},
		"no order":          {"comments\nx\n", []string{"line 1: order_id: is missing: the first row must name the columns, order_id among them"}},
		"too many cells":    {"order_id,comments\n7,key leaked, and lost\n", []string{"line 2: has 3 cells, the header names 2: quote cells that hold the separator"}},
		"open quote":        {"order_id,comments\n7,ok\n8,\"x\n9,y\n", []string{"line 3: extraneous or missing \" in quoted-field; what follows it was not read"}},
		"JSON":              {"{\"order_id\":7}\n[8]\nnull\n{\"order_id\":9,\"order_id\":10}\n{\"order_id\":1} x\n", []string{"lines 2-3, 5: is not one JSON object", "line 4: order_id: given twice; give it once"}},
		"misspelt in JSON":  {`{"order_id":7,"dryRun":true}`, []string{"line 1: dryRun: is no field of a command; did you mean dry_run?"}},
		"same id, not same": {"order_id,comments\n7,a\n8,b\n7,c\n", []string{"line 4: id: INC-1-revoke-7 is the command of line 2 too, with other content: leave one of them out"}},
		"reserved id":       {`{"order_id":7,"id":"seq-1"}`, []string{"line 1: id: is reserved: it begins with seq- or ends in -replay-<digits>; choose another"}},
		"wrong boolean":     {"order_id,skip_approval\n7,yes\n", []string{"line 2: skip_approval: must be true or false, not a string"}},
		"wrong context":     {"order_id,context\n7,INC\n", []string{"line 2: context: must be an object, not a string"}},
	} {
		_, err := revocations(t, test.text, "auto")
		usage, ok := errors.AsType[usageError](err)
		if !ok {
			t.Errorf("%s: error %v, want usage", name, err)
		}
		if diff := cmp.Diff(test.want, []string(usage)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestInputThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                         "standard input holds no orders",
		"order_id\n":               "standard input holds no orders",
		"\xff\xfeo\x00r\x00":       "standard input is UTF-16",
		strings.Repeat("{", 3e5):   "line 1: bufio.Scanner: token too long",
		"order_id\n" + "\n,\n,,\n": "holds no orders",
	} {
		if _, err := revocations(t, text, "auto"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, want %q", text, err, want)
		}
	}
	p := &process{}
	if _, _, err := p.readInput(filepath.Join(t.TempDir(), "none.csv"), "auto", messages.ActionRevoke); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestRepeatedAndCoveredLinesAreNamed(t *testing.T) {
	t.Parallel()
	b, err := revocations(t, "order_id,certificate_id\n7,\n8,80\n7,\n7,70\n8,80\n007,\n", "auto")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{4, 6, 7}, b.repeated); diff != "" {
		t.Errorf("repeated (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{5}, b.covered); diff != "" {
		t.Errorf("covered (-want +got):\n%s", diff)
	}
	if len(b.items) != 3 {
		t.Errorf("%d commands, want 3", len(b.items))
	}
}

func TestIDsFollowFromIncidentAndOrder(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		b    batcher
		row  string
		want string
	}{
		{batcher{lane: messages.LaneRevoke}, `{"order_id":7,"comments":"x"}`, "INC-1-revoke-7"},
		{batcher{lane: messages.LaneRevokeUrgent}, `{"order_id":7,"comments":"x"}`, "INC-1-revoke-7"},
		{batcher{lane: messages.LaneRevoke, dryRun: true}, `{"order_id":7,"certificate_id":8,"comments":"x"}`, "INC-1-plan-7-8"},
		{batcher{lane: messages.LaneRevoke, again: 2}, `{"order_id":7,"comments":"x"}`, "INC-1-revoke-7-again2"},
		{batcher{lane: messages.LaneRevoke, again: 2}, `{"id":"mine","order_id":7,"comments":"x"}`, "mine-again2"},
		{batcher{lane: messages.LaneListDuplicates}, `{"order_id":7}`, "INC-1-list-7"},
	} {
		test.b.source, test.b.incident = "cli", "INC-1"
		rows, problems, err := readJSONLines(strings.NewReader(test.row))
		if err != nil {
			t.Fatal(err)
		}
		b, err := test.b.batch(rows, problems)
		if err != nil {
			t.Errorf("%s: %v", test.row, err)
			continue
		}
		if got := b.items[0].command.ID; got != test.want {
			t.Errorf("%s: id %s, want %s", test.row, got, test.want)
		}
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	for want, lines := range map[string][]int{
		"line 7": {7}, "lines 3, 7-9": {9, 3, 7, 8}, "lines 2-2001": seq(2, 2001), "lines 1-2": {1, 2, 2},
	} {
		if got := ranges(lines); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func seq(from, to int) []int {
	var all []int
	for i := from; i <= to; i++ {
		all = append(all, i)
	}
	return all
}

// FuzzInput: whatever the bytes are, there is a batch of commands that the
// workers take as they are, or there are problems; never both, never a panic.
func FuzzInput(f *testing.F) {
	for _, seed := range []string{
		"order_id\n7\n", "order_id;comments\n7;\"a;b\"\n", "{\"order_id\":7}\n", "{\"order_id\":7,\"context\":{\"a\":[1,{}]}}",
		"\xef\xbb\xbforder_id\t\n1\t\n", "order_id,skip_approval\n7,TRUE\n7,yes\n", "{}\n{}", "order_id\n\"7", "a\x00b\n",
		`{"order_id":1,"comments":"\u0000"}`, `{"id":"x","order_id":1}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range []string{"csv", "jsonl"} {
			r := bufio.NewReader(strings.NewReader(text))
			var rows []row
			var problems []problem
			var err error
			if format == "csv" {
				rows, problems, err = readCSV(r, messages.ActionRevoke)
			} else {
				rows, problems, err = readJSONLines(r)
			}
			if err != nil {
				continue
			}
			b := batcher{lane: messages.LaneRevoke, source: "cli", incident: "INC-1"}
			b.text("comments", "c")
			all, err := b.batch(rows, problems)
			if err != nil && len(all.items) > 0 {
				t.Fatalf("a batch beside the error %v", err)
			}
			for _, it := range all.items {
				c, err := messages.DecodeCommand(messages.LaneRevoke, "cli", nil, it.body)
				if err != nil || c.Digest() != it.command.Digest() {
					t.Fatalf("%s: %v, not what was read", it.body, err)
				}
			}
		}
	})
}
