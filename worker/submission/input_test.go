package submission

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"certrecall/messages"
)

// revocations makes commands of an input as submit revoke does.
func revocations(t *testing.T, text, format string) (Batch, error) {
	t.Helper()
	return batcher().Read(strings.NewReader(text), Input{Format: format})
}

func batcher() *Batcher {
	return &Batcher{Lane: messages.LaneRevoke, Source: "cli", Incident: "INC-1", Defaults: []Field{Text("comments", "from the flag")}}
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
		for _, it := range b.Items {
			got = append(got, it.Command)
			body, err := messages.EncodeCommand(it.Command)
			if err != nil {
				t.Fatal(err)
			}
			again, err := messages.DecodeCommand(it.Command.Lane, it.Command.Source, nil, body)
			if diff := cmp.Diff(it.Command, again); err != nil || diff != "" {
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
			"lines 3, 6: order_id: must be an integer from 1 to 9223372036854775807, or a string of its digits (it is \"8x\", \"-1\")",
			"line 4: order_id: missing; it is required",
			"line 5: revocation_reason: must be one of unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation (it is \"keycompromise\")",
		}},
		"columns": {"order_id,comment,show_archived,order_id,,lane\n1,2,3,4,5,6\n", []string{
			"line 1: comment: is no field of a command; did you mean comments?",
			"line 1: show_archived: belongs to list-duplicates commands; leave it out, or send to another lane",
			"line 1: order_id: names two columns; remove one",
			"line 1: column 5: has no name; name it after a field of a command",
			"line 1: lane: is no field of a command; leave it out, the subject says it",
		}},
		"no header":         {"7\n8\n", []string{"line 1: the first row must name the columns, order_id among them; this one holds an order (it is \"7\")"}},
		"no order":          {"comments\nx\n", []string{"line 1: order_id: is missing: the first row must name the columns, order_id among them (or name the one with --order-column, as \"Order #\")"}},
		"too many cells":    {"order_id,comments\n7,key leaked, and lost\n", []string{"line 2: has 3 cells, the header names 2: quote cells that hold the separator"}},
		"open quote":        {"order_id,comments\n7,ok\n8,\"x\n9,y\n", []string{"line 3: extraneous or missing \" in quoted-field; what follows it was not read"}},
		"JSON":              {"{\"order_id\":7}\n[8]\nnull\n{\"order_id\":9,\"order_id\":10}\n{\"order_id\":1} x\n", []string{"lines 2-3, 5: is not one JSON object", "line 4: order_id: given twice; give it once (it is \"10\")"}},
		"misspelt in JSON":  {`{"order_id":7,"dryRun":true}`, []string{"line 1: dryRun: is no field of a command; did you mean dry_run? (it is \"true\")"}},
		"same id, not same": {"order_id,comments\n7,a\n8,b\n7,c\n", []string{"line 4: id: INC-1-revoke-7 is the command of line 2 too, with other content: leave one of them out"}},
		"reserved id":       {`{"order_id":7,"id":"seq-1"}`, []string{"line 1: id: is reserved: it begins with seq- or ends in -replay-<digits>; choose another (it is \"seq-1\")"}},
		"wrong boolean":     {"order_id,skip_approval\n7,yes\n", []string{"line 2: skip_approval: must be true or false, not a string (it is \"yes\")"}},
		"wrong context":     {"order_id,context\n7,INC\n", []string{"line 2: context: must be an object, not a string (it is \"INC\")"}},
	} {
		_, err := revocations(t, test.text, "auto")
		problems, ok := errors.AsType[Problems](err)
		if !ok {
			t.Errorf("%s: error %v, want problems", name, err)
		}
		if diff := cmp.Diff(test.want, problems.Lines()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestInputThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                   "standard input holds no orders",
		"order_id\n":         "standard input holds no orders",
		"\xff\xfeo\x00r\x00": "standard input is UTF-16",
		"order_id,comments\n7,ok\n8,sch\xfctzen\n": "standard input is not UTF-8 in line 3, but Windows-1252",
		strings.Repeat("{", 3e5):                   "line 1: bufio.Scanner: token too long",
		"order_id\n" + "\n,\n,,\n":                 "holds no orders",
	} {
		if _, err := revocations(t, text, "auto"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, want %q", text, err, want)
		}
	}
}

func TestRepeatedAndCoveredLinesAreNamed(t *testing.T) {
	t.Parallel()
	b, err := revocations(t, "order_id,certificate_id\n7,\n8,80\n7,\n7,70\n8,80\n007,\n", "auto")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{4, 6, 7}, b.Repeated); diff != "" {
		t.Errorf("repeated (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{5}, b.Covered); diff != "" {
		t.Errorf("covered (-want +got):\n%s", diff)
	}
	if len(b.Items) != 3 {
		t.Errorf("%d commands, want 3", len(b.Items))
	}
}

func TestIDsFollowFromIncidentAndOrder(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		b    Batcher
		row  string
		want string
	}{
		{Batcher{Lane: messages.LaneRevoke}, `{"order_id":7,"comments":"x"}`, "INC-1-revoke-7"},
		{Batcher{Lane: messages.LaneRevokeUrgent}, `{"order_id":7,"comments":"x"}`, "INC-1-revoke-7"},
		{Batcher{Lane: messages.LaneRevoke, DryRun: true}, `{"order_id":7,"certificate_id":8,"comments":"x"}`, "INC-1-plan-7-8"},
		{Batcher{Lane: messages.LaneRevoke, Again: 2}, `{"order_id":7,"comments":"x"}`, "INC-1-revoke-7-again2"},
		{Batcher{Lane: messages.LaneRevoke, Again: 2}, `{"id":"mine","order_id":7,"comments":"x"}`, "mine-again2"},
		{Batcher{Lane: messages.LaneListDuplicates}, `{"order_id":7}`, "INC-1-list-7"},
	} {
		test.b.Source, test.b.Incident = "cli", "INC-1"
		b, err := test.b.Read(strings.NewReader(test.row), Input{Format: "jsonl"})
		if err != nil {
			t.Errorf("%s: %v", test.row, err)
			continue
		}
		if got := b.Items[0].Command.ID; got != test.want {
			t.Errorf("%s: id %s, want %s", test.row, got, test.want)
		}
	}
}

func TestRanges(t *testing.T) {
	t.Parallel()
	for want, lines := range map[string][]int{
		"line 7": {7}, "lines 3, 7-9": {9, 3, 7, 8}, "lines 2-2001": seq(2, 2001), "lines 1-2": {1, 2, 2},
	} {
		if got := Ranges(lines); got != want {
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
			all, err := batcher().Read(strings.NewReader(text), Input{Format: format})
			if err != nil && len(all.Items) > 0 {
				t.Fatalf("a batch beside the error %v", err)
			}
			for _, it := range all.Items {
				body, err := messages.EncodeCommand(it.Command)
				if err != nil {
					t.Fatal(err)
				}
				c, err := messages.DecodeCommand(messages.LaneRevoke, "cli", nil, body)
				if err != nil || c.Digest() != it.Command.Digest() {
					t.Fatalf("%s: %v, not what was read", body, err)
				}
			}
		}
	})
}
