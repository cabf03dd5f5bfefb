package healthcheck

import (
	"testing"
	"time"
)

func TestJudge_NothingLeadsOutOfTerminated(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	m.ticks(5, held(times(10, forgot)...), waiting(4, time.Second))
	r := m.judge.ShuttingDown(m.s.At)
	if r.State != ShuttingDown || r.Status != Unknown || len(r.Findings) > 0 {
		t.Errorf("%s, %s, %v", r.State, r.Status, r.Findings)
	}
	if r = m.ticks(3, easy); r.State != ShuttingDown {
		t.Errorf("a good sample made it %s", r.State)
	}
	if r = m.judge.Terminated(m.s.At); r.State != Terminated {
		t.Errorf("%s", r.State)
	}
	m.judge.ShuttingDown(m.s.At)
	if r = m.ticks(3, easy); r.State != Terminated {
		t.Errorf("came back as %s", r.State)
	}
}

func TestJudge_AClosedPoolUsesNothingAndNeedsNoSize(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	if r := m.tick(easy, held(times(10, asking)...)); r.Usage != 1 || !r.Advice.Known {
		t.Fatalf("before: %v %+v", r.Usage, r.Advice)
	}
	for _, r := range []*Report{m.judge.ShuttingDown(m.s.At), m.tick(easy), m.judge.Terminated(m.s.At)} {
		if r.Usage != 0 || r.UsageHigh || r.Advice != (Sizing{}) || r.Outage {
			t.Errorf("%s: %+v", r.State, r)
		}
	}
}

func TestJudge_AClosedPoolIsShuttingDown(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	if r := m.tick(func(s *Sample) { s.Closed = true }); r.State != ShuttingDown {
		t.Errorf("%s", r.State)
	}
}

func TestOutage_IsNotEndedByAStarvedProcess(t *testing.T) {
	m := newSim(t, Evidence())
	m.tick(connected(10))
	m.tick(gone(""), refused("timeout", ""))
	m.tick(refused("timeout", ""))
	if r := m.ticks(30, late(time.Second)); r.State != StateUnhealthy {
		t.Errorf("%s", r.State)
	}
}

func TestStatOnly_ZerosAreNoGoodNews(t *testing.T) {
	m := newSim(t, Evidence())
	m.s.Pool.Total, m.s.Pool.Idle = 10, 10
	if r := m.ticks(3, statOnly); r.Status != Healthy {
		t.Errorf("a full pool without complaints is %s", r.Status)
	}
	r := m.ticks(14, statOnly, gaveUp)
	if r.Status != Unhealthy || r.Findings[0].Cause != CauseInsufficientData || r.Advice.Known {
		t.Errorf("%s %v", r.Status, r.Findings)
	}
}

func TestProbe_DoesNotKeepAPoolUnwellThatServes(t *testing.T) {
	turnedAway := func(s *Sample) {
		s.Probe.ErrorAt, s.Probe.ErrorType = s.At, "53300"
	}
	m := newSim(t, Evidence())
	m.warm()
	m.ticks(3, waiting(3, 150*ms), held(times(10, asking)...))
	if r := m.ticks(20, easy, turnedAway); r.Status != Healthy {
		t.Errorf("%s %v", r.Status, r.Findings)
	}
}

func TestProbe_TellsSilenceFromSlowness(t *testing.T) {
	unanswered := func(s *Sample) { s.Probe.ErrorAt, s.Probe.ErrorType = s.At, "timeout" }
	silent := f(held(times(10, crawling)...), waiting(3, 800*ms))
	m := newSim(t, Evidence())
	m.warm()
	if r := m.ticks(4, silent...); r.Findings[0].Cause != CauseSlowDatabase {
		t.Errorf("%v", r.Findings)
	}
	if r := m.ticks(4, append(silent, unanswered)...); r.Status != Unhealthy || r.Findings[0].Cause != CauseUnreachable {
		t.Errorf("%s %v", r.Status, r.Findings)
	}
}
