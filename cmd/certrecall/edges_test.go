package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"certrecall/client/digicertsim"
	"certrecall/messages"
	"certrecall/worker/streams"
)

// served is a worker process with an address of its own for /readyz.
func (p *plant) served(args ...string) (w *proc, base string) {
	p.t.Helper()
	base = fmt.Sprintf("127.0.0.1:%d", reservedPort(p.t))
	return p.worker(append(args, "--http-addr", base)...), "http://" + base
}

// says waits until the address answers so.
func says(t *testing.T, url string, status int, parts ...string) {
	t.Helper()
	var last string
	if !eventually(func() bool {
		code, body := get(url)
		last = fmt.Sprint(code, " ", body)
		for _, part := range parts {
			if !strings.Contains(body, part) {
				return false
			}
		}
		return code == status
	}) {
		t.Fatalf("%s never answered %d %q; last: %s", url, status, parts, last)
	}
}

// What stands in front of DigiCert has no final word.
func TestPagesInFrontOfDigiCertEndNothing(t *testing.T) {
	t.Parallel()
	p := newPlant(t, digicertsim.Options{AutoDecide: time.Second})
	_, base := p.served("--retry-max-interval", "1s")
	says(t, base+"/readyz", http.StatusOK)
	p.sim.Script(digicertsim.Fault{Kind: digicertsim.FaultHTML, Status: 404, Times: -1})
	var all []messages.Command
	for i := range 20 {
		c := messages.Command{ID: fmt.Sprintf("c-%d", i), Source: "test", Lane: messages.LaneRevoke, OrderID: int64(10*i + 1), Comments: "behind a page"}
		if i%4 == 0 {
			c.Lane, c.Comments = messages.LaneListDuplicates, ""
		}
		all = append(all, c)
	}
	p.publish(all...)
	says(t, base+"/readyz", http.StatusOK, `"circuit"`) // closed by the pages
	p.sim.ClearFaults()
	finals := 0
	p.events(time.Minute, func(e messages.Event) bool {
		if e.Name.Final() {
			finals++
			if e.Name != messages.EventRevoked && e.Name != messages.EventDuplicatesListed {
				t.Errorf("%s: %s %v", e.ID, e.Name, e.Error)
			}
		}
		return finals < len(all)
	})
	p.queueEmpty()
}

func TestReadyzOfARunningWorker(t *testing.T) {
	t.Parallel()
	p := newPlant(t, digicertsim.Options{})
	_, base := p.served()
	says(t, base+"/readyz", http.StatusOK)
	for _, stream := range []string{p.names.EventsStream(), p.names.DeadLettersStream(), "KV_" + p.names.OrdersBucket(), "KV_" + p.names.ControlBucket()} {
		s, err := p.js.Stream(t.Context(), stream)
		if err != nil {
			t.Fatal(err)
		}
		cfg := s.CachedInfo().Config
		if err := p.js.DeleteStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
		says(t, base+"/readyz", http.StatusServiceUnavailable, strings.TrimPrefix(stream, "KV_")+" is gone")
		if _, err := p.js.CreateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		says(t, base+"/readyz", http.StatusOK)
	}
	elsewhere := httptest.NewServer(http.RedirectHandler("https://login.example.com/", http.StatusFound))
	t.Cleanup(elsewhere.Close)
	_, redirected := p.served("--digicert-url", elsewhere.URL+digicertsim.BasePath)
	says(t, redirected+"/readyz", http.StatusServiceUnavailable, "has not accepted the key yet", "login.example.com")
}

// A 429 is known to the fleet soon after NATS was killed and started again.
func TestA429AfterARestartOfNATS(t *testing.T) {
	t.Parallel()
	nodes := startNATS(t, t.TempDir(), 1)
	js, err := jetstream.New(connectNATS(t, nodes))
	if err != nil {
		t.Fatal(err)
	}
	p := newPlantOn(t, natsURLs(nodes), js, streams.Options{}, digicertsim.Options{})
	_, one := p.served()
	_, two := p.served()
	for _, base := range []string{one, two} {
		says(t, base+"/readyz", http.StatusOK)
	}
	nodes[0].kill()
	for _, base := range []string{one, two} {
		says(t, base+"/readyz", http.StatusServiceUnavailable, `"nats"`)
	}
	nodes[0].start()
	for _, base := range []string{one, two} {
		says(t, base+"/readyz", http.StatusOK)
	}
	p.sim.Script(digicertsim.Fault{Op: digicertsim.OpRevokeOrder, Kind: digicertsim.FaultStatus, Status: 429, RetryAfter: "60"})
	if !eventually(func() bool { // the connection of the test comes back by itself, too
		_, err := js.Publish(t.Context(), p.names.CommandSubject(messages.LaneRevoke, "test"), []byte(`{"id":"a","order_id":4711,"comments":"throttled"}`))
		return err == nil
	}) {
		t.Fatal("nothing can be published")
	}
	throttled := func(base string) bool {
		_, body := get(base + "/readyz")
		return strings.Contains(body, `"not-before"`)
	}
	if !eventually(func() bool { return throttled(one) || throttled(two) }) {
		t.Fatal("nobody heard of the 429")
	}
	heard := time.Now()
	if !eventually(func() bool { return throttled(one) && throttled(two) }) {
		t.Fatal("the other never heard of the 429")
	}
	if took := time.Since(heard); took > 3*time.Second {
		t.Errorf("the other heard of it after %s", took)
	}
}

// slowLine passes connections on, each after a pause before its first byte, so that TLS takes that long to set up. A
// pause that is changed holds for the connections that come after.
func slowLine(t *testing.T, to string, first time.Duration) (address string, pause *atomic.Int64) {
	t.Helper()
	pause = new(atomic.Int64)
	pause.Store(int64(first))
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer near.Close()
				select {
				case <-time.After(time.Duration(pause.Load())):
				case <-t.Context().Done():
					return
				}
				far, err := new(net.Dialer).DialContext(t.Context(), "tcp", to)
				if err != nil {
					return
				}
				defer far.Close()
				go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
				_, _ = io.Copy(near, far)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String(), pause
}

// Connections that take 0.6 s to set up overrun no window at the receiver.
func TestSlowConnectionsOverrunNoWindow(t *testing.T) {
	t.Parallel()
	p := newPlant(t, digicertsim.Options{Limits: []digicertsim.Window{{Calls: 20, Per: 2 * time.Second}}, Block: time.Second})
	secure := httptest.NewTLSServer(p.sim)
	t.Cleanup(secure.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	line, _ := slowLine(t, secure.Listener.Addr().String(), 600*time.Millisecond)
	args := []string{"--rate-limit", "20/2s", "--digicert-url", "https://" + line + digicertsim.BasePath, "--digicert-ca", ca, "--digicert-ca-only", "--concurrency", "16"}
	_, one := p.served(args...)
	_, two := p.served(args...)
	for _, base := range []string{one, two} {
		says(t, base+"/readyz", http.StatusOK)
	}
	const commands = 80
	var all []messages.Command
	for i := range commands {
		all = append(all, messages.Command{ID: fmt.Sprintf("s-%d", i), Source: "test", Lane: messages.LaneRevoke, OrderID: int64(10*i + 1), Comments: "slow", SkipApproval: true})
	}
	p.publish(all...)
	finals := 0
	p.events(time.Minute, func(e messages.Event) bool {
		if e.Name.Final() {
			finals++
		}
		return finals < commands
	})
	if n := p.sim.OverLimit(); n != 0 {
		t.Errorf("%d calls over the limit", n)
	}
}

// Large lists that come all at once do not fill the memory of a worker.
func TestLargeListsStayWithinTheMemoryOfAPod(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the peak of a process is read from /proc")
	}
	p := newPlant(t, digicertsim.Options{})
	const lists, size = 8, 24 << 20
	body := `{"certificates":[` + strings.Repeat(`{"id":1,"status":"approved","csr":"`+strings.Repeat("x", 2000)+`"},`, size/2040) + `{"id":2}]}`
	var all []messages.Command
	for i := range int64(lists) {
		if err := p.sim.AddOrder(digicertsim.Order{ID: 100 + i, DuplicatesBody: body}); err != nil {
			t.Fatal(err)
		}
		all = append(all, messages.Command{ID: fmt.Sprintf("l-%d", i), Source: "test", Lane: messages.LaneListDuplicates, OrderID: 100 + i})
	}
	w, base := p.served()
	says(t, base+"/readyz", http.StatusOK)
	p.publish(all...)
	listed := 0
	p.events(2*time.Minute, func(e messages.Event) bool {
		if e.Name.Final() {
			if listed++; e.Name != messages.EventDuplicatesListed || e.CertificatesObject == nil {
				t.Errorf("%s: %s %v", e.ID, e.Name, e.Error)
			}
		}
		return listed < lists
	})
	peak := w.peak(t)
	t.Logf("peak of %d MiB for %d lists of %d MiB", peak>>20, lists, size>>20)
	if peak > memoryFactor*200<<20 {
		t.Errorf("the worker took %d MiB", peak>>20)
	}
}

// peak is the most memory that the process had, in bytes.
func (w *proc) peak(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
