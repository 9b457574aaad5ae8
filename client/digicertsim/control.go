package digicertsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// controlPath is where the simulator's own API begins. It asks for no key.
const controlPath = "/_sim/"

const controlLimit = 64 << 20 // bytes of a body: orders can be many

// Stats are counts since the start or the last reset.
type Stats struct {
	Calls     int `json:"calls"`
	OverLimit int `json:"over_limit"`
	// Effective counts PUTs that had an effect, on whatever order.
	Effective int `json:"effective"`
	Requests  int `json:"requests"`
	Waiting   int `json:"waiting"` // requests that nobody decided
	Orders    int `json:"orders"`  // that are kept; made-up ones are from their first change on
}

// Stats returns the counts.
func (s *Simulator) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(time.Now())
	st := Stats{Calls: s.record.total, OverLimit: s.overLimit, Requests: len(s.requestIDs), Orders: len(s.orders)}
	for _, h := range s.orders {
		o := h.current()
		st.Effective += o.Effective
		for _, n := range o.EffectiveCertificates {
			st.Effective += n
		}
		for i := range o.Requests {
			if o.Requests[i].waits() {
				st.Waiting++
			}
		}
	}
	return st
}

// Keys is the body of PUT /_sim/keys.
type Keys struct {
	Keys         []string `json:"keys"`
	StandardKeys []string `json:"standard_keys"`
	ViewOnlyKeys []string `json:"view_only_keys"`
}

func (s *Simulator) serveControl(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, controlLimit)
	result, err := s.control(r)
	status := http.StatusOK
	switch {
	case errors.Is(err, ErrNoRequest), errors.Is(err, errNoRoute):
		status = http.StatusNotFound
	case errors.Is(err, ErrDecided):
		status = http.StatusConflict
	case err != nil:
		status = http.StatusBadRequest
	}
	if err != nil {
		result = map[string]string{"error": err.Error()}
	}
	if result == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(encode(result), '\n'))
}

var errNoRoute = errors.New("no such thing in the simulator's own API")

// control does what a call of the simulator's own API asks for; a nil result is 204.
func (s *Simulator) control(r *http.Request) (any, error) {
	var id int64
	var verb string
	path := r.URL.Path[len(controlPath):]
	if n, _ := fmt.Sscanf(path, "requests/%d/%s", &id, &verb); n == 2 && r.Method == http.MethodPost {
		return nil, s.controlDecide(r, id, verb)
	}
	if n, _ := fmt.Sscanf(path, "orders/%d", &id); n == 1 {
		return s.controlOrder(r, path, id)
	}
	switch r.Method + " " + path {
	case "GET calls":
		return map[string]any{"calls": s.selectCalls(r)}, nil
	case "DELETE calls":
		s.ForgetCalls()
		return nil, nil
	case "GET stats":
		return s.Stats(), nil
	case "GET requests":
		return map[string]any{"requests": s.Requests()}, nil
	case "POST orders":
		orders, err := decodeSome[Order](r.Body)
		if err != nil {
			return nil, err
		}
		return nil, s.AddOrders(orders...)
	case "POST faults":
		faults, err := decodeSome[Fault](r.Body)
		if err != nil {
			return nil, err
		}
		s.Script(faults...)
		return nil, nil
	case "DELETE faults":
		s.ClearFaults()
		return nil, nil
	case "PUT behaviour":
		var b Behaviour
		if err := decodeStrict(r.Body, &b); err != nil {
			return nil, err
		}
		s.SetBehaviour(b)
		return nil, nil
	case "PUT keys":
		var k Keys
		if err := decodeStrict(r.Body, &k); err != nil {
			return nil, err
		}
		s.SetKeys(k.Keys, k.StandardKeys, k.ViewOnlyKeys)
		return nil, nil
	case "POST reset":
		return nil, s.Reset()
	}
	return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, errNoRoute)
}

func (s *Simulator) controlDecide(r *http.Request, id int64, verb string) error {
	if verb != "approve" && verb != "reject" {
		return fmt.Errorf("%s: %w", r.URL.Path, errNoRoute)
	}
	var body struct {
		Comment string `json:"comment"`
	}
	if err := decodeStrict(r.Body, &body); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return s.Decide(id, verb == "approve", body.Comment)
}

func (s *Simulator) controlOrder(r *http.Request, path string, id int64) (any, error) {
	switch {
	case r.Method == http.MethodGet && path == "orders/"+strconv.FormatInt(id, 10):
		o, ok := s.Order(id)
		if !ok {
			return nil, fmt.Errorf("order %d: %w", id, errNoRoute)
		}
		return o, nil
	case r.Method == http.MethodPost && path == "orders/"+strconv.FormatInt(id, 10)+"/revoke":
		return nil, s.RevokeOutside(id)
	}
	return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, errNoRoute)
}

// selectCalls gives the recorded calls, of one operation or order if the query says so.
func (s *Simulator) selectCalls(r *http.Request) []Call {
	op, order := Operation(r.URL.Query().Get("op")), parseID(r.URL.Query().Get("order_id"))
	selected := []Call{}
	for _, c := range s.Calls() {
		if (op == "" || op == c.Op) && (order == 0 || order == c.OrderID) {
			selected = append(selected, c)
		}
	}
	return selected
}

// decodeSome reads one T or a list of them.
func decodeSome[T any](r io.Reader) ([]T, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		var some []T
		err := decodeStrict(bytes.NewReader(b), &some)
		return some, err
	}
	some := make([]T, 1)
	err = decodeStrict(bytes.NewReader(b), &some[0])
	return some, err
}

// decodeStrict reads one value without unknown members.
func decodeStrict(r io.Reader, v any) error {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	return d.Decode(v)
}
