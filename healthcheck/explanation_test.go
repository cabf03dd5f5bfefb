package healthcheck

import (
	"testing"
	"time"
)

// A crowd that leaves and comes back together is seen, for an instant, before its queries are: nothing explains that one
// sample, and what explained the one before still does.
func TestAnExplanationIsNotDroppedForOneMoment(t *testing.T) {
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
func TestSlowQueriesAreNamedThoughEarlierHoldsWereIdle(t *testing.T) {
	m := newSim(t, Evidence())
	m.ticks(5, connected(10), cycles(100, 2*time.Millisecond, time.Millisecond, 0, time.Millisecond))
	m.tick(cycles(10, 8*time.Second, time.Millisecond, 0, time.Millisecond)) // a deadlock dissolved
	young := with(crawling, func(h *Holder) { h.Age = 300 * time.Millisecond })
	m.ticks(2, held(times(10, young)...), waiting(20, 250*time.Millisecond))
	if r := m.last; len(r.Findings) == 0 || r.Findings[0].Cause != CauseSlowDatabase {
		t.Errorf("findings: %+v", r.Findings)
	}
}
