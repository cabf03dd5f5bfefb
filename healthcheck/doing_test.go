package healthcheck

import (
	"strings"
	"testing"
	"time"
)

var (
	calling   = HeldConn{Site: "charge.go:12 shop.Charge", Age: 12 * time.Second, Idle: 12 * time.Second, Doing: "waits in net/http.(*Client).Do, charge.go:88 shop.Charge", Activity: "http_call"}
	notified  = HeldConn{Site: "events.go:1 shop.Listen", Age: time.Hour, Listening: true}
	producing = HeldConn{Site: "load.go:3 shop.Load", Age: 4 * time.Second, Idle: time.Second, Open: true, Producing: true}
	exporting = HeldConn{Site: "export.go:7 shop.Export", Age: 2 * time.Second, Idle: 2 * time.Second, Open: true, NestedAcquire: true, Doing: "waits in sync.(*WaitGroup).Wait, export.go:9 shop.Export", Activity: "goroutines"}
	ended     = HeldConn{Site: "job.go:7 shop.Job", Age: 2 * time.Second, Idle: 2 * time.Second, Leaked: true, Orphaned: true, Doing: "has ended", Activity: "ended"}
	blocked   = HeldConn{Site: "shop.go:7 shop.Pay", Age: time.Minute, Idle: time.Minute, Leaked: true, Doing: "waits (chan receive), shop.go:9 shop.Pay", Activity: "channel"}
)

// asked is what the server says of our backends.
func asked(state, waitsFor string) func(*Sample) {
	return func(s *Sample) {
		s.Server = &ServerView{At: s.At}
		for i := range s.Holders {
			s.Server.Backends = append(s.Server.Backends, Backend{PID: s.Holders[i].PID, State: state, WaitEventType: waitsFor})
		}
	}
}

// nestedWaiters says that somebody waits for each of those who wait.
func nestedWaiters(s *Sample) {
	for i := range s.Waiters {
		s.Waiters[i].NestedAcquire = true
	}
}

// apart gives holders ages that lie apart.
func apart(hs []HeldConn) []HeldConn {
	for i := range hs {
		hs[i].Age += time.Duration(i) * 5 * time.Second
	}
	return hs
}

func TestFindings_SayWhatHoldersDo(t *testing.T) {
	for name, c := range map[string]struct {
		sick   []func(*Sample)
		cause  Cause
		says   []string
		silent []string
	}{
		"an HTTP call": {f(held(times(10, calling)...), waiting(4, time.Second)), CauseHeldIdle,
			[]string{"each of 10 goroutines waits in net/http.(*Client).Do, charge.go:88 shop.Charge; the connection is idle for 12s", "Make the HTTP call before"}, nil},
		"a lock": {f(held(times(10, with(calling, func(h *HeldConn) { h.Doing, h.Activity = "waits in sync.(*Mutex).Lock", "lock" }))...), waiting(4, time.Second)), CauseHeldIdle,
			[]string{"sync.(*Mutex).Lock", "Take the lock before"}, nil},
		"a sleep": {f(held(times(10, with(calling, func(h *HeldConn) { h.Doing, h.Activity = "waits in time.Sleep", "sleep" }))...), waiting(4, time.Second)), CauseHeldIdle,
			[]string{"Release the connection before sleeping"}, nil},
		"rows that are read slowly": {f(held(times(10, with(calling, func(h *HeldConn) { h.Open, h.Doing, h.Activity = true, "runs", "running" }))...), waiting(4, time.Second)), CauseHeldIdle,
			[]string{"Read the rows to the end or close them"}, nil},
		"unknown work": {f(held(times(10, thinking)...), waiting(4, time.Second)), CauseHeldIdle,
			[]string{"Do the other work"}, []string{"goroutine"}},
		"nobody looked": {f(held(times(10, thinking)...), waiting(4, time.Second), func(s *Sample) { s.LookSkipped = "too many goroutines: 512, more than 500" }), CauseHeldIdle,
			[]string{"what holders do now is not known: too many goroutines: 512, more than 500"}, nil},
		"open rows above grandchildren": {f(held(times(10, exporting)...), waiting(4, time.Second), nestedWaiters), CauseNestedAcquire,
			[]string{"rows are open on most of these connections", "export.go:7 shop.Export", "shop.go:7 shop.Pay", "Read the rows to the end or close them"}, nil},
		"one that is nested, among queries that turned slow": {f(held(append(times(9, crawling), exporting)...), waiting(40, 800*ms), nestedWaiters,
			cycles(11, 900*ms, 890*ms, 700*ms, 900*ms)), CauseSlowDatabase, nil, nil},
		"goroutines that have ended": {f(held(times(10, ended)...), waiting(4, time.Second)), CauseLeak,
			[]string{"each of 10 goroutines has ended", "10 connections whose request or goroutine has ended", "defer conn.Release()"}, nil},
		"a burst of workers": {f(held(times(10, blocked)...), waiting(4, time.Second)), CauseHeldIdle,
			[]string{"10 were taken within a second, and 4 wait at the same place: a burst of workers, not leaks"}, nil},
		"a row of leaks": {f(held(apart(times(10, blocked))...), waiting(4, time.Second)), CauseLeak, nil, []string{"burst"}},
		"leaks of one moment, of goroutines not seen": {f(held(times(10, with(blocked, func(h *HeldConn) { h.Doing, h.Activity = "", "" }))...), waiting(4, time.Second)),
			CauseLeak, nil, []string{"burst"}},
		"listeners": {f(held(times(10, notified)...), waiting(4, time.Second)), CauseHeldIdle,
			[]string{"10 of 10 held connections listening: blocked in a read with no query open", "Give LISTEN a connection of its own", "ExpectLongHold"}, nil},
		"reads that the hook does not know, of a slow server": {f(held(times(10, with(notified, func(h *HeldConn) { h.Age = 3 * time.Second }))...), waiting(4, time.Second), asked("active", "IO")),
			CauseSlowDatabase, nil, []string{"listening"}},
		"a COPY that waits for us": {f(held(times(10, producing)...), waiting(4, time.Second), asked("active", "Client")), CauseHeldIdle,
			[]string{"10 of them in a COPY whose next rows the application has not made yet"}, nil},
		"a COPY before the server was asked": {f(held(times(10, producing)...), waiting(4, time.Second)), CauseHeldIdle,
			[]string{"10 of them in a COPY"}, nil},
		"a COPY that the server is slow to end": {f(held(times(10, producing)...), waiting(4, time.Second), asked("active", "IPC")), CauseSlowDatabase,
			nil, []string{"COPY"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newSim(t, Evidence())
			m.warm()
			r := m.ticks(3, c.sick...)
			if len(r.Findings) == 0 || r.Findings[0].Cause != c.cause {
				t.Fatalf("%s, want %s first\n%+v", r.Status, c.cause, r.Findings)
			}
			complete(t, r)
			first := r.Findings[0]
			text := strings.Join(append(first.Evidence, first.Summary, first.Advice), "\n")
			for _, word := range c.says {
				if !strings.Contains(text, word) {
					t.Errorf("%q is not said:\n%s", word, text)
				}
			}
			for _, word := range c.silent {
				if strings.Contains(text, word) {
					t.Errorf("%q is said:\n%s", word, text)
				}
			}
		})
	}
}

func TestListeners_AreNoTroubleInAPoolThatHasRoom(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	if r := m.ticks(60, held(times(6, notified)...)); r.Status != Healthy {
		t.Errorf("%s %+v", r.Status, r.Findings)
	}
}
