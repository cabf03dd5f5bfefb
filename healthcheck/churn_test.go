package healthcheck

import (
	"strings"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// cancels has n holds a second end with their connection closed, and as many connections made anew. Each acquire waits for so long
// on average.
func cancels(n int64, wait time.Duration, deadline bool) func(*Sample) {
	return func(s *Sample) {
		c, all := &s.Counts, s.Traffic.Ended+n
		for _, name := range []counts.Name{counts.Acquired, counts.Released, counts.DestroyedCanceled, counts.ClosedCanceled, counts.Opened} {
			c[name] += n
		}
		c[counts.CreateTime] += n * int64(20*ms)
		c[counts.UseTime] += n * int64(50*ms)
		c[counts.QueryTime] += n * int64(50*ms)
		c[counts.WaitTime] += all * int64(wait)
		s.Connect.LastAt, s.Connect.LastTime = s.At, 20*ms
		s.Traffic.Ended, s.Traffic.PeakWait = all, 2*wait
		s.Canceled = []CanceledHold{{At: s.At, Site: "report.go:12 shop.Report", After: 50 * ms, Deadline: deadline}}
	}
}

func TestChurn_IsNamedWhereCancelledQueriesMakeCallersWait(t *testing.T) {
	for name, c := range map[string]struct {
		sick   []func(*Sample)
		advice string
	}{
		"the pool has room, by deadlines":  {f(easy, cancels(30, 30*ms, true)), "These deadlines are shorter"},
		"the pool has room, by callers":    {f(easy, cancels(30, 30*ms, false)), "Find out why these callers give up"},
		"the pool is full of such queries": {f(held(times(10, with(asking, func(h *HeldConn) { h.Age = 30 * ms }))...), waiting(20, 80*ms), cancels(100, 60*ms, true)), "These deadlines are shorter"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newSim(t, Evidence())
			m.warm()
			r := m.ticks(3, c.sick...)
			if r.Status != Degraded || r.Findings[0].Cause != CauseCancelChurn || !strings.HasPrefix(r.Findings[0].Advice, c.advice) {
				t.Fatalf("%s: %+v", r.Status, r.Findings)
			}
			if all := strings.Join(r.Findings[0].Evidence, "; "); !strings.Contains(all, "1 at report.go:12 shop.Report") {
				t.Errorf("no call site: %s", all)
			}
			complete(t, r)
		})
	}
}

func TestChurn_IsNotNamed(t *testing.T) {
	for name, c := range map[string]struct {
		sick    []func(*Sample)
		healthy bool
	}{
		"while nobody waits for it":                    {f(easy, cancels(30, ms, true)), true},
		"of a few cancelled queries":                   {f(easy, cancels(1, 30*ms, true)), true},
		"where nothing connects any more":              {f(easy, cancels(30, 30*ms, true), func(s *Sample) { s.Counts[counts.Opened] -= 30 }), true},
		"before the lock that the queries wait for":    {f(held(times(10, crawling)...), waiting(20, 800*ms), locks(10, 4711), cancels(30, 30*ms, true)), false},
		"before queries that are slow for all callers": {f(held(times(10, crawling)...), waiting(20, 800*ms), cycles(60, 900*ms, 890*ms, 700*ms, 900*ms), cancels(4, 30*ms, true)), false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newSim(t, Evidence())
			m.warm()
			r := m.ticks(4, c.sick...)
			if (r.Status == Healthy) != c.healthy || len(r.Findings) > 0 && r.Findings[0].Cause == CauseCancelChurn {
				t.Errorf("%s: %+v", r.Status, r.Findings)
			}
		})
	}
}

func TestChurn_APoolThatReplacesItsConnectionsIsNotToldToGrow(t *testing.T) {
	m := newSim(t, Evidence())
	m.tick(connected(10))
	r := m.ticks(70, append(f(held(times(10, asking)...)), append(overload, cancels(300, 15*ms, true))...)...)
	if r.Advice.Recommended != 0 {
		t.Errorf("%+v", r.Advice)
	}
	if !r.Names(CauseCancelChurn) || r.Findings[0].Cause == CauseUndersized {
		t.Errorf("%+v", r.Findings)
	}
}
