package natstest

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recipeVariable marks the child process of TestBubbleRecipe.
const recipeVariable = "NATSTEST_BUBBLE_RECIPE"

// TestBubbleRecipe runs one bubble in a process of its own. Should a new
// version of the server start a goroutine that waits on something outside of
// the bubble, fake time would stand still and every test in a bubble hang until
// the test time-out; this one says so by name.
func TestBubbleRecipe(t *testing.T) {
	if os.Getenv(recipeVariable) != "" {
		Bubble(t, func(t *testing.T, e *Env) {
			kv := createKV(t, e.JetStream(), 1)
			time.Sleep(time.Hour) // synctest
			if _, err := kv.Put(t.Context(), "k", nil); err != nil {
				t.Error(err)
			}
		})
		return
	}
	t.Parallel()
	const patience = 60 * time.Second // the bubble takes well under a second
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestBubbleRecipe$", "-test.count=1")
	child.Env = append(os.Environ(), recipeVariable+"=1")
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGQUIT) } // prints every goroutine
	child.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	child.Stdout, child.Stderr = &out, &out
	switch err := child.Run(); {
	case ctx.Err() != nil:
		t.Fatalf("fake time stood still for %v with this version of nats-server: look below for a goroutine of it in the bubble "+
			"that does not wait durably (how the last one was kept out: ats.Register in Bubble)\n%s", patience, out.Bytes())
	case err != nil:
		t.Fatalf("the bubble recipe fails with this version of nats-server: %v\n%s", err, out.Bytes())
	}
}

func TestBubbleDelaysRedeliveryInFakeTime(t *testing.T) {
	t.Parallel()
	Bubble(t, func(t *testing.T, e *Env) {
		js := e.JetStream()
		ctx := t.Context()
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "C", Subjects: []string{"c.>"}, Retention: jetstream.WorkQueuePolicy}); err != nil {
			t.Fatal(err)
		}
		cons, err := js.CreateConsumer(ctx, "C", jetstream.ConsumerConfig{Durable: "w", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish(ctx, "c.1", nil); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for _, want := range []time.Duration{0, 2 * time.Hour, 2*time.Hour + 30*time.Second} {
			m, err := cons.Next(jetstream.FetchMaxWait(24 * time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Since(began).Round(time.Second); got != want {
				t.Errorf("delivered after %v, want %v", got, want)
			}
			if want == 0 {
				_ = m.NakWithDelay(2 * time.Hour)
			}
		}
	})
}

func TestBubbleServerRestart(t *testing.T) {
	LoneBubble(t, func(t *testing.T, e *Env) {
		nc := e.Conn()
		kv := createKV(t, newJetStream(t, nc), 1)
		if _, err := kv.Put(t.Context(), "k", []byte("v")); err != nil {
			t.Fatal(err)
		}
		e.StopServer()
		time.Sleep(time.Minute) // synctest
		if nc.IsConnected() {
			t.Error("connected to a stopped server")
		}
		e.StartServer()
		if got := getKV(t, kv, "k"); string(got.Value()) != "v" {
			t.Errorf("k = %q after the restart, want v", got.Value())
		}
	})
}

func TestPipeNetCarriesHTTP(t *testing.T) {
	t.Parallel()
	Bubble(t, func(t *testing.T, e *Env) {
		pn := e.PipeNet()
		base := pn.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Hour) // synctest
			w.WriteHeader(http.StatusTeapot)
		}))
		tr := &http.Transport{DialContext: pn.Dial}
		t.Cleanup(tr.CloseIdleConnections)
		hc := &http.Client{Transport: tr}
		get := func(ctx context.Context) (int, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/x", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := hc.Do(req)
			if err != nil {
				return 0, err
			}
			return resp.StatusCode, resp.Body.Close()
		}
		began := time.Now()
		if status, err := get(t.Context()); err != nil || status != http.StatusTeapot {
			t.Errorf("GET = %d, %v; want %d", status, err, http.StatusTeapot)
		}
		if took := time.Since(began); took != time.Hour {
			t.Errorf("took %v of fake time, want 1h", took)
		}

		tr.CloseIdleConnections()
		pn.SetDown(true)
		if _, err := get(t.Context()); !errors.Is(err, errRefused) {
			t.Errorf("GET on a network that is down = %v, want %v", err, errRefused)
		}
		pn.SetDown(false)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := NewPipeNet().Dial(ctx, "tcp", "nobody"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialling a network without a listener = %v, want a time-out", err)
		}
	})
}
