package healthcheck

import (
	"slices"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

func TestJudge_APoolThatNobodyUsedIsUnknown(t *testing.T) {
	m := newSim(t, Evidence())
	r := m.ticks(300)
	if r.State != Initializing || r.Status != Unknown || len(r.Findings) > 0 || r.Started {
		t.Errorf("%s, %s, %v", r.State, r.Status, r.Findings)
	}
}

func TestJudge_TheFirstConnectionMakesAPoolHealthy(t *testing.T) {
	m := newSim(t, Evidence())
	m.ticks(10)
	if r := m.tick(connected(1)); r.State != StateHealthy || !r.Started || !r.Since.Equal(r.At) {
		t.Errorf("%s, started %t, since %v", r.State, r.Started, r.Since)
	}
}

func TestJudge_APoolThatNeverConnectsIsUnhealthyWithinTwoIntervals(t *testing.T) {
	m := newSim(t, Evidence())
	m.ticks(30)
	r := m.tick(refused("28P01", "password authentication failed"))
	if r.Status != Unknown {
		t.Errorf("one sample made it %s", r.Status)
	}
	r = m.tick() // nobody even tried again
	if r.State != StateUnhealthy || r.Findings[0].Cause != CauseRejectedCredentials || r.Started {
		t.Errorf("%s %v, started %t", r.State, r.Findings, r.Started)
	}
	if r = m.ticks(600); r.State != StateUnhealthy {
		t.Errorf("time alone made it %s", r.State)
	}
}

func TestHysteresis_OneBadSampleChangesNothing(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	for range 20 {
		m.tick(waiting(3, 150*ms), held(times(10, asking)...))
		if r := m.tick(easy); r.Status != Healthy || len(r.Findings) > 0 {
			t.Fatalf("%s %v", r.Status, r.Findings)
		}
	}
}

func TestHysteresis_GettingBetterTakesThreeSamplesAndFiveSeconds(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	m.ticks(2, waiting(3, 150*ms), held(times(10, asking)...))
	entered := m.last.Since
	for m.tick(easy).Status != Healthy {
		if len(m.last.Findings) == 0 {
			t.Fatal("degraded, and does not say why")
		}
		if m.last.At.Sub(entered) > time.Minute {
			t.Fatal("never healthy again")
		}
	}
	if d := m.last.At.Sub(entered); d != 5*time.Second {
		t.Errorf("healthy after %v, want the dwell of 5s", d)
	}

	p := Evidence()
	p.MinStateDuration = 0
	m = newSim(t, p)
	m.warm()
	m.ticks(2, waiting(3, 150*ms), held(times(10, asking)...))
	if r := m.ticks(2, easy); r.Status != Degraded {
		t.Errorf("two good samples made it %s", r.Status)
	}
	if r := m.tick(easy); r.Status != Healthy {
		t.Errorf("three good samples left it %s", r.Status)
	}
}

// outage plays an outage of the given length and the return of the server, and returns how long the pool took to be
// healthy after it.
func outage(t *testing.T, length int, back ...func(*Sample)) time.Duration {
	t.Helper()
	m := newSim(t, Evidence())
	m.warm()
	m.tick(gone("connection_reset"), refused("connection_refused", ""), failed("connection_refused"))
	m.ticks(length, refused("connection_refused", ""), failed("timeout"))
	if m.last.State != StateUnhealthy {
		t.Fatalf("in the outage it is %s", m.last.State)
	}
	at := m.last.At
	var seen []State
	for m.tick(back...).Status != Healthy {
		if n := len(seen); n == 0 || seen[n-1] != m.last.State {
			seen = append(seen, m.last.State)
		}
		complete(t, m.last)
		if len(m.last.Findings) == 0 {
			t.Fatalf("%s without a finding", m.last.State)
		}
		if m.last.At.Sub(at) > time.Minute {
			t.Fatalf("still %s, went through %v\n%+v", m.last.State, seen, m.last.Findings)
		}
	}
	if !slices.Equal(seen, []State{StateUnhealthy, Recovering}) {
		t.Errorf("went through %v", seen)
	}
	return m.last.At.Sub(at)
}

func TestRecovery_APoolIsHealthySoonAfterItsServerReturns(t *testing.T) {
	for name, back := range map[string]func() []func(*Sample){
		"with traffic":    func() []func(*Sample) { return f(once(connected(10)), easy) },
		"without traffic": func() []func(*Sample) { return f(once(connected(2)), waiting(0, 0)) },
		"seen by the probe": func() []func(*Sample) { // which has the pool connect, and then says so
			return f(once(func(s *Sample) { connected(1)(s); s.Probe.OKAt = s.At }), waiting(0, 0))
		},
		"with late timeouts": func() []func(*Sample) { return f(once(connected(10)), once(failed("timeout")), easy) },
	} {
		for _, length := range []int{5, 90} {
			t.Run(name, func(t *testing.T) {
				if d := outage(t, length, back()...); d > 12*time.Second {
					t.Errorf("healthy after %v", d)
				}
			})
		}
	}
}

// The last refusal is older than the deadline that passed while the server hung, and leaves the window before it does.
func TestRecovery_IsNotWithdrawn(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	m.tick(gone("connection_reset"), refused("connection_refused", ""))
	m.ticks(5, refused("connection_refused", ""))
	m.ticks(13)
	m.tick(failed("timeout"))
	m.tick(connected(5))
	for m.tick(easy).Status != Healthy {
		if m.last.Since.Equal(m.last.At) && m.last.State != Recovering {
			t.Fatalf("%s", m.last.State)
		}
	}
	for range 120 {
		if r := m.tick(easy); r.Status != Healthy {
			t.Fatalf("%s again: %+v", r.Status, r.Findings)
		}
	}
}

// A server that takes the probe's connections may refuse the pool's: a pool whose AfterConnect fails was called healthy.
func TestRecovery_NeedsAnAnswerToThePoolAndNotOnlyToTheProbe(t *testing.T) {
	m := newSim(t, Evidence())
	refusal := refused("_OTHER", "role tenant does not exist")
	m.ticks(2, refusal)
	for range 60 {
		m.ticks(11, func(s *Sample) { s.Probe.OKAt = s.At; s.Server = &ServerView{At: s.At} })
		if r := m.tick(refusal); r.State != StateUnhealthy || r.Started {
			t.Fatalf("%s, started %t", r.State, r.Started)
		}
	}
	if r := m.ticks(20, connected(1), easy); r.Status != Healthy {
		t.Errorf("once it connects: %s", r.Status)
	}
}

func TestLostConnection_ThatIsReplacedNeverMakesAPoolUnhealthy(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	start := m.s.At
	m.tick(easy, terminated)
	for m.tick(easy).At.Sub(start) < 2*time.Minute {
		if m.last.Status == Unhealthy {
			t.Fatal("unhealthy")
		}
	}
	if m.last.Status != Healthy {
		t.Errorf("after two minutes: %s", m.last.Status)
	}
}

func TestLostConnection_ThatIsNotReplacedCountsForAMinute(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	at := m.tick(easy, lost("57P01")).At
	m.ticks(2, easy)
	for m.last.Status == Degraded {
		m.tick(easy)
	}
	if d := m.last.At.Sub(at); d < 60*time.Second || d > 65*time.Second {
		t.Errorf("healthy after %v", d)
	}
}

func TestExplanation_OutlivesTheTrouble(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	m.ticks(3, held(times(10, forgot)...), waiting(4, time.Second), failed("timeout"))
	r := m.ticks(9, easy) // not enough to prove service
	if r.Status != Degraded || r.Findings[0].Cause != CauseLeak {
		t.Errorf("%s %v, want the leak that made an acquire fail lately", r.Status, r.Findings)
	}
}

func TestReportFlaps_AreCountedForTenMinutes(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	for range 3 {
		m.ticks(5, waiting(3, 150*ms), held(times(10, asking)...))
		m.ticks(15, easy)
	}
	if m.last.Flaps != 6 {
		t.Errorf("%d flaps, want 6", m.last.Flaps)
	}
	if m.ticks(601, easy); m.last.Flaps != 0 {
		t.Errorf("%d flaps ten minutes later", m.last.Flaps)
	}
}

func TestReportHistory_IsBoundedAndNeverChangesUnderAReader(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	early := m.last
	before := slices.Clone(early.History)
	for range 100 {
		m.ticks(3, waiting(3, 150*ms), held(times(10, asking)...))
		m.ticks(9, easy)
	}
	if n := len(m.last.History); n != historySize {
		t.Errorf("%d changes kept", n)
	}
	if !slices.Equal(early.History, before) {
		t.Error("an old report was changed")
	}
	last := m.last.History[len(m.last.History)-2]
	if last.From != StateHealthy || last.To != StateDegraded || last.Cause != CauseUndersized {
		t.Errorf("%+v", last)
	}
}

func TestStuckPool_IsFoundAtAnyInterval(t *testing.T) {
	for _, interval := range []time.Duration{20 * ms, 250 * ms, time.Second, 5 * time.Second} {
		j, err := NewJudge("orders", Evidence())
		if err != nil {
			t.Fatal(err)
		}
		s := Sample{At: epoch, HasTracer: true}
		s.Pool = PoolCounts{Max: 4, Total: 4, Used: 4}
		s.Counts[counts.Opened], s.Connect.LastAt, s.Holders = 4, epoch, times(4, nesting)
		waiting(4, time.Second)(&s)
		var r *Report
		for r == nil || r.Status != Unhealthy {
			if s.At.Sub(epoch) > 20*time.Second {
				t.Fatalf("%v: still %s", interval, r.Status)
			}
			r = j.Judge(s)
			s.At = s.At.Add(interval)
		}
		if d := r.At.Sub(epoch); d < 10*time.Second {
			t.Errorf("%v: stuck after %v", interval, d)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	j, _ := NewJudge("orders", Evidence())
	s := Sample{At: epoch, HasTracer: true}
	s.Pool = PoolCounts{Max: 100, Total: 100, Used: 100}
	s.Holders = slices.Repeat([]HeldConn{asking}, 100)
	b.ReportAllocs()
	for b.Loop() {
		s.At = s.At.Add(time.Second)
		cycles(100, 5*time.Millisecond, 4*time.Millisecond, 12*time.Millisecond, 20*time.Millisecond)(&s)
		j.Judge(s)
	}
}
