package healthcheck

import (
	"strings"
	"testing"
	"time"
)

// overload is a queue before connections that are used well.
var overload = f(waiting(30, 15*ms), cycles(2000, 5*ms, 4*ms, 12*ms, 18*ms))

func TestUndersized_APoolThatLosesItsConnectionsIsNotToldToGrow(t *testing.T) {
	stuck := func(h HeldConn) func(*Sample) { return held(append(times(9, asking), h)...) }
	for name, c := range map[string]struct {
		also  []func(*Sample)
		first Cause
	}{
		"leaked": {f(stuck(forgot)), CauseLeak},
		"nested": {f(stuck(nesting)), CauseNestedAcquire},
		"locked": {f(held(times(10, asking)...), locks(1, 109)), CauseUndersized},
	} {
		for _, ticks := range []int{3, 70} { // before the size is known, and after
			m := newSim(t, Evidence())
			m.tick(connected(10))
			r := m.ticks(ticks, append(c.also, overload...)...)
			if r.Findings[0].Cause != c.first || len(r.Findings) < 2 {
				t.Errorf("%s: %+v", name, r.Findings)
			}
			for _, f := range r.Findings {
				if f.Cause == CauseUndersized && !strings.HasPrefix(f.Advice, "Leave MaxConns as it is") {
					t.Errorf("%s, after %d ticks: %s", name, ticks, f.Advice)
				}
			}
		}
	}
}

func TestUndersized_TheAdviceFitsTheTraffic(t *testing.T) {
	full := append(f(held(times(10, asking)...)), overload...)
	for name, c := range map[string]struct {
		warm          bool
		ticks         int
		summary, want string
	}{
		"a burst after an easy minute": {true, 2, "bursts", "Smooth the bursts"},
		"a queue that nobody measured": {false, 3, "its traffic", "Raise MaxConns step by step"},
		"a queue that stands":          {false, 70, "its traffic", "Raise MaxConns to "},
	} {
		m := newSim(t, Evidence())
		if c.warm {
			m.warm()
		} else {
			m.tick(connected(10))
		}
		got := m.ticks(c.ticks, full...).Findings[0]
		if got.Cause != CauseUndersized || !strings.Contains(got.Summary, c.summary) || !strings.HasPrefix(got.Advice, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// The first of these samples has those who came before the queue; the second is all queue, and a connection is being passed on.
func TestUndersized_AQueueIsSeenThoughATickCameEarlyAndAConnectionIsBeingPassedOn(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	queue := func(least time.Duration) []func(*Sample) {
		return f(cycles(900, 4*ms, 4*ms, least, 52*ms), held(times(8, asking)...), waiting(45, 48*ms))
	}
	m.tick(queue(2 * time.Microsecond)...)
	m.s.At = m.s.At.Add(-time.Millisecond)
	if r := m.tick(queue(46 * ms)...); r.Status != Degraded || r.Findings[0].Cause != CauseUndersized {
		t.Errorf("%s: %+v", r.State, r.Findings)
	}
}
