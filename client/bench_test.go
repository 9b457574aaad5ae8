package client_test

import (
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"certrecall/client"
	"certrecall/client/digicertsim"
)

// benchClient is a client of a simulated DigiCert over TCP.
func benchClient(b *testing.B, o digicertsim.Options) *client.Client {
	b.Helper()
	l, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: digicertsim.New(o)}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	c, err := client.New(client.Config{BaseURL: "http://" + l.Addr().String() + digicertsim.BasePath, Key: client.StaticKey("k")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		c.CloseIdleConnections()
		srv.Close()
		<-done
	})
	return c
}

func BenchmarkRevokeOrder(b *testing.B) {
	c := benchClient(b, digicertsim.Options{AutoOrders: true, MaxCalls: -1})
	var id atomic.Int64
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.RevokeOrder(b.Context(), id.Add(1), client.Revocation{Comments: "c [certrecall bench/1]"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkListDuplicates(b *testing.B) {
	c := benchClient(b, digicertsim.Options{AutoOrders: true, MaxCalls: -1})
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Reader(nil).ListDuplicates(b.Context(), 4711, false); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSimulator is how fast the simulator answers a client that does nothing.
func BenchmarkSimulator(b *testing.B) {
	sim := digicertsim.New(digicertsim.Options{AutoOrders: true, MaxCalls: -1})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, digicertsim.BasePath+"/order/certificate/4711", http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("X-DC-DEVKEY", "k")
		w := discard{}
		for pb.Next() {
			clear(w)
			sim.ServeHTTP(w, r)
		}
	})
}

// discard is a ResponseWriter of nothing.
type discard http.Header

func (d discard) Header() http.Header         { return http.Header(d) }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}
