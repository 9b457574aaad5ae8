package digicertsim

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	defaultMaxCalls       = 100_000
	defaultAutoDuplicates = 2
	defaultHTMLTrigger    = "<script"
	firstRequestID        = 1_000_001
	keptVersions          = 8 // of an order, for reads that lag
)

// Simulator is the simulated DigiCert. Its methods look at the same state as the calls it answers.
type Simulator struct {
	opts Options

	mu           sync.Mutex // held for everything below
	behaviour    Behaviour
	keys         map[string]role
	orders       map[int64]*history
	certificates map[int64]int64 // of orders that were given: certificate id → order id
	requests     map[int64]int64 // request id → order id
	requestIDs   []int64         // in the order they were made
	nextRequest  int64
	due          dueQueue
	limiters     map[string]*limiter
	faults       []*scripted
	record       record
	overLimit    int
	state        *stateFile // nil = nothing is kept
}

// role is what a key may do.
type role int

const (
	noRole role = iota
	viewOnly
	standard
	administrator
)

// New makes a simulator. It panics if the state file cannot be used; Open returns that as an error.
func New(o Options) *Simulator {
	s, err := Open(o)
	if err != nil {
		panic(err)
	}
	return s
}

// Open makes a simulator and takes up the state of its file, if it has one.
func Open(o Options) (*Simulator, error) {
	if o.Orders == nil {
		o.Orders = StandardOrders()
	}
	if o.MaxCalls == 0 {
		o.MaxCalls = defaultMaxCalls
	}
	if o.AutoDuplicates == 0 {
		o.AutoDuplicates = defaultAutoDuplicates
	}
	s := &Simulator{opts: o, behaviour: o.Behaviour, record: record{limit: o.MaxCalls}}
	s.setKeys(o.Keys, o.StandardKeys, o.ViewOnlyKeys)
	s.clear()
	if o.StateFile == "" {
		return s, nil
	}
	state, orders, err := openState(o.StateFile)
	if err != nil {
		return nil, fmt.Errorf("opening the simulator's state: %w", err)
	}
	for _, order := range orders {
		s.put(order)
	}
	s.state = state
	return s, nil
}

// Close closes the state file. Changes after it are no longer kept.
func (s *Simulator) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil {
		return nil
	}
	err := s.state.close()
	s.state = nil
	return err
}

// Reset brings back the orders of the start and forgets requests, calls, faults and limits, in the state file too.
func (s *Simulator) Reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	if s.state == nil {
		return nil
	}
	return s.state.truncate()
}

func (s *Simulator) clear() {
	s.orders = make(map[int64]*history)
	s.certificates = make(map[int64]int64)
	s.requests = make(map[int64]int64)
	s.requestIDs = nil
	s.nextRequest = firstRequestID
	s.due = nil
	s.limiters = make(map[string]*limiter)
	s.faults = nil
	s.record.reset()
	s.overLimit = 0
	for _, o := range s.opts.Orders {
		s.put(o)
	}
}

// SetKeys replaces all keys, as when an administrator revokes one and makes another.
func (s *Simulator) SetKeys(administrators, standard, viewOnly []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.setKeys(administrators, standard, viewOnly)
}

func (s *Simulator) setKeys(administrators, standards, viewers []string) {
	s.keys = make(map[string]role)
	for r, keys := range map[role][]string{administrator: administrators, standard: standards, viewOnly: viewers} {
		for _, k := range keys {
			s.keys[k] = r
		}
	}
}

// roleOf gives the role of a key; noRole if the key is not known.
func (s *Simulator) roleOf(key string) role {
	if len(s.keys) == 0 && key != "" {
		return administrator
	}
	return s.keys[key]
}

// SetBehaviour changes the behaviour for the calls that arrive from now on.
func (s *Simulator) SetBehaviour(b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behaviour = b
	for _, h := range s.orders {
		h.forgetBodies()
	}
}

// AddOrder adds an order, or puts it in the place of the one with its id.
func (s *Simulator) AddOrder(o Order) error { return s.AddOrders(o) }

// AddOrders adds orders, or puts them in the place of those with their ids.
func (s *Simulator) AddOrders(orders ...Order) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range orders {
		if o.ID <= 0 {
			return fmt.Errorf("adding an order: id %d", o.ID)
		}
		if err := s.keep(s.put(o)); err != nil {
			return err
		}
	}
	return nil
}

// Order returns an order as it stands; false if there is none.
func (s *Simulator) Order(id int64) (Order, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(time.Now())
	h := s.order(id)
	if h == nil {
		return Order{}, false
	}
	return h.current().deepClone(), true
}

// Effective counts the PUTs that had an effect on the order: on all of it or on one of its certificates.
func (s *Simulator) Effective(orderID int64) int {
	o, _ := s.Order(orderID)
	n := o.Effective
	for _, c := range o.EffectiveCertificates {
		n += c
	}
	return n
}

// Requests returns all requests in the order they were made.
func (s *Simulator) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(time.Now())
	all := make([]Request, 0, len(s.requestIDs))
	for _, id := range s.requestIDs {
		if q := s.orders[s.requests[id]].current().request(id); q != nil {
			all = append(all, *q)
		}
	}
	return all
}

// put makes o the order of its id, with its ids made known.
func (s *Simulator) put(o Order) *Order {
	o = o.deepClone()
	o.complete()
	s.certificates[o.Certificate.ID] = o.ID
	for _, c := range slices.Concat(o.Duplicates, o.Reissues) {
		s.certificates[c.ID] = o.ID
	}
	for _, q := range o.Requests {
		s.know(q)
	}
	h := &history{}
	h.add(time.Time{}, o)
	s.orders[o.ID] = h
	return &h.current().Order
}

// know registers a request and queues its decision.
func (s *Simulator) know(q Request) {
	if _, known := s.requests[q.ID]; !known {
		s.requestIDs = append(s.requestIDs, q.ID)
	}
	s.requests[q.ID] = q.OrderID
	s.nextRequest = max(s.nextRequest, q.ID+1)
	if q.waits() && !q.Due.IsZero() {
		s.due.add(q.Due, func(at time.Time) {
			if h := s.orders[q.OrderID]; h != nil && h.current().Decision == Reject {
				_ = s.decide(q.ID, "rejected", at, "rejected by the simulator")
			} else {
				_ = s.decide(q.ID, "approved", at, "approved by the simulator")
			}
		})
	}
}

// order returns the order of an id, made up if it may be; nil if there is none.
func (s *Simulator) order(id int64) *history {
	if h := s.orders[id]; h != nil {
		return h
	}
	if !s.opts.AutoOrders || id <= 0 || id >= UnknownOrders {
		return nil
	}
	return madeUp(id, max(s.opts.AutoDuplicates, 0)) // kept only when something of it changes: reads of many orders must not fill the memory
}

// change makes a new version of an order, dated at, and keeps it.
func (s *Simulator) change(h *history, at time.Time, edit func(*Order)) error {
	o := h.current().clone()
	edit(&o)
	s.orders[o.ID] = h
	h.change(at, o)
	return s.keep(&o)
}

func (s *Simulator) keep(o *Order) error {
	if s.state == nil {
		return nil
	}
	return s.state.append(o)
}
