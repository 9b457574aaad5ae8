package digicertsim

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const bodyLimit = 1 << 20 // bytes of a request's body that are read

// arrival is a call on its way through the simulator.
type arrival struct {
	op                                Operation
	orderID, certificateID, requestID int64
	method, query                     string
	key                               string
	role                              role
	body                              []byte
	number                            int // in the record
	lag                               time.Duration
}

func (c *arrival) mutating() bool { return c.op == OpRevokeOrder || c.op == OpRevokeCertificate }

// answer is what goes back. A nil body is an empty one.
type answer struct {
	status      int
	contentType string // "" = application/json
	header      map[string]string
	body        []byte
}

// ServeHTTP answers the API under BasePath and the simulator's own under /_sim/.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPath) {
		s.serveControl(w, r)
		return
	}
	c := route(r)
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyLimit))
	if err != nil {
		panic(http.ErrAbortHandler) // the caller went away while sending
	}
	c.body = body
	fault, answer := s.arrive(c, r)
	if fault != nil {
		sleep(r.Context(), s.opts.Latency)
		s.serveFault(w, r, c, fault)
		return
	}
	if answer == nil {
		answer = new(s.perform(c).answer)
	}
	if !sleep(r.Context(), s.opts.Latency) {
		reset(w)
		return
	}
	s.answer(w, c, *answer)
}

// route reads what a request asks for; op "" = nothing that is simulated.
func route(r *http.Request) *arrival {
	c := &arrival{method: r.Method, query: r.URL.RawQuery, key: r.Header.Get("X-Dc-Devkey")}
	path, ok := strings.CutPrefix(r.URL.Path, BasePath)
	if !ok {
		return c
	}
	get, put := r.Method == http.MethodGet, r.Method == http.MethodPut
	if rest, ok := strings.CutPrefix(path, "/order/certificate/"); ok {
		id, verb, _ := strings.Cut(rest, "/")
		if get && id == "status-changes" && verb == "" {
			c.op = OpStatusChanges
			return c
		}
		c.orderID = parseID(id)
		switch {
		case get && verb == "":
			c.op = OpOrder
		case get && verb == "duplicate":
			c.op = OpDuplicates
		case get && verb == "reissue":
			c.op = OpReissues
		case put && verb == "revoke":
			c.op = OpRevokeOrder
		}
		return c
	}
	if rest, ok := strings.CutPrefix(path, "/certificate/"); ok {
		id, verb, _ := strings.Cut(rest, "/")
		if put && verb == "revoke" {
			c.op, c.certificateID = OpRevokeCertificate, parseID(id)
		}
		return c
	}
	if get && path == "/request" {
		c.op = OpRequests
	} else if id, ok := strings.CutPrefix(path, "/request/"); get && ok && !strings.Contains(id, "/") {
		c.op, c.requestID = OpRequest, parseID(id)
	}
	return c
}

// parseID reads an id; what is none is 0, which nothing has.
func parseID(s string) int64 {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id < 0 {
		return 0
	}
	return id
}

// arrive records a call, judges limits and key, and finds the fault that is scripted for it.
func (s *Simulator) arrive(c *arrival, r *http.Request) (*Fault, *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.settle(now)
	if c.op == OpRevokeCertificate {
		c.orderID = s.orderOf(c.certificateID)
	}
	c.role = s.roleOf(c.key)
	c.number = s.record.add(Call{
		At: now, Op: c.op, Method: c.method, Path: r.URL.RequestURI(),
		OrderID: c.orderID, CertificateID: c.certificateID, RequestID: c.requestID, Body: string(c.body),
	})
	if c.role == noRole {
		return nil, new(s.problem(http.StatusForbidden, "access_denied|access_denied_invalid_key", "Access denied due to access_denied_invalid_key."))
	}
	if accept := r.Header.Get("Accept"); accept != "" && !strings.Contains(accept, "json") && !strings.Contains(accept, "*/*") {
		return nil, new(s.problem(http.StatusNotAcceptable, "not_acceptable", "The requested format is not available."))
	}
	if !s.within(c.key, now) {
		s.overLimit++
		if call := s.record.get(c.number); call != nil {
			call.OverLimit = true
		}
		return nil, new(s.problem(http.StatusTooManyRequests, "request_limit_exceeded", "Service unavailable, please limit request volume"))
	}
	return s.takeFault(c), nil
}

// orderOf finds the order of a certificate; 0 = none.
func (s *Simulator) orderOf(certificateID int64) int64 {
	if id := s.certificates[certificateID]; id != 0 {
		return id
	}
	if id := certificateID / certificatesPerOrder; s.orders[id] == nil || s.orders[id].auto {
		if h := s.order(id); h != nil && h.current().certificate(certificateID) != nil {
			return id
		}
	}
	return 0
}

// perform does what a call asks for.
func (s *Simulator) perform(c *arrival) effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.settle(now)
	return s.performAt(now, c)
}

func (s *Simulator) performAt(now time.Time, c *arrival) effect {
	if !c.mutating() {
		return effect{answer: s.read(now.Add(-s.opts.ReadLag-c.lag), now, c)}
	}
	e := s.revoke(now, c)
	if call := s.record.get(c.number); call != nil {
		call.Effective, call.MadeRequest = e.effective, e.request
	}
	return e
}

// answer sends an answer and records its status.
func (s *Simulator) answer(w http.ResponseWriter, c *arrival, a answer) {
	s.answered(c, a.status)
	a.writeHeader(w)
	_, _ = w.Write(a.body)
}

func (s *Simulator) answered(c *arrival, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if call := s.record.get(c.number); call != nil {
		call.Status = status
	}
}

func (a answer) writeHeader(w http.ResponseWriter) {
	h := w.Header()
	h["X-Cdn"] = []string{"Imperva"}
	h["Server"] = []string{"nginx"}
	if a.status != http.StatusNoContent {
		h["Content-Type"] = []string{orDefault(a.contentType, "application/json")}
		h["Content-Length"] = []string{strconv.Itoa(len(a.body))}
	}
	for k, v := range a.header {
		h.Set(k, v)
	}
	w.WriteHeader(a.status)
}

// page is what the network in front of the API answers.
func page(status int) answer {
	return answer{status: status, contentType: "text/html", body: []byte(`<html style="height:100%"><head><META NAME="ROBOTS" CONTENT="NOINDEX, NOFOLLOW"></head>` +
		`<body><iframe id="main-iframe" width="100%" height="100%">Request unsuccessful. Incapsula incident ID: 0-0</iframe></body></html>`)}
}

// problem is an error body of the API.
func (s *Simulator) problem(status int, code, message string) answer {
	type problem struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	p := problem{code, message}
	if s.behaviour.ErrorsObject {
		return answer{status: status, body: encode(map[string]any{"errors": p})}
	}
	return answer{status: status, body: encode(map[string]any{"errors": []problem{p}})}
}

func (s *Simulator) notFound(op Operation) answer {
	switch op {
	case OpRequest:
		return s.problem(http.StatusNotFound, "not_found|request", "The specified request could not be found.")
	case OpRevokeCertificate:
		return s.problem(http.StatusNotFound, "not_found|certificate", "The specified certificate could not be found.")
	case "":
		return s.problem(http.StatusNotFound, "not_found|route", "The requested route could not be found.")
	default:
		return s.problem(http.StatusNotFound, "not_found|order", "The specified order could not be found.")
	}
}

// orFailure is a, or a 500 if the state could not be kept.
func (s *Simulator) orFailure(a answer, err error) answer {
	if err != nil {
		return s.problem(http.StatusInternalServerError, "internal_server_error", err.Error())
	}
	return a
}

// sleep waits for d; false if ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// reset closes the connection without an answer: with RST where it is TCP.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if inner, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = inner.NetConn() // TLS: no farewell
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func orDefault[T comparable](v, def T) T {
	if v == *new(T) {
		return def
	}
	return v
}

func mergeHeader(h map[string]string, retryAfter string) map[string]string {
	if retryAfter == "" {
		return h
	}
	h = maps.Clone(h)
	if h == nil {
		h = make(map[string]string)
	}
	h["Retry-After"] = retryAfter
	return h
}
