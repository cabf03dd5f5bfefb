package healthcheck

import (
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

const ms = time.Millisecond

var (
	asking   = HeldConn{Site: "orders.go:42 shop.Load", Querying: true, Age: 4 * ms}
	forgot   = HeldConn{Site: "report.go:9 shop.Report", Age: time.Minute, Idle: time.Minute, Leaked: true}
	thinking = HeldConn{Site: "mail.go:5 shop.Send", Age: 300 * ms, Idle: 200 * ms, InTx: true}
	nesting  = HeldConn{Site: "pay.go:3 shop.Pay", Age: 2 * time.Second, Idle: 2 * time.Second, NestedAcquire: true}
	crawling = HeldConn{Site: "list.go:8 shop.List", Age: 900 * ms, Querying: true}
	listener = HeldConn{Site: "events.go:1 shop.Listen", Age: time.Hour, Querying: true, Expected: true}
)

func with(h HeldConn, change func(*HeldConn)) HeldConn { change(&h); return h }

// locks has n of ten of ours wait for a lock of the given session.
func locks(n int, blocker uint32) func(*Sample) {
	return func(s *Sample) {
		s.Server = &ServerView{At: s.At}
		for i := range 10 {
			b := Backend{PID: uint32(100 + i), State: "active"}
			if i < n {
				b.WaitEventType, b.BlockedBy = "Lock", []uint32{blocker}
			}
			s.Server.Backends = append(s.Server.Backends, b)
		}
	}
}

// Each sick pool is told what ails it, and nothing else first.
func TestDiagnose_NamesEachCauseFirstInItsScenario(t *testing.T) {
	for name, c := range map[string]struct {
		cold   bool // the pool was never warm
		within int  // ticks of sickness until the cause is named; 3 if zero
		sick   []func(*Sample)
		first  func(*Sample) // what happens once, before
		cause  Cause
		status Status
	}{
		"one leaked connection":                 {sick: f(held(forgot), cycles(50, 5*ms, 4*ms, 0, ms)), cause: CauseLeak, status: Degraded},
		"leaks that fill the pool":              {sick: f(held(times(10, forgot)...), waiting(4, time.Second)), cause: CauseLeak, status: Degraded},
		"leaks that stop the pool":              {within: 12, sick: f(held(times(10, forgot)...), waiting(4, time.Second)), cause: CauseLeak, status: Unhealthy},
		"leaks of all ages":                     {sick: f(held(append(times(3, forgot), times(7, with(forgot, func(h *HeldConn) { h.Leaked, h.Idle = false, 9*time.Second }))...)...), waiting(4, time.Second)), cause: CauseLeak, status: Degraded},
		"nested acquires":                       {sick: f(held(times(10, nesting)...), waiting(10, time.Second)), cause: CauseNestedAcquire, status: Degraded},
		"nested acquires past the threshold":    {within: 12, sick: f(held(times(10, with(nesting, func(h *HeldConn) { h.Leaked = true }))...), waiting(10, time.Second)), cause: CauseNestedAcquire, status: Unhealthy},
		"sleeping in transactions":              {sick: f(held(times(10, thinking)...), waiting(20, 400*ms), cycles(30, 300*ms, 5*ms, 200*ms, 600*ms)), cause: CauseHeldIdle, status: Degraded},
		"queries that turned slow":              {sick: f(held(times(10, crawling)...), waiting(20, 800*ms), cycles(11, 900*ms, 890*ms, 700*ms, 900*ms)), cause: CauseSlowDatabase, status: Degraded},
		"queries that do not come back":         {within: 12, sick: f(held(times(10, with(crawling, func(h *HeldConn) { h.Age = 11 * time.Second }))...), waiting(20, time.Second)), cause: CauseSlowDatabase, status: Unhealthy},
		"a pool that was never fast":            {cold: true, sick: f(connected(1), held(times(10, crawling)...), waiting(20, 800*ms), cycles(11, 900*ms, 890*ms, 700*ms, 900*ms)), cause: CauseSlowDatabase, status: Degraded},
		"a table locked by an outsider":         {sick: f(held(times(10, crawling)...), waiting(20, 800*ms), locks(10, 4711)), cause: CauseLockContention, status: Degraded},
		"a table locked by one of us":           {sick: f(held(times(10, crawling)...), waiting(20, 800*ms), locks(9, 109)), cause: CauseLockContention, status: Degraded},
		"too small a pool":                      {sick: f(held(times(10, asking)...), waiting(30, 15*ms), cycles(2000, 5*ms, 4*ms, 12*ms, 18*ms)), cause: CauseUndersized, status: Degraded},
		"a pool taken up by long holds":         {sick: f(held(append(times(8, listener), asking, asking)...), waiting(30, 15*ms), cycles(400, 5*ms, 4*ms, 12*ms, 18*ms)), cause: CauseUndersized, status: Degraded},
		"never connects, refused":               {cold: true, within: 2, sick: f(refused("connection_refused", "dial: refused")), cause: CauseUnreachable, status: Unhealthy},
		"never connects, no such host":          {cold: true, within: 2, first: refused("dns", "no such host"), cause: CauseUnreachable, status: Unhealthy},
		"never connects, no answer":             {cold: true, within: 7, sick: f(inFlight(1)), cause: CauseUnreachable, status: Unhealthy},
		"all sessions lost and refused":         {first: gone("connection_reset"), sick: f(refused("connection_refused", "dial: refused")), cause: CauseUnreachable, status: Unhealthy},
		"connection exception by class":         {first: gone(""), sick: f(refused("08006", "")), cause: CauseUnreachable, status: Unhealthy},
		"a black hole":                          {within: 7, sick: f(held(times(10, crawling)...), waiting(4, time.Second), inFlight(1)), cause: CauseUnreachable, status: Unhealthy},
		"a black hole that the probe sees":      {within: 7, sick: f(held(times(10, crawling)...), waiting(4, time.Second), probing), cause: CauseUnreachable, status: Unhealthy},
		"a wrong password":                      {cold: true, within: 2, sick: f(refused("28P01", "password authentication failed")), cause: CauseRejectedCredentials, status: Unhealthy},
		"a password changed":                    {first: gone(""), sick: f(refused("28P01", "")), cause: CauseRejectedCredentials, status: Unhealthy},
		"no such role":                          {cold: true, sick: f(refused("28000", "")), cause: CauseRejectedCredentials, status: Unhealthy},
		"no such database":                      {cold: true, sick: f(refused("3D000", "")), cause: CauseRejectedCredentials, status: Unhealthy},
		"a role without CONNECT":                {cold: true, sick: f(refused("42501", "")), cause: CauseRejectedCredentials, status: Unhealthy},
		"a full server, some sessions left":     {sick: f(easy, refused("53300", "sorry, too many clients already")), cause: CauseTooManyConnections, status: Degraded},
		"a full server, no session":             {cold: true, sick: f(refused("53300", "")), cause: CauseTooManyConnections, status: Unhealthy},
		"a server starting up":                  {cold: true, sick: f(refused("57P03", "the database system is starting up")), cause: CauseServerStarting, status: Unhealthy},
		"a server restarting":                   {first: gone("57P01"), sick: f(refused("57P03", "the database system is starting up")), cause: CauseServerStarting, status: Unhealthy},
		"a server shutting down":                {cold: true, sick: f(refused("57P03", "the database system is shutting down")), cause: CauseServerShutdown, status: Unhealthy},
		"a server that was stopped":             {first: gone("57P01"), sick: f(refused("connection_refused", "")), cause: CauseServerShutdown, status: Unhealthy},
		"a server that crashed":                 {first: gone("57P02"), sick: f(refused("connection_refused", "")), cause: CauseServerShutdown, status: Unhealthy},
		"a few backends terminated":             {first: terminated, sick: f(easy), cause: CauseServerShutdown, status: Degraded},
		"an idle transaction ended by timeout":  {first: lost("25P03"), sick: f(easy), cause: CauseHeldIdle, status: Degraded},
		"a server turned read-only":             {sick: f(easy, readOnly), cause: CauseReadOnly, status: Degraded},
		"slow connects":                         {sick: f(slowConnect, cycles(2, 5*ms, 4*ms, 390*ms, 400*ms)), cause: CauseSlowConnect, status: Degraded},
		"a connect that takes its time":         {cold: true, sick: f(once(slowConnect), func(s *Sample) { s.Connect.LastTime = 800 * ms }, inFlight(1), waiting(1, 900*ms)), cause: CauseSlowConnect, status: Degraded},
		"a connect that was quick before":       {cold: true, sick: f(once(connected(1)), inFlight(1), waiting(1, 900*ms)), cause: CauseUnreachable, status: Degraded},
		"a starved process":                     {sick: f(easy, late(2*time.Second), cycles(10, 900*ms, 4*ms, 0, time.Second)), cause: CauseProcessStarved, status: Degraded},
		"a process a little starved":            {sick: f(held(times(10, asking)...), late(200*ms), cycles(10, 20*ms, 4*ms, 0, 300*ms)), cause: CauseProcessStarved, status: Degraded},
		"a failure with no name":                {cold: true, sick: f(refused("_OTHER", "hook said no")), cause: CauseInsufficientData, status: Unhealthy},
		"deadlines too short, a pool half idle": {sick: f(easy, failed("timeout")), cause: CauseInsufficientData, status: Degraded},
		"no hook, a full pool":                  {sick: f(statOnly, gaveUp), cause: CauseInsufficientData, status: Degraded},
	} {
		t.Run(name, func(t *testing.T) {
			m := newSim(t, Evidence())
			if !c.cold {
				m.warm()
			}
			if c.first != nil {
				c.sick = append([]func(*Sample){once(c.first)}, c.sick...)
			}
			within := c.within
			if within == 0 {
				within = 3
			}
			r := m.ticks(within, c.sick...)
			if r.Status != c.status || len(r.Findings) == 0 || r.Findings[0].Cause != c.cause {
				t.Fatalf("after %d ticks: %s, want %s with %s first\n%+v", within, r.Status, c.status, c.cause, r.Findings)
			}
			complete(t, r)
		})
	}
}

// Healthy pools, however odd their habits, are not complained of: not for a single sample.
func TestDiagnose_HealthyWorkloadsRaiseNothing(t *testing.T) {
	for name, run := range map[string]func(*sim){
		"a cold start": func(m *sim) {
			m.tick(inFlight(4), waiting(8, 150*ms))
			m.tick(connected(4), cycles(8, 5*ms, 4*ms, 150*ms, 160*ms), inFlight(0), waiting(0, 0))
			m.ticks(60, easy)
		},
		"nobody comes": func(m *sim) { m.ticks(600) },
		"idle for minutes, then gone": func(m *sim) {
			m.warm()
			m.ticks(300, held())
			m.ticks(300, func(s *Sample) { s.Pool.Total, s.Pool.Idle = 0, 0 })
		},
		"bursts": func(m *sim) {
			m.warm()
			for range 20 {
				m.ticks(4, easy)
				m.tick(held(times(10, asking)...), cycles(200, 5*ms, 4*ms, 0, 90*ms), waiting(5, 8*ms))
			}
		},
		"a long wait now and then": func(m *sim) {
			m.warm()
			for range 20 {
				m.ticks(4, easy)
				m.tick(easy, cycles(200, 5*ms, 4*ms, 0, 150*ms))
			}
		},
		"all busy, no queue": func(m *sim) {
			m.warm()
			m.ticks(120, held(times(10, asking)...), cycles(1900, 5*ms, 4*ms, 0, 8*ms))
		},
		"batch jobs": func(m *sim) {
			m.warm()
			m.ticks(120, held(times(10, with(crawling, func(h *HeldConn) { h.Age = 20 * time.Second }))...))
		},
		"a LISTEN worker": func(m *sim) {
			m.warm()
			m.ticks(120, easy, held(listener))
		},
		"a rolling reset": func(m *sim) {
			m.warm()
			for range 10 {
				m.tick(easy, func(s *Sample) { s.Pool.Total = 1 })
				m.ticks(5, easy, once(connected(9)))
			}
		},
		"lifetime churn": func(m *sim) {
			m.warm()
			m.ticks(120, easy, func(s *Sample) {
				s.Counts[counts.Opened] += 3
				s.Counts[counts.CreateTime] += int64(15 * ms)
				s.Connect.LastAt = s.At
			})
		},
		"one connection for all": func(m *sim) {
			m.s.Pool.Max = 1
			m.warm()
			m.ticks(120, held(asking), cycles(190, 5*ms, 4*ms, 0, 9*ms), waiting(2, 6*ms))
		},
		"a pause of ten seconds": func(m *sim) {
			m.warm()
			m.tick(easy, late(10*time.Second), cycles(10, 10*time.Second, 4*ms, 0, 10*time.Second))
			m.ticks(60, easy)
		},
		"callers who change their mind": func(m *sim) {
			m.warm()
			m.ticks(60, easy, func(s *Sample) { s.Counts[counts.Canceled]++ })
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newSim(t, Evidence())
			run(m)
			for i, r := range m.all {
				if len(r.Findings) > 0 || r.Status > Healthy {
					t.Fatalf("tick %d: %s\n%+v", i, r.State, r.Findings)
				}
			}
			if want := name != "nobody comes"; (m.last.Status == Healthy) != want {
				t.Errorf("in the end it is %s", m.last.Status)
			}
		})
	}
}

// complete checks that every finding says all it has to.
func complete(t *testing.T, r *Report) {
	t.Helper()
	for _, f := range r.Findings {
		if f.Summary == "" || f.Advice == "" || len(f.Evidence) == 0 || f.Runbook != f.Cause.Runbook() {
			t.Errorf("incomplete finding: %+v", f)
		}
	}
}

func f(changes ...func(*Sample)) []func(*Sample) { return changes }

func once(change func(*Sample)) func(*Sample) {
	done := false
	return func(s *Sample) {
		if !done {
			change(s)
		}
		done = true
	}
}

func inFlight(n int) func(*Sample) { return func(s *Sample) { s.Connect.InFlight = n } }

func probing(s *Sample) { s.Probe.TryingSince = epoch.Add(62 * time.Second) }

func late(d time.Duration) func(*Sample) { return func(s *Sample) { s.Late = d } }

func lost(kind string) func(*Sample) {
	return func(s *Sample) {
		s.Counts[counts.Lost]++
		s.Connect.LastLostAt, s.Connect.LastLostType = s.At.Add(-500*ms), kind
	}
}

// terminated loses three sessions, and has them replaced at once.
func terminated(s *Sample) {
	lost("57P01")(s)
	s.Counts[counts.Opened] += 3
	s.Connect.LastAt = s.At.Add(-100 * ms)
}

func readOnly(s *Sample) {
	s.Counts[counts.ReadOnly]++
	s.Connect.ReadOnlyAt = s.At
}

func slowConnect(s *Sample) {
	s.Counts[counts.Opened] += 2
	s.Counts[counts.CreateTime] += int64(2 * 390 * ms)
	s.Connect.LastAt, s.Connect.LastTime = s.At, 390*ms
}

func statOnly(s *Sample) {
	*s = Sample{At: s.At, Pool: s.Pool, Counts: counts.Set{
		counts.Acquired: s.Counts[counts.Acquired], counts.Canceled: s.Counts[counts.Canceled],
	}}
	s.Pool.Used, s.Pool.Idle = s.Pool.Max, 0
}

func gaveUp(s *Sample) { s.Counts[counts.Canceled] += 5 }
