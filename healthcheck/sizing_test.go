package healthcheck

import (
	"math"
	"testing"
	"time"
)

// The small systems are the textbook formula worked out in fractions; M/M/1 waits with probability ρ, M/M/2 with 2ρ²/(1+ρ).
func TestErlangCAgreesWithTheTextbook(t *testing.T) {
	for _, c := range []struct {
		servers int
		load    float64
		want    float64
	}{
		{1, 0.5, 0.5}, {1, 0.9, 0.9},
		{2, 1, 1.0 / 3}, {2, 1.5, 9.0 / 14},
		{3, 2, 4.0 / 9},
		{4, 3, 27.0 / 53},
		{5, 4, 128.0 / 231},
		{6, 5, 0.5875}, {7, 5, 0.3241}, {8, 5, 0.1673}, {9, 5, 0.0805}, {10, 5, 0.0361},
		{10, 0, 0}, {10, 10, 1}, {10, 11, 1},
	} {
		if got := erlangC(c.servers, c.load); math.Abs(got-c.want) > 1e-4 {
			t.Errorf("C(%d, %v) = %.5f, want %.5f", c.servers, c.load, got, c.want)
		}
	}
	if got := erlangC(9000, 8900); !(got > 0 && got < 1) {
		t.Errorf("a large system: %v", got)
	}
	for _, a := range []float64{-1, math.NaN()} {
		if got := erlangC(3, a); !math.IsNaN(got) {
			t.Errorf("C(3, %v) = %v", a, got)
		}
	}
}

func TestServersIsTheSmallestThatMeetsTheTarget(t *testing.T) {
	tail := func(c int, a, target float64) float64 {
		if c < 1 {
			return 1
		}
		return erlangC(c, a) * math.Exp(-(float64(c)-a)*target)
	}
	for _, a := range []float64{0.01, 0.5, 1, 4, 9.9, 50, 800} {
		for _, target := range []float64{0.01, 0.1, 2} {
			c := servers(a, target, sizingMax)
			if tail(c, a, target) > 0.01 || tail(c-1, a, target) <= 0.01 {
				t.Errorf("load %v, target %v: %d servers", a, target, c)
			}
		}
	}
	if c := servers(20, 1, 10); c != 0 {
		t.Errorf("10 servers cannot bear a load of 20, said %d", c)
	}
}

func TestAdviceOnSize(t *testing.T) {
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

func TestNoAdviceToGrowWhenConcurrencySlowsTheServer(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	a := m.ticks(70, held(times(10, with(crawling, func(h *Holder) { h.Age = 40 * ms }))...), waiting(20, 80*ms),
		cycles(250, 40*ms, 39*ms, 50*ms, 90*ms)).Advice
	if !a.Known || a.Recommended != 0 {
		t.Errorf("%+v", a)
	}
	if c := m.last.Findings[0].Cause; c != CauseSlowDatabase {
		t.Errorf("the cause is %s", c)
	}
}

func TestAQuietPoolIsToldHowFewConnectionsWouldDo(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	a := m.last.Advice
	if !a.Known || a.Recommended < 1 || a.Recommended > 4 || math.Abs(a.Offered-0.5) > 0.05 {
		t.Errorf("%+v", a)
	}
}

func TestALongHoldThatEndsAsksForOneConnectionAndNotForItsLength(t *testing.T) {
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
