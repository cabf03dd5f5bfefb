package healthcheck

import (
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// ruled applies the rules alone, without hysteresis, to a pool of 1000 that has just been taken to a state.
func ruled(t *testing.T, p Policy, change ...func(*Sample)) verdict {
	t.Helper()
	s := Sample{At: epoch, HasTracer: true}
	s.Pool.Max, s.Pool.Total, s.Pool.Idle = 1000, 1000, 1000
	s.Counts[counts.Opened], s.Connect.LastAt = 1000, epoch.Add(-time.Hour)
	for _, c := range change {
		c(&s)
	}
	clean(&s)
	return decide(newFacts(&p, []Sample{s}, baseline{}))
}

func idle(n int) func(*Sample) {
	return func(s *Sample) { s.Pool.Idle, s.Pool.Used = n, s.Pool.Total-n }
}
func used(n int) func(*Sample) {
	return func(s *Sample) { s.Pool.Used, s.Pool.Idle = n, s.Pool.Total-n }
}
func peaked(d time.Duration) func(*Sample) {
	return cycles(1, time.Millisecond, time.Millisecond, 0, d)
}
func failedAgo(d time.Duration) func(*Sample) {
	return func(s *Sample) { s.Traffic.LastErrorAt, s.Traffic.LastErrorType = s.At.Add(-d), "timeout" }
}

func TestIdleRatio_AtItsBoundaries(t *testing.T) {
	for name, c := range map[string]struct {
		change []func(*Sample)
		want   Status
	}{
		"80.1 % idle":   {f(idle(801)), Healthy},
		"80 % idle":     {f(idle(800)), Healthy},
		"79.9 % idle":   {f(idle(799)), Degraded},
		"50.1 % idle":   {f(idle(501)), Degraded},
		"50 % idle":     {f(idle(500)), Degraded},
		"49.9 % idle":   {f(idle(499)), Unhealthy},
		"none idle":     {f(idle(0)), Unhealthy},
		"no connection": {f(func(s *Sample) { s.Pool.Total, s.Pool.Idle = 0, 0 }), Unhealthy},

		"an error 59 s ago": {f(failedAgo(59 * time.Second)), Degraded},
		"an error 60 s ago": {f(failedAgo(60 * time.Second)), Degraded},
		"an error 61 s ago": {f(failedAgo(61 * time.Second)), Healthy},

		"a wait of 99 ms":  {f(peaked(99 * ms)), Healthy},
		"a wait of 100 ms": {f(peaked(100 * ms)), Healthy},
		"a wait of 101 ms": {f(peaked(101 * ms)), Degraded},
	} {
		if v := ruled(t, IdleRatio(), c.change...); v.tier != c.want {
			t.Errorf("%s: %s, want %s (%v)", name, v.tier, c.want, v.reasons)
		}
	}
}

func TestUsage_AtItsBoundaries(t *testing.T) {
	for name, c := range map[string]struct {
		used int
		want Status
		warn bool
	}{
		"74.9 %": {749, Healthy, false},
		"75 %":   {750, Degraded, false},
		"79.9 %": {799, Degraded, false},
		"80 %":   {800, Degraded, true},
		"89.9 %": {899, Degraded, true},
		"90 %":   {900, Unhealthy, true},
		"100 %":  {1000, Unhealthy, true},
	} {
		m := newSim(t, Usage())
		m.s.Pool.Max = 1000
		m.tick(connected(1000))
		r := m.ticks(2, used(c.used))
		if r.Status != c.want || r.UsageHigh != c.warn {
			t.Errorf("%s: %s, warning %t; want %s, %t", name, r.Status, r.UsageHigh, c.want, c.warn)
		}
		if r.Status > Healthy && len(r.Findings) == 0 {
			t.Errorf("%s: no finding", name)
		}
	}
}

func TestEvidence_AtItsBoundaries(t *testing.T) {
	queue := func(least time.Duration) func(*Sample) {
		return cycles(100, time.Millisecond, time.Millisecond, least, 90*ms)
	}
	waits := waiting(3, 11*ms)
	for name, c := range map[string]struct {
		change []func(*Sample)
		want   Status
	}{
		"all idle":                          {nil, Healthy},
		"100 % and nobody waits":            {f(used(1000)), Healthy},
		"89.9 % and some wait":              {f(used(899), waits), Healthy},
		"90 % and some wait":                {f(used(900), waits), Degraded},
		"90 % and some wait for moments":    {f(used(900), waiting(3, 10*ms)), Healthy},
		"nobody under 10 ms":                {f(used(1000), queue(10*ms)), Healthy},
		"nobody under 11 ms":                {f(used(1000), queue(11*ms)), Degraded},
		"nobody under 11 ms, not full":      {f(used(999), queue(11*ms)), Healthy},
		"nobody under 11 ms, one passed on": {f(used(999), queue(11*ms), waiting(3, 11*ms)), Degraded},
		"a wait of 99 ms":                   {f(peaked(99 * ms)), Healthy},
		"a wait of 100 ms":                  {f(peaked(100 * ms)), Healthy},
		"a wait of 101 ms":                  {f(peaked(101 * ms)), Degraded},
		"a wait of 101 ms, not over":        {f(waiting(1, 101*ms)), Degraded},
		"an error 59 s ago":                 {f(failedAgo(59 * time.Second)), Degraded},
		"an error 60 s ago":                 {f(failedAgo(60 * time.Second)), Degraded},
		"an error 61 s ago":                 {f(failedAgo(61 * time.Second)), Healthy},
		"one leak":                          {f(held(forgot)), Degraded},
		"one long hold, expected":           {f(held(with(forgot, func(h *HeldConn) { h.Expected = true }))), Healthy},
		"all at once, but late":             {f(held(forgot), waiting(9, time.Minute), late(499*ms)), Degraded},
		"late by half a second":             {f(late(500 * ms)), Degraded},
		"late by less":                      {f(late(499 * ms)), Healthy},
		"a standby that is only read":       {f(func(s *Sample) { s.Server = &ServerView{At: s.At, InRecovery: true, ReadOnly: true} }), Healthy},
	} {
		if v := ruled(t, Evidence(), c.change...); v.tier != c.want {
			t.Errorf("%s: %s, want %s (%v)", name, v.tier, c.want, v.reasons)
		}
	}
}

func TestEvidence_TheUsageWarningIsNoVerdict(t *testing.T) {
	for n, warn := range map[int]bool{749: false, 750: true, 1000: true} {
		m := newSim(t, Evidence())
		m.s.Pool.Max = 1000
		m.tick(connected(1000))
		if r := m.ticks(3, used(n)); r.Status != Healthy || r.UsageHigh != warn {
			t.Errorf("%d of 1000: %s, warning %t", n, r.Status, r.UsageHigh)
		}
	}
}

func TestStuckPool_IsFullAndReleasesNothingForTenSeconds(t *testing.T) {
	full := f(held(times(10, crawling)...), waiting(1, time.Second))
	one := Evidence()
	one.WorsenAfter = 1
	for after, want := range map[int]Status{9: Degraded, 10: Unhealthy} {
		m := newSim(t, one)
		m.warm()
		m.tick(full...)
		if r := m.ticks(after, full...); r.Status != want {
			t.Errorf("after %d s: %s, want %s", after, r.Status, want)
		}
	}

	m := newSim(t, one)
	m.warm()
	for range 30 {
		m.ticks(8, full...)
		if r := m.tick(append(full, cycles(1, time.Second, time.Second, 0, 0))...); r.Status == Unhealthy {
			t.Fatal("something was released every nine seconds")
		}
	}

	m = newSim(t, one)
	m.warm()
	m.ticks(9, full...)
	m.tick(append(full, late(9*time.Second))...)
	if r := m.ticks(9, full...); r.Status == Unhealthy {
		t.Error("a pause of the process counted as time stuck")
	}
}

func TestPolicy_APoolWithoutItsServerIsUnhealthyUnderEach(t *testing.T) {
	for _, p := range []Policy{Evidence(), IdleRatio(), Usage()} {
		m := newSim(t, p)
		if r := m.ticks(2, refused("connection_refused", "")); r.Status != Unhealthy || r.Findings[0].Cause != CauseUnreachable {
			t.Errorf("%s: %s %v", p.Rules, r.Status, r.Findings)
		}
	}
}

func TestPolicy_ABrokenConnectionDoesNotExplainABusyPool(t *testing.T) {
	for _, c := range []struct {
		policy Policy
		busy   int
		first  Cause
	}{{IdleRatio(), 6, CauseInsufficientData}, {Usage(), 9, CauseInsufficientData}, {Evidence(), 6, CauseUnreachable}} {
		m := newSim(t, c.policy)
		m.tick(connected(10))
		m.ticks(10, easy)
		r := m.ticks(5, once(lost("connection_reset")), cycles(100, 5*ms, 4*ms, 0, ms), held(times(c.busy, asking)...))
		if r.Findings[0].Cause != c.first || r.Outage {
			t.Errorf("%s: outage %t, %+v", c.policy.Rules, r.Outage, r.Findings)
		}
		if n := len(r.Findings); c.policy.Rules == RulesIdleRatio && (n != 2 || r.Findings[1].Cause != CauseUnreachable) {
			t.Errorf("the loss is not told of: %+v", r.Findings)
		}
	}
}
