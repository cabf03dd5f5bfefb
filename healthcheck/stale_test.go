package healthcheck

import (
	"testing"
	"time"
)

func TestReportAsOf_IsTheSameUntilItsJudgeHasMissedThreeIntervals(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	r := m.ticks(3, held(times(10, forgot)...), waiting(4, time.Second))
	for age, want := range map[time.Duration]Status{0: Degraded, 3 * time.Second: Degraded, 3*time.Second + 1: Unknown} {
		now := r.At.Add(age)
		got := r.AsOf(now, time.Second)
		if got.Status != want || r.StaleAt(now, time.Second) != (want == Unknown) || (got == r) != (want == Degraded) {
			t.Errorf("after %v: %s", age, got.Status)
		}
	}
	got := r.AsOf(r.At.Add(time.Minute), time.Second)
	if got.State != "" || got.Verdict != Unknown || len(got.Findings) > 0 || got.Outage || !got.StaleSince.Equal(r.At.Add(3*time.Second)) {
		t.Errorf("it contradicts itself: %+v", got)
	}
	if !got.Started || len(got.History) == 0 || len(r.Findings) == 0 {
		t.Error("it has lost its past, or the judge's own report was changed")
	}
}

func TestReportAsOf_OfAPoolThatIsClosedIsNeverStale(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	r := m.judge.Terminated(m.s.At)
	if r.AsOf(r.At.Add(time.Hour), time.Second) != r {
		t.Error("it is")
	}
}
