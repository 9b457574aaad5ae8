package client

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// What the transport makes of the empty body that keeps it from repeating a read: nothing at all.
func TestReadLeavesNoBodyOnTheWire(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heads := make(chan string, 2)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		for range 2 {
			var head strings.Builder
			for {
				line, err := r.ReadString('\n')
				head.WriteString(line)
				if err != nil || line == "\r\n" {
					break
				}
			}
			heads <- head.String()
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n"+`{"id":4711,"status":"paid"}`)
		}
	}()
	c, err := New(Config{BaseURL: "http://" + l.Addr().String() + "/services/v2/", Key: StaticKey("k-1")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	want := "GET /services/v2/order/certificate/4711 HTTP/1.1\r\nHost: " + l.Addr().String() +
		"\r\nUser-Agent: certrecall\r\nAccept: application/json\r\nContent-Type: application/json\r\nX-Dc-Devkey: k-1\r\nAccept-Encoding: gzip\r\n\r\n"
	for range 2 { // the second on the same connection: the server takes only one
		if _, err := c.Reader(nil).Order(t.Context(), 4711); err != nil {
			t.Fatal(err)
		}
		if got := <-heads; got != want {
			t.Errorf("request:\n%q\nwant:\n%q", got, want)
		}
	}
	_ = http.MethodGet
}
