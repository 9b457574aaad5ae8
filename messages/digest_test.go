package messages_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"certrecall/messages"
)

func decode(t *testing.T, lane messages.Lane, body string) messages.Command {
	t.Helper()
	c, err := messages.DecodeCommand(lane, "soar", nil, []byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return c
}

// The digest is that of the JSON its documentation describes, so that others
// can compute it.
func TestDigestIsTheHashOfTheCanonicalCommand(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		lane            messages.Lane
		body, canonical string
	}{
		"least": {messages.LaneRevoke, `{"comments":"c","order_id":"01","id":"i"}`,
			`{"action":"revoke","comments":"c","dry_run":false,"id":"i","order_id":1,"skip_approval":false}`},
		"most": {messages.LaneRevokeUrgent, `{"id":"i","order_id":1,"certificate_id":2,"comments":"\u0041\u00e9\/\"\\","revocation_reason":"superseded",
			"skip_approval":true,"expected_common_name":"www.example.com","dry_run":true,"incident":"n","deadline":"2026-03-01T17:00:00.50+01:00","expires":"2026-03-02T00:00:00Z","requested_by":"\u007f",
			"context":{"z":[ 1.0, 1E3 ,{}, [] ],"\u0061":{"c":null,"b":"\u000a\u001F\ud83d\udd11"},"é":true,"b":-0,"A":"<>&"}}`,
			`{"action":"revoke","certificate_id":2,"comments":"Aé/\"\\","context":{"A":"<>&","a":{"b":"\n\u001f🔑","c":null},"b":-0,"z":[1.0,1E3,{},[]],"é":true},` +
				`"deadline":"2026-03-01T16:00:00.5Z","dry_run":true,"expected_common_name":"www.example.com","expires":"2026-03-02T00:00:00Z","id":"i","incident":"n","order_id":1,"requested_by":"` + "\x7f" +
				`","revocation_reason":"superseded","skip_approval":true}`},
		"list": {messages.LaneListDuplicates, `{"id":"i","order_id":1}`,
			`{"action":"list-duplicates","id":"i","order_id":1,"show_archived":false}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sum := sha256.Sum256([]byte(test.canonical))
			if got, want := decode(t, test.lane, test.body).Digest(), hex.EncodeToString(sum[:]); got != want {
				t.Errorf("digest %s, want %s", got, want)
			}
		})
	}
}

func TestDigestSeesContentOnly(t *testing.T) {
	t.Parallel()
	const plain = `{"id":"i","order_id":1,"comments":"c","context":{"a":1,"b":{"c":2,"d":[3]}},"deadline":"2026-03-01T17:00:00Z"}`
	want := decode(t, messages.LaneRevoke, plain).Digest()
	for _, same := range []string{
		`{ "comments":"\u0063", "order_id":"001", "id":"i", "skip_approval":false, "dry_run":false, "deadline":"2026-03-01t18:00:00.000+01:00",
		  "context": { "b": {"d":[ 3 ],"c":2}, "\u0061": 1 } }`,
	} {
		if got := decode(t, messages.LaneRevokeUrgent, same).Digest(); got != want {
			t.Errorf("digest of %s differs", same)
		}
	}
	other, err := messages.DecodeCommand(messages.LaneRevoke, "another", map[string][]string{"traceparent": {"x"}, "ce-id": {"y"}}, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	if other.Digest() != want {
		t.Error("source or headers change the digest")
	}
	list := decode(t, messages.LaneListDuplicates, `{"id":"i","order_id":1}`)
	list.Lane = messages.LaneRevoke
	seen := map[string]string{want: plain, list.Digest(): "list-duplicates as revoke"}
	for _, different := range []string{
		`{"id":"j","order_id":1,"comments":"c","context":{"a":1,"b":{"c":2,"d":[3]}},"deadline":"2026-03-01T17:00:00Z"}`,
		`{"id":"i","order_id":2,"comments":"c","context":{"a":1,"b":{"c":2,"d":[3]}},"deadline":"2026-03-01T17:00:00Z"}`,
		`{"id":"i","order_id":1,"comments":"d","context":{"a":1,"b":{"c":2,"d":[3]}},"deadline":"2026-03-01T17:00:00Z"}`,
		`{"id":"i","order_id":1,"comments":"c","context":{"a":1.0,"b":{"c":2,"d":[3]}},"deadline":"2026-03-01T17:00:00Z"}`,
		`{"id":"i","order_id":1,"comments":"c","context":{"a":"1","b":{"c":2,"d":[3]}},"deadline":"2026-03-01T17:00:00Z"}`,
		`{"id":"i","order_id":1,"comments":"c","context":{"a":1,"b":{"c":2},"d":[3]},"deadline":"2026-03-01T17:00:00Z"}`,
		`{"id":"i","order_id":1,"comments":"c","context":{},"deadline":"2026-03-01T17:00:00Z"}`,
		`{"id":"i","order_id":1,"comments":"c","deadline":"2026-03-01T17:00:00Z"}`,
		`{"id":"i","order_id":1,"comments":"c","expires":"2026-03-01T17:00:00Z"}`,
		`{"id":"i","order_id":1,"comments":"c","deadline":"2026-03-01T17:00:00.001Z"}`,
		`{"id":"i","order_id":1,"comments":"c"}`,
		`{"id":"i","order_id":1,"comments":"c","dry_run":true}`,
		`{"id":"i","order_id":1,"comments":"c","skip_approval":true}`,
		`{"id":"i","order_id":1,"comments":"c","certificate_id":1}`,
		`{"id":"i","order_id":1,"comments":"c","revocation_reason":"unspecified"}`,
		`{"id":"i","order_id":1,"comments":"c","incident":"x"}`,
		`{"id":"i","order_id":1,"comments":"c","requested_by":"x"}`,
		`{"id":"i","order_id":1,"comments":"c","expected_common_name":"x"}`,
		`{"id":"i","order_id":1,"comments":"c","expected_common_name":"X"}`,
		`{"id":"i","order_id":1,"comments":"c\",\"incident\":\"x"}`,
	} {
		digest := decode(t, messages.LaneRevoke, different).Digest()
		if as, taken := seen[digest]; taken {
			t.Errorf("%s has the digest of %s", different, as)
		}
		seen[digest] = different
	}
	archived := decode(t, messages.LaneListDuplicates, `{"id":"i","order_id":1,"show_archived":true}`)
	if archived.Digest() == decode(t, messages.LaneListDuplicates, `{"id":"i","order_id":1}`).Digest() {
		t.Error("show_archived does not change the digest")
	}
}

// A command made by hand may hold what no decoder lets pass; its digest is still
// one, and not that of its neighbour.
func TestDigestOfBrokenContext(t *testing.T) {
	t.Parallel()
	c := messages.Command{ID: "i", Lane: messages.LaneRevoke, OrderID: 1, Comments: "c"}
	seen := make(map[string]string)
	for _, context := range []string{``, `{`, `{}`, `{} `, `{}x`, `{"a":1,"a":2}`, `{"a":1,"a":3}`, `[1,`, `[1 2]`, `{"a" 1}`, `["a`, `tru`} {
		c.Context = json.RawMessage(context)
		digest := c.Digest()
		if other, taken := seen[digest]; taken && context != `{} ` {
			t.Errorf("context %q has the digest of %q", context, other)
		}
		seen[digest] = context
	}
}

func TestDigestOfDeepContextIsQuick(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"b":`, 600) + "1" + strings.Repeat(`,"a":1}`, 600)
	c := decode(t, messages.LaneRevoke, `{"id":"i","order_id":1,"comments":"c","context":`+deep+`}`)
	began := time.Now()
	c.Digest()
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v", took)
	}
}
