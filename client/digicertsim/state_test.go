package digicertsim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestStateOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state")
	options := Options{StateFile: file, AutoOrders: true, AutoDecide: time.Hour}
	s := New(options)
	do(t, s, "PUT", orderURL(4711, "/revoke"), putComment)
	do(t, s, "PUT", orderURL(SampleOrder, "/revoke"), `{"comments":"Revoked via API!"}`)
	do(t, s, "PUT", BasePath+"/certificate/4712001/revoke", `{"skip_approval":true}`)
	do(t, s, "PUT", orderURL(ReissuedOrder, "/revoke"), putComment)
	if err := s.AddOrder(Order{ID: 5, DuplicatesBody: "{ }\n"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Approve(firstRequestID); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"id":4711,"status":"iss`); err != nil { // a write that the end of the process tore
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}

	for range 2 { // the second start reads what the first one wrote anew
		again := New(options)
		for _, id := range []int64{4711, 4712, 5, SampleOrder, ReissuedOrder, EmptyOrder} {
			before, _ := s.Order(id)
			after, _ := again.Order(id)
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("order %d (-before +after)\n%s", id, diff)
			}
			for _, path := range []string{orderURL(id, ""), orderURL(id, "/duplicate?show_archived=true"), orderURL(id, "/reissue?show_archived=true")} {
				_, was := do(t, s, "GET", path, "")
				if _, is := do(t, again, "GET", path, ""); is != was {
					t.Errorf("%s after the restart:\n%s\nbefore:\n%s", path, is, was)
				}
			}
		}
		if n := len(again.Requests()); n != 4 {
			t.Errorf("%d requests after the restart, want 4", n)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
	last := New(options)
	if _, body := do(t, last, "PUT", orderURL(4713, "/revoke"), putComment); !strings.HasPrefix(body, `{"id":1000003,`) {
		t.Errorf("the next request after the restart: %s", body)
	}
	if err := last.Reset(); err != nil {
		t.Fatal(err)
	}
	if err := last.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file); err != nil || len(b) != 0 {
		t.Errorf("the state after a reset: %q, %v", b, err)
	}
}

func TestBadStateIsAnError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(file, []byte("{\"id\":1}\nnonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{StateFile: file}); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
	if _, err := Open(Options{StateFile: filepath.Join(t.TempDir(), "none", "state")}); err == nil {
		t.Error("opened a file in a directory that is not there")
	}
}
