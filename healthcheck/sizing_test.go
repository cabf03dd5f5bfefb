package healthcheck

import (
	"math"
	"testing"
	"time"
)

func TestSizing_GrowsOnlyWhatGrowingHelps(t *testing.T) {
	busy := f(held(times(10, asking)...), waiting(30, 15*ms), cycles(2000, 5*ms, 4*ms, 12*ms, 18*ms))
	for name, c := range map[string]struct {
		sick  []func(*Sample)
		ticks int
		known bool
		grow  bool
	}{
		"too little seen":       {busy, 5, false, false},
		"hardly any traffic":    {f(cycles(1, 5*ms, 4*ms, 0, 0)), 40, false, false},
		"a busy pool":           {busy, 70, true, true},
		"leaks":                 {append(busy, held(append(times(9, asking), forgot)...)), 70, true, false},
		"nested acquires":       {append(busy, held(times(10, nesting)...)), 70, true, false},
		"mostly idle":           {f(held(times(10, thinking)...), cycles(30, 300*ms, 5*ms, 0, 300*ms)), 70, true, false},
		"no hook":               {f(statOnly), 70, false, false},
		"a load beyond measure": {f(cycles(1e9, time.Hour, time.Hour, 0, 0)), 70, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newSim(t, Evidence())
			m.tick(connected(10))
			a := m.ticks(c.ticks, c.sick...).Advice
			if a.Known != c.known || (a.Recommended > 10) != c.grow || a.Why == "" {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestSizing_DoesNotGrowWhenConcurrencySlowsTheServer(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	a := m.ticks(70, held(times(10, with(crawling, func(h *HeldConn) { h.Age = 40 * ms }))...), waiting(20, 80*ms),
		cycles(250, 40*ms, 39*ms, 50*ms, 90*ms)).Advice
	if !a.Known || a.Recommended != 0 {
		t.Errorf("%+v", a)
	}
	if c := m.last.Findings[0].Cause; c != CauseSlowDatabase {
		t.Errorf("the cause is %s", c)
	}
}

func TestSizing_TellsAQuietPoolHowFewConnectionsWouldDo(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	a := m.last.Advice
	if !a.Known || a.Recommended < 1 || a.Recommended > 4 || math.Abs(a.Offered-0.5) > 0.05 {
		t.Errorf("%+v", a)
	}
}

func TestSizing_ALongHoldThatEndsNeedsOneConnection(t *testing.T) {
	traffic := func(s *Sample) {
		cycles(10, 5*ms, 4*ms, 0, ms)(s)
		s.Traffic.Occupied += time.Second // a batch job is at work
		held(times(1, asking)...)(s)
	}
	m := newSim(t, Evidence())
	m.tick(connected(10), held())
	during := m.ticks(70, traffic).Advice
	m.tick(func(s *Sample) {
		cycles(1, 10*time.Minute, 10*time.Minute, 0, ms)(s)
		s.Traffic.Occupied -= 10 * time.Minute // they were occupied as they passed
	})
	after := m.ticks(10, traffic).Advice
	if !after.Known || after.Recommended == 0 || after.Recommended > during.Recommended || after.Offered > 2 {
		t.Errorf("while it worked %+v, after it ended %+v", during, after)
	}
}
