package digicertsim

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const putComment = `{"comments":"c"}`

// pass lets fake time pass.
func pass(d time.Duration) { time.Sleep(d) } // synctest: all callers are in a bubble

func TestLimitsAreExactRollingWindows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Keys: []string{"a", "b"}, AutoOrders: true, Limits: []Window{{Calls: 3, Per: time.Second}, {Calls: 5, Per: 10 * time.Second}}})
		call := func(key string, want int) {
			t.Helper()
			if code, _ := do(t, s, "GET", orderURL(1, ""), "", key); code != want {
				t.Errorf("key %s: %d, want %d", key, code, want)
			}
		}
		start := time.Now()
		call("a", 200)
		pass(400 * time.Millisecond)
		call("a", 200)
		call("a", 200)
		call("a", 429) // the short window is full …
		call("b", 200) // … of this key alone
		pass(time.Second - time.Since(start) - time.Nanosecond)
		call("a", 429)
		pass(time.Nanosecond) // the first arrival is exactly a second old: out
		call("a", 200)
		call("a", 429)
		pass(400 * time.Millisecond)
		call("a", 200) // the fifth of the long window
		pass(10*time.Second - time.Since(start) - time.Nanosecond)
		call("a", 429)
		pass(time.Nanosecond)
		call("a", 200)
		if s.OverLimit() != 4 {
			t.Errorf("%d calls over the limit, want 4", s.OverLimit())
		}
		if p := s.Peak(time.Second); p != 7 {
			t.Errorf("peak of a second is %d, want 7: from 0.4 s on, both keys, the refused ones too", p)
		}
	})
}

func TestBlockHoldsTheWholeKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{AutoOrders: true, Limits: []Window{{Calls: 1, Per: time.Second}}, Block: time.Minute})
		code := func() int {
			c, _ := do(t, s, "GET", orderURL(1, ""), "")
			return c
		}
		got := []int{code(), code()}
		pass(time.Minute - time.Nanosecond)
		got = append(got, code())
		pass(time.Nanosecond)
		got = append(got, code())
		for i, want := range []int{200, 429, 429, 200} {
			if got[i] != want {
				t.Errorf("call %d: %d, want %d", i, got[i], want)
			}
		}
	})
}

func TestAutoDecide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{AutoDecide: time.Minute, Orders: []Order{{ID: 1}, {ID: 2, Decision: Reject}, {ID: 3, Decision: Wait}}})
		start := time.Now()
		for id := range int64(3) {
			do(t, s, "PUT", orderURL(id+1, "/revoke"), putComment)
		}
		pass(time.Minute - time.Nanosecond)
		if st := s.Stats(); st.Waiting != 3 {
			t.Errorf("%d requests wait before their time, want 3", st.Waiting)
		}
		pass(time.Hour)
		for id, want := range map[int64][2]string{1: {"revoked", "approved"}, 2: {"issued", "rejected"}, 3: {"issued", "pending"}} {
			o, _ := s.Order(id)
			if got := [2]string{o.Status, o.Requests[0].Status}; got != want {
				t.Errorf("order %d: %v, want %v", id, got, want)
			}
		}
		o, _ := s.Order(1)
		if at := o.Requests[0].DateProcessed; !at.Equal(start.Add(time.Minute)) {
			t.Errorf("approved at %s, want %s: when it was due, not when it was looked at", at, start.Add(time.Minute))
		}
	})
}

func TestReadsLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{AutoOrders: true, ReadLag: 5 * time.Second})
		read := func() string {
			_, body := do(t, s, "GET", orderURL(1, ""), "")
			switch {
			case strings.Contains(body, `"status":"revoked"`):
				return "revoked"
			case strings.Contains(body, `"pending"`):
				return "pending"
			}
			return "issued"
		}
		do(t, s, "PUT", orderURL(1, "/revoke"), putComment)
		pass(4 * time.Second)
		got := []string{read()}
		do(t, s, "PUT", orderURL(1, "/revoke"), `{"skip_approval":true}`)
		pass(time.Second)
		got = append(got, read())
		pass(4 * time.Second)
		got = append(got, read())
		s.Script(Fault{Kind: FaultLag, Delay: time.Second})
		got = append(got, read(), read())
		if want := "issued pending revoked pending revoked"; strings.Join(got, " ") != want {
			t.Errorf("read %v, want %s", got, want)
		}
		if code, _ := do(t, s, "GET", BasePath+"/request/1000001", ""); code != 200 {
			t.Errorf("request: %d", code)
		}
	})
}

func TestLateCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{AutoOrders: true})
		s.Script(Fault{Kind: FaultLateCommit, Status: 504, Delay: 20 * time.Second})
		start := time.Now()
		if code, _ := do(t, s, "PUT", orderURL(1, "/revoke"), `{"skip_approval":true}`); code != 504 {
			t.Errorf("answered %d, want 504", code)
		}
		pass(20*time.Second - time.Nanosecond)
		if n := s.Effective(1); n != 0 {
			t.Errorf("%d effective before the commit", n)
		}
		pass(time.Hour)
		o, _ := s.Order(1)
		if o.Status != "revoked" || !o.StatusChanged.Equal(start.Add(20*time.Second)) {
			t.Errorf("order %s, changed %s", o.Status, o.StatusChanged)
		}
		if c := s.Calls()[0]; !c.Effective || c.Status != 504 || c.Fault != FaultLateCommit {
			t.Errorf("recorded %+v", c)
		}
	})
}

func TestLatencyDelaysTheAnswerNotTheEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{AutoOrders: true, Latency: time.Minute})
		start := time.Now()
		done := make(chan time.Duration)
		go func() {
			do(t, s, "PUT", orderURL(1, "/revoke"), putComment)
			done <- time.Since(start)
		}()
		synctest.Wait()
		if s.Effective(1) != 1 {
			t.Error("no effect before the answer")
		}
		if took := <-done; took != time.Minute {
			t.Errorf("answered after %s", took)
		}
	})
}
