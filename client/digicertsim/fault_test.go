package digicertsim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// result is what a caller sees of a call over a real connection.
type result struct {
	status int
	body   string
	header http.Header
	err    error
}

func send(t *testing.T, srv *httptest.Server, method, path, body string) result {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Dc-Devkey", "k")
	resp, err := srv.Client().Do(req)
	if err != nil {
		return result{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return result{resp.StatusCode, string(b), resp.Header, err}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const skip = `{"skip_approval":true}`
	isReset := func(r result) bool { return errors.Is(r.err, syscall.ECONNRESET) }
	for _, tt := range []struct {
		name      string
		fault     Fault
		body      string
		ok        func(result) bool
		effective int
	}{
		{"status", Fault{Kind: FaultStatus, Status: 503, Code: "maintenance|x", RetryAfter: "7"}, skip, func(r result) bool {
			return r.status == 503 && strings.Contains(r.body, `"code":"maintenance|x"`) && r.header.Get("Retry-After") == "7"
		}, 0},
		{"status after the commit", Fault{Kind: FaultStatus, Status: 500, Commit: true}, skip, func(r result) bool { return r.status == 500 }, 1},
		{"body", Fault{Kind: FaultStatus, Status: 200, Body: "surprise", ContentType: "text/plain", Header: map[string]string{"X-Odd": "1"}}, skip, func(r result) bool {
			return r.status == 200 && r.body == "surprise" && r.header.Get("Content-Type") == "text/plain" && r.header.Get("X-Odd") == "1"
		}, 0},
		{"HTML", Fault{Kind: FaultHTML}, skip, func(r result) bool {
			return r.status == 403 && r.header.Get("Content-Type") == "text/html" && strings.HasPrefix(r.body, "<html")
		}, 0},
		{"reset before", Fault{Kind: FaultResetBefore}, skip, isReset, 0},
		{"reset after", Fault{Kind: FaultResetAfter}, skip, isReset, 1},
		{"late commit, due at once", Fault{Kind: FaultLateCommit}, skip, isReset, 1},
		{"truncated", Fault{Kind: FaultTruncate}, `{"comments":"c"}`, func(r result) bool {
			return r.status == 201 && errors.Is(r.err, io.ErrUnexpectedEOF) && strings.HasPrefix(r.body, `{"id":`)
		}, 1},
		{"hang", Fault{Kind: FaultHang, Delay: time.Millisecond}, skip, isReset, 0},
		{"latency", Fault{Kind: FaultLatency, Delay: time.Millisecond}, skip, func(r result) bool { return r.status == 204 }, 1},
		{"another order", Fault{Kind: FaultResetBefore, OrderID: 2}, skip, func(r result) bool { return r.status == 204 }, 1},
		{"another operation", Fault{Kind: FaultResetBefore, Op: OpOrder}, skip, func(r result) bool { return r.status == 204 }, 1},
		{"unknown", Fault{Kind: "flood"}, skip, func(r result) bool { return r.status == 500 && strings.Contains(r.body, "flood") }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := New(Options{AutoOrders: true})
			s.Script(tt.fault)
			srv := httptest.NewServer(s)
			defer srv.Close()
			if r := send(t, srv, "PUT", orderURL(1, "/revoke"), tt.body); !tt.ok(r) {
				t.Errorf("got %+v", r)
			}
			if n := s.Effective(1); n != tt.effective {
				t.Errorf("%d effective PUTs, want %d", n, tt.effective)
			}
		})
	}
}

func TestFaultsTakeTurns(t *testing.T) {
	t.Parallel()
	s := New(Options{AutoOrders: true})
	s.Script(
		Fault{Kind: FaultStatus, Status: 500, From: 1, Times: 2},
		Fault{Kind: FaultStatus, Status: 502, OrderID: 7, Times: -1},
	)
	var got []int
	for _, id := range []int64{1, 1, 7, 7, 1, 7} {
		code, _ := do(t, s, "GET", orderURL(id, ""), "")
		got = append(got, code)
	}
	if diff := cmp.Diff([]int{200, 500, 500, 502, 200, 502}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	s.ClearFaults()
	if code, _ := do(t, s, "GET", orderURL(7, ""), ""); code != 200 {
		t.Errorf("%d after all faults were taken away", code)
	}
}

func TestFaultJSON(t *testing.T) {
	t.Parallel()
	f := Fault{Kind: FaultLag, Op: OpOrder, OrderID: 7, From: 1, Times: 2, Delay: 1500 * time.Millisecond, Header: map[string]string{"A": "b"}, Commit: true}
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var back Fault
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f, back); diff != "" {
		t.Errorf("%s (-want +got)\n%s", b, diff)
	}
	for _, bad := range []string{`{"kind":"lag","tiems":2}`, `{"kind":"lag","delay":"soon"}`, `{"kind":1}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("took %s", bad)
		}
	}
}
