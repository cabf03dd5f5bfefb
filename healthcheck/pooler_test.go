package healthcheck

import (
	"strings"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// sessions is what the server says behind a pooler.
func sessions(n int) func(*Sample) {
	return func(s *Sample) { s.Pooled, s.Server = true, &ServerView{At: s.At, Sessions: n} }
}

// probeAsking is a probe that the pooler let in, and that has waited for a session since.
func probeAsking(d time.Duration) func(*Sample) {
	return func(s *Sample) {
		s.Pooled, s.Server = true, nil
		s.Probe.TryingSince, s.Probe.AskedSince = s.At.Add(-d), s.At.Add(-d)
	}
}

// refusedQueries has n queries refused by the pooler, which closes their connections, and as many connections made anew.
func refusedQueries(n int64, words string) func(*Sample) {
	return func(s *Sample) {
		for _, name := range []counts.Name{
			counts.Acquired, counts.Released, counts.DestroyedBroken, counts.ClosedBroken, counts.Lost, counts.Opened,
		} {
			s.Counts[name] += n
		}
		s.Connect.LastLostAt, s.Connect.LastLostType, s.Connect.LastLost = s.At.Add(-20*ms), "08P01", words
		s.Connect.LastAt = s.At.Add(-10 * ms)
		s.Traffic.Ended = n
	}
}

// served counts what cycles gives back.
func served(n int64) func(*Sample) {
	return func(s *Sample) { s.Counts[counts.ReleasedClean] += n }
}

func TestPooler_AQueueInItIsNamedAndNeverCalledUndersized(t *testing.T) {
	quick := f(held(times(10, asking)...), waiting(30, 15*ms), cycles(2000, 5*ms, 4*ms, 12*ms, 18*ms), served(2000))
	slow := f(held(times(10, crawling)...), waiting(20, 800*ms), cycles(11, 900*ms, 890*ms, 700*ms, 900*ms), served(11))
	for name, c := range map[string]struct {
		sick  []func(*Sample)
		queue bool
	}{
		"quick queries, two sessions":       {append(quick, sessions(2)), true},
		"slow queries, two sessions":        {append(slow, sessions(2)), true},
		"the probe waits for a session":     {append(slow, probeAsking(time.Second)), true},
		"as many sessions as queries":       {append(quick, sessions(10)), false},
		"the server was not asked":          {append(quick, func(s *Sample) { s.Pooled, s.Server = true, nil }), false},
		"no pooler":                         {append(quick, func(s *Sample) { s.Server = &ServerView{At: s.At, Sessions: 2} }), false},
		"the probe waits, nobody is served": {f(held(times(10, crawling)...), waiting(20, 800*ms), probeAsking(time.Second)), false},
	} {
		t.Run(name, func(t *testing.T) {
			m := newSim(t, Evidence())
			m.warm()
			r := m.ticks(3, c.sick...)
			if r.Status == Healthy || (r.Findings[0].Cause == CausePoolerQueue) != c.queue {
				t.Fatalf("%s: %+v", r.Status, r.Findings)
			}
			if name != "as many sessions as queries" && name != "no pooler" && r.Names(CauseUndersized) {
				t.Errorf("undersized: %+v", r.Findings)
			}
			complete(t, r)
		})
	}
}

func TestPooler_WithoutItsServerThePoolIsUnhealthyThoughItConnects(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	m.s.Pooled = true
	r := m.ticks(3, refusedQueries(50, "server_login_retry"))
	if r.Status != Unhealthy || !r.Outage || r.Findings[0].Cause != CauseUnreachable || !strings.Contains(r.Findings[0].Summary, "The pooler answers") {
		t.Fatalf("%s: %+v", r.Status, r.Findings)
	}
	complete(t, r)
	if r = m.ticks(30, easy, served(100)); r.Status != Healthy {
		t.Errorf("afterwards: %s %+v", r.State, r.Findings)
	}
}

func TestPooler_ThatRefusesSomeQueriesHasItsServer(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	for _, r := range []*Report{
		m.ticks(5, easy, served(100), refusedQueries(5, "query_wait_timeout")),
		m.ticks(5, easy, served(100), refusedQueries(5, "server conn crashed")),
	} {
		if r.Status == Unhealthy {
			t.Errorf("%+v", r.Findings)
		}
	}
}

func TestPooler_ThatTakesNoMoreClientsIsNoDeadServer(t *testing.T) {
	m := newSim(t, Evidence())
	r := m.ticks(3, refused("08P01", "FATAL: no more connections allowed (max_client_conn) (SQLSTATE 08P01)"))
	if r.Status != Unhealthy || r.Findings[0].Cause != CauseTooManyConnections || !strings.Contains(r.Findings[0].Summary, "pooler") {
		t.Errorf("%s: %+v", r.Status, r.Findings)
	}
}
