package healthcheck

import (
	"slices"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// The error is the same everywhere; what follows is proof of service, or is none.
func TestProofOfService_AtItsBoundaries(t *testing.T) {
	nobody, some := f(held(), waiting(0, 0)), f(easy)
	waited := func(d time.Duration) func(*Sample) { return cycles(100, 5*ms, 4*ms, 0, d) }
	for name, c := range map[string]struct {
		policy Policy
		after  func(*sim)
		want   Status
	}{
		"served for 9 s":                       {Evidence(), func(m *sim) { m.ticks(9, some...) }, Degraded},
		"served for 10 s":                      {Evidence(), func(m *sim) { m.ticks(10, some...) }, Healthy},
		"served for 10 s, idle ratio":          {IdleRatio(), func(m *sim) { m.ticks(10, some...) }, Degraded},
		"served for 59 s, idle ratio":          {IdleRatio(), func(m *sim) { m.ticks(59, some...) }, Degraded},
		"served for 61 s, idle ratio":          {IdleRatio(), func(m *sim) { m.ticks(61, some...) }, Healthy},
		"nobody for 59 s":                      {Evidence(), func(m *sim) { m.ticks(59, nobody...) }, Degraded},
		"nobody for 61 s":                      {Evidence(), func(m *sim) { m.ticks(61, nobody...) }, Healthy},
		"nobody, and the probe is answered":    {Evidence(), func(m *sim) { m.ticks(59, append(nobody, func(s *Sample) { s.Probe.OKAt = s.At })...) }, Degraded},
		"two served in 30 s":                   {Evidence(), func(m *sim) { m.ticks(2, some...); m.ticks(28, nobody...) }, Degraded},
		"three served in 30 s":                 {Evidence(), func(m *sim) { m.ticks(3, some...); m.ticks(27, nobody...) }, Healthy},
		"given out, never back":                {Evidence(), func(m *sim) { m.ticks(20, some[0], neverBack) }, Degraded},
		"waits of 10 ms":                       {Evidence(), func(m *sim) { m.ticks(10, some[0], waited(10*ms)) }, Healthy},
		"one wait of 11 ms after 9 s":          {Evidence(), func(m *sim) { m.ticks(9, some...); m.tick(some[0], waited(11*ms)) }, Degraded},
		"one wait of 11 ms, and 9 s":           {Evidence(), func(m *sim) { m.ticks(5, some...); m.tick(some[0], waited(11*ms)); m.ticks(9, some...) }, Degraded},
		"one wait of 11 ms, and 10 s":          {Evidence(), func(m *sim) { m.ticks(5, some...); m.tick(some[0], waited(11*ms)); m.ticks(10, some...) }, Healthy},
		"somebody waits for 11 ms":             {Evidence(), func(m *sim) { m.ticks(9, some...); m.tick(some[0], waiting(1, 11*ms)) }, Degraded},
		"a late sample":                        {Evidence(), func(m *sim) { m.ticks(5, some...); m.tick(some[0], late(500*ms)); m.ticks(9, some...) }, Degraded},
		"another failure":                      {Evidence(), func(m *sim) { m.ticks(5, some...); m.tick(some[0], failed("timeout")); m.ticks(9, some...) }, Degraded},
		"a failure again, after a proof":       {Evidence(), func(m *sim) { m.ticks(20, some...); m.tick(some[0], failed("timeout")); m.ticks(59, some...) }, Degraded},
		"a failure again, a minute ago":        {Evidence(), func(m *sim) { m.ticks(20, some...); m.tick(some[0], failed("timeout")); m.ticks(61, some...) }, Healthy},
		"a failure again, a minute after":      {Evidence(), func(m *sim) { m.ticks(61, some...); m.tick(some[0], failed("timeout")); m.ticks(10, some...) }, Healthy},
		"served, but sessions still break":     {Evidence(), func(m *sim) { m.tick(some[0], lost("57P01")); m.ticks(20, some...) }, Degraded},
		"served, but writes were refused":      {Evidence(), func(m *sim) { m.ticks(20, some[0], readOnly) }, Degraded},
		"served, but nothing new connects":     {Evidence(), func(m *sim) { m.ticks(20, some[0], refused("53300", "")) }, Degraded},
		"served, by a policy that asks for 5s": {quick(), func(m *sim) { m.ticks(5, some...) }, Healthy},
	} {
		t.Run(name, func(t *testing.T) {
			m := newSim(t, c.policy)
			m.warm()
			m.tick(some[0], failed("timeout"))
			c.after(m)
			if m.last.Verdict != c.want {
				t.Errorf("verdict %s, want %s; %+v", m.last.Verdict, c.want, m.last.Findings)
			}
		})
	}
}

func quick() Policy {
	p := Evidence()
	p.ProofOfService = 5 * time.Second
	return p
}

// neverBack undoes what cycles says of releases: connections are given out, and their queries are not answered.
func neverBack(s *Sample) { s.Counts[counts.Released] -= 100 }

func TestProofOfService_MakesAPoolHealthyWithin15Seconds(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	m.ticks(5, held(times(10, crawling)...), waiting(20, 800*ms), failed("timeout"))
	healed := m.last.At
	for m.tick(easy).Status != Healthy {
		if len(m.last.Findings) == 0 || m.last.Findings[0].Cause != CauseSlowDatabase {
			t.Fatalf("%s: %+v", m.last.State, m.last.Findings)
		}
	}
	if d := m.last.At.Sub(healed); d > 15*time.Second {
		t.Errorf("healthy after %v", d)
	}
}

// Somebody's deadline is too short, once in a while: that is one trouble, and not one every time.
func TestProofOfService_DoesNotMakeAPoolFlap(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	for range 20 {
		m.tick(easy, failed("timeout"))
		m.ticks(30, easy)
	}
	changes := slices.DeleteFunc(slices.Clone(m.last.History), func(c Change) bool { return c.From == Initializing })
	if len(changes) > 3 || m.last.Status != Degraded {
		t.Errorf("%s after %+v", m.last.Status, changes)
	}
}
