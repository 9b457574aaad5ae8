package gateway

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"certrecall/messages"
	"certrecall/worker/natstest"
	"certrecall/worker/streams"
)

const (
	nowToken, nowOldToken = "servicenow-token-of-32-characters", "servicenow-older-token-32-character"
	hubSecret             = "jira-hub-secret-of-thirty-two-chars"
	hookSecret            = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	scriptsUser           = "scripts:a-password-of-some-length"
)

const testConfig = `
sources:
  servicenow: {lanes: [revoke, list-duplicates], auth: {bearer_files: [now-1, now-2]}}
  jira:       {lanes: [revoke], auth: {hub_signature_files: [jira]}, rate: 3/1m}
  soar:       {lanes: [revoke-urgent, revoke, list-duplicates], auth: {webhook_secret_files: [soar]}}
  scripts:    {lanes: [list-duplicates], auth: {basic_files: [scripts]}}
`

// rig is a NATS server and a gateway in front of it.
type rig struct {
	t      *testing.T
	server *natstest.Server
	js     jetstream.JetStream
	names  messages.Names
	dir    string
	g      *Gateway
	url    string
	log    *syncBuffer
	spec   *judge
}

type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func (b *syncBuffer) Sync() error { return nil }

func newRig(t *testing.T, config string) *rig {
	t.Helper()
	r := &rig{t: t, server: natstest.Start(t), dir: t.TempDir(), log: &syncBuffer{}, spec: newJudge(t)}
	r.js = r.server.JetStream()
	var err error
	if r.names, err = messages.NewNames("certrecall"); err != nil {
		t.Fatal(err)
	}
	if err := streams.Apply(t.Context(), r.js, r.names, streams.Options{}); err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]string{"now-1": nowToken, "now-2": nowOldToken, "jira": hubSecret, "soar": hookSecret, "scripts": scriptsUser, "tickets": hookSecret} {
		r.write(name, secret)
	}
	r.write("gateway.yaml", config)
	settings, err := ReadSettings(filepath.Join(r.dir, "gateway.yaml"), r.names)
	if err != nil {
		t.Fatal(err)
	}
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), r.log, zapcore.DebugLevel))
	r.g, err = New(Config{Settings: settings, Names: r.names, Conn: r.server.Conn(nats.ReconnectBufSize(-1)), Log: log, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = r.g.Run(ctx) })
	server := httptest.NewServer(r.g.Handler())
	r.url = server.URL
	t.Cleanup(func() {
		cancel()
		running.Wait()
		server.Close()
	})
	return r
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// reply is an answer of the gateway.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (a reply) text(field string) string {
	var doc map[string]any
	if json.Unmarshal(a.body, &doc) != nil {
		return ""
	}
	s, _ := doc[field].(string)
	return s
}

func (a reply) fields() map[string]string {
	var doc struct{ Errors []fieldError }
	_ = json.Unmarshal(a.body, &doc) // what is no problem names no field
	out := map[string]string{}
	for _, e := range doc.Errors {
		out[e.Field] = e.Detail
	}
	return out
}

func (r *rig) do(method, path string, body string, header ...string) reply {
	r.t.Helper()
	q, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Add(header[i], header[i+1])
	}
	a, err := (&http.Client{Timeout: time.Minute}).Do(q)
	if err != nil {
		r.t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	r.spec.traffic(r.t, q, []byte(body), a, text)
	return reply{a.StatusCode, a.Header, text}
}

// post sends JSON as servicenow.
func (r *rig) post(lane, body string, header ...string) reply {
	r.t.Helper()
	return r.do(http.MethodPost, "/v1/commands/"+lane, body, append([]string{"Content-Type", "application/json", "Authorization", "Bearer " + nowToken}, header...)...)
}

func signed(t *testing.T, id string, at time.Time, body string) []string {
	t.Helper()
	w, err := webhooks.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := w.Sign(id, at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return []string{"Content-Type", "application/json", "webhook-id", id, "webhook-timestamp", strconv.FormatInt(at.Unix(), 10), "webhook-signature", "v1,AAAA " + signature}
}

func hubSigned(body string) []string {
	mac := hmac.New(sha256.New, []byte(hubSecret))
	mac.Write([]byte(body))
	return []string{"Content-Type", "application/json", "X-Hub-Signature-256", "sha256=" + hex.EncodeToString(mac.Sum(nil))}
}

func (r *rig) stored() int {
	r.t.Helper()
	s, err := r.js.Stream(r.t.Context(), r.names.CommandsStream())
	if err != nil {
		r.t.Fatal(err)
	}
	return int(s.CachedInfo().State.Msgs)
}

// event stores an event of a command as a worker does.
func (r *rig) event(c messages.Command, name messages.EventName) {
	r.t.Helper()
	e := messages.NewEvent(c, name, time.Now(), time.Now())
	switch name {
	case messages.EventRevoked:
		e.Status = "revoked"
	case messages.EventCommandRejected:
		e.Error = &messages.Error{Type: messages.ErrorInvalidCommand, Title: "t", Detail: "d"}
	default:
	}
	subject, header, body, err := r.names.EncodeEvent(e)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.js.PublishMsg(r.t.Context(), &nats.Msg{Subject: subject, Header: header, Data: body}); err != nil {
		r.t.Fatal(err)
	}
}

const good = `{"id":"INC-1","order_id":4711,"comments":"leaked"}`

func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-deadline:
			r.t.Fatalf("waited in vain until %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
