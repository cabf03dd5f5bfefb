package healthcheck

import (
	"strings"
	"testing"
	"time"
)

// A crowd that leaves and comes back together is seen, for an instant, before its queries are: nothing explains that one
// sample, and what explained the one before still does.
func TestExplanation_IsNotDroppedForOneMoment(t *testing.T) {
	m := newSim(t, Evidence())
	m.ticks(5, connected(10), cycles(100, 2*time.Millisecond, time.Millisecond, 0, time.Millisecond))
	slow := []func(*Sample){held(times(10, crawling)...), waiting(20, 800*time.Millisecond)}
	m.ticks(3, slow...)
	if r := m.last; len(r.Findings) == 0 || r.Findings[0].Cause != CauseSlowDatabase {
		t.Fatalf("before: %+v", r.Findings)
	}
	r := m.tick(held(), waiting(20, 800*time.Millisecond), cycles(10, time.Second, time.Second, 700*time.Millisecond, 800*time.Millisecond))
	if len(r.Findings) == 0 || r.Findings[0].Cause != CauseSlowDatabase {
		t.Errorf("at the moment of change: %+v", r.Findings)
	}
}

// Holds that have just ended may have been idle for another reason: what the holders do now weighs more.
func TestSlowDatabase_IsNamedThoughEarlierHoldsWereIdle(t *testing.T) {
	m := newSim(t, Evidence())
	m.ticks(5, connected(10), cycles(100, 2*time.Millisecond, time.Millisecond, 0, time.Millisecond))
	m.tick(cycles(10, 8*time.Second, time.Millisecond, 0, time.Millisecond)) // a deadlock dissolved
	young := with(crawling, func(h *HeldConn) { h.Age = 300 * time.Millisecond })
	m.ticks(2, held(times(10, young)...), waiting(20, 250*time.Millisecond))
	if r := m.last; len(r.Findings) == 0 || r.Findings[0].Cause != CauseSlowDatabase {
		t.Errorf("findings: %+v", r.Findings)
	}
}

// Nobody asks at night, so no sample is good enough to close the case: what explained the trouble of the evening must not
// explain that of the morning.
func TestExplanation_IsNotGivenForNewTrouble(t *testing.T) {
	nobody := f(held(), waiting(0, 0))
	for name, evening := range map[string]func(*sim){
		"an outage": func(m *sim) {
			m.tick(append(nobody, gone(""), refused("53300", "too many clients"), failed("53300"))...)
			m.ticks(10, append(nobody, refused("53300", "too many clients"))...)
			m.tick(append(nobody, connected(5))...)
		},
		"one bad sample": func(m *sim) { m.tick(append(nobody, refused("53300", "too many clients"))...) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newSim(t, Evidence())
			m.warm()
			evening(m)
			m.tick(append(nobody, connected(1))...)
			if r := m.ticks(3600, nobody...); r.Status != Healthy {
				t.Fatalf("at night: %s %+v", r.Status, r.Findings)
			}
			m.tick(append(nobody, lost("connection_reset"), failed("connection_reset"))...)
			r := m.ticks(3, nobody...)
			if r.Status != Degraded || r.Findings[0].Cause != CauseUnreachable || r.Names(CauseTooManyConnections) {
				t.Errorf("in the morning: %s %+v", r.Status, r.Findings)
			}
		})
	}
}

func TestExplanation_DoesNotOutliveItsTraces(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	m.ticks(3, held(times(10, forgot)...), waiting(4, time.Second), failed("timeout"))
	for range 10 { // somebody's deadline is too short, once in a while
		m.ticks(40, easy)
		m.tick(easy, failed("timeout"))
	}
	if r := m.last; r.Status != Degraded || r.Findings[0].Cause != CauseInsufficientData {
		t.Errorf("minutes after the leak: %s %+v", r.Status, r.Findings)
	}
}

func TestExplanation_ThatIsKeptSaysOfWhenItIs(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	m.ticks(2, easy, once(lost("57P01")))
	for _, c := range []struct {
		ticks int
		want  string
	}{{1, "what follows was seen 2s ago"}, {48, "what follows was seen 50s ago"}} {
		r := m.ticks(c.ticks, easy)
		if got := r.Findings[0].Evidence; got[0] != c.want || len(got) != 4 {
			t.Errorf("%q, want %q first", got, c.want)
		}
	}
	if r := m.ticks(2, held(times(10, forgot)...), waiting(4, time.Second)); strings.Contains(r.Findings[0].Evidence[0], "was seen") {
		t.Errorf("found anew: %q", r.Findings[0].Evidence)
	}
}
