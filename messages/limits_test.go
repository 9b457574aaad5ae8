package messages_test

import (
	"strings"
	"testing"
	"time"

	"certrecall/messages"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeCommandSize(t *testing.T) {
	t.Parallel()
	pad := func(size int) []byte {
		body := `{"id":"i","order_id":1}`
		return []byte(body + strings.Repeat(" ", size-len(body)))
	}
	for _, test := range []struct {
		size int
		want []string
		id   string
	}{
		{64 << 10, nil, "i"},
		{64<<10 + 1, []string{"body: larger than 64 KiB; send less"}, "i"},
		{80<<10 + 1, []string{"body: larger than 64 KiB; send less"}, ""},
	} {
		c, err := messages.DecodeCommand(messages.LaneListDuplicates, "soar", nil, pad(test.size))
		if diff := cmp.Diff(test.want, problemsOf(t, err)); diff != "" {
			t.Errorf("%d bytes: problems (-want +got):\n%s", test.size, diff)
		}
		if c.ID != test.id {
			t.Errorf("%d bytes: id %q, want %q", test.size, c.ID, test.id)
		}
	}
}

func TestDecodeCommandAtItsLimits(t *testing.T) {
	t.Parallel()
	at := map[string]string{
		"comments of 1000 characters":   `"comments":"` + strings.Repeat("公", 1000) + `"`,
		"requester of 256 characters":   `"comments":"c","requested_by":"` + strings.Repeat("é", 256) + `"`,
		"requester empty":               `"comments":"c","requested_by":""`,
		"context of 8 KiB":              `"comments":"c","context":{"a":"` + strings.Repeat("x", 8<<10-8) + `"}`,
		"context nested as deep as can": `"comments":"c","context":{"a":` + strings.Repeat("[", 4093) + strings.Repeat("]", 4093) + `}`,
		"common name of 255":            `"comments":"c","expected_common_name":"` + strings.Repeat("é", 255) + `"`,
		"incident of 64":                `"comments":"c","incident":"` + strings.Repeat("a", 64) + `"`,
		"order with many zeros":         `"comments":"c","certificate_id":"` + strings.Repeat("0", 1000) + `1"`,
		"null in context":               `"comments":"c","context":{"a":null}`,
		"first year":                    `"comments":"c","expires":"0001-01-01T00:00:00.000000001Z"`,
	}
	for name, members := range at {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := `{"id":"` + strings.Repeat("a", 128) + `","order_id":9223372036854775807,` + members + `}`
			if _, err := messages.DecodeCommand(messages.LaneRevoke, strings.Repeat("s", 64), nil, []byte(body)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDecodeCommandRefusesAnUnknownLane(t *testing.T) {
	t.Parallel()
	_, err := messages.DecodeCommand("revoke-now", "soar", nil, []byte(`{"id":"i","order_id":1}`))
	want := []string{"lane: there is no lane revoke-now; send to revoke-urgent, revoke or list-duplicates"}
	if diff := cmp.Diff(want, problemsOf(t, err)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

// Messages made to be expensive cost what their size costs, and no more.
func TestDecodeCommandHostile(t *testing.T) {
	t.Parallel()
	var many, twice strings.Builder
	for i := range 9000 {
		many.WriteString(`"k` + strings.Repeat("x", i%3) + string(rune('a'+i%26)) + `":1,`)
		twice.WriteString(`"a":1,`)
	}
	hostile := map[string]string{
		"arrays in context":  `{"id":"i","context":` + strings.Repeat(`[`, 60000),
		"arrays, closed":     `{"id":"i","x":` + strings.Repeat(`[`, 30000) + strings.Repeat(`]`, 30000) + `}`,
		"objects":            `{"id":"i","x":` + strings.Repeat(`{"a":`, 12000),
		"objects of twins":   `{"id":"i","x":` + strings.Repeat(`{"a":1,"a":`, 5000) + `1` + strings.Repeat(`}`, 5000) + `}`,
		"unknown keys":       `{` + many.String() + `"id":"i"}`,
		"one key many times": `{"id":"i","context":{` + twice.String() + `"b":2}}`,
	}
	for name, body := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			c, err := messages.DecodeCommand(messages.LaneRevoke, "soar", nil, []byte(body))
			list := problemsOf(t, err)
			if len(list) == 0 || len(list) > 45 {
				t.Errorf("%d problems", len(list))
			}
			if size := len(err.Error()); size > 20000 {
				t.Errorf("the error is %d bytes long", size)
			}
			if c.ID != "i" {
				t.Errorf("id = %q", c.ID)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
