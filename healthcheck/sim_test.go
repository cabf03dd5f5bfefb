package healthcheck

import (
	"slices"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// sim makes the samples of a simulated pool, one a second.
type sim struct {
	t     *testing.T
	judge *Judge
	s     Sample // the present, cumulative
	last  *Report
	all   []*Report
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newSim(t *testing.T, p Policy) *sim {
	t.Helper()
	j, err := NewJudge("orders", p)
	if err != nil {
		t.Fatal(err)
	}
	m := &sim{t: t, judge: j}
	m.s.At, m.s.HasTracer = epoch, true
	m.s.Pool.Max = 10
	return m
}

// tick passes a second, in which change happens, and judges. What holds for one sample only is forgotten first.
func (m *sim) tick(change ...func(*Sample)) *Report {
	m.s.At = m.s.At.Add(time.Second)
	m.s.Late, m.s.Probe.TryingSince = 0, time.Time{}
	tr := &m.s.Traffic
	tr.MinWait, tr.PeakWait, tr.Ended = 0, 0, 0
	for _, c := range change {
		c(&m.s)
	}
	m.last = m.judge.Judge(m.s)
	m.all = append(m.all, m.last)
	return m.last
}

func (m *sim) ticks(n int, change ...func(*Sample)) *Report {
	for range n {
		m.tick(change...)
	}
	return m.last
}

// connected opens n connections at once.
func connected(n int) func(*Sample) {
	return func(s *Sample) {
		s.Counts[counts.Opened] += int64(n)
		s.Counts[counts.CreateTime] += int64(n) * int64(5*time.Millisecond)
		s.Connect.LastAt, s.Connect.LastTime = s.At.Add(-100*time.Millisecond), 5*time.Millisecond
		s.Pool.Total, s.Pool.Idle = s.Pool.Total+n, s.Pool.Idle+n
	}
}

// cycles lets n holds of the given length, and query time in it, come and go with waits from least to most.
func cycles(n int64, hold, query, least, most time.Duration) func(*Sample) {
	return func(s *Sample) {
		c, t := &s.Counts, &s.Traffic
		c[counts.Acquired] += n
		c[counts.Released] += n
		c[counts.UseTime] += n * int64(hold)
		c[counts.QueryTime] += n * int64(query)
		t.Occupied += time.Duration(n) * hold
		t.MinWait, t.PeakWait, t.Ended = least, most, n
	}
}

// held makes hs the holders, all connections beyond them idle.
func held(hs ...HeldConn) func(*Sample) {
	return func(s *Sample) {
		s.Holders = slices.Clone(hs)
		s.Pool.Used = len(hs)
		s.Pool.Total = max(s.Pool.Total, len(hs))
		s.Pool.Idle = s.Pool.Total - s.Pool.Used
	}
}

func times(n int, h HeldConn) []HeldConn {
	hs := slices.Repeat([]HeldConn{h}, n)
	for i := range hs {
		hs[i].PID = uint32(100 + i)
	}
	return hs
}

// waiting makes n requests wait, the oldest for that long.
func waiting(n int, oldest time.Duration) func(*Sample) {
	return func(s *Sample) {
		s.Traffic.Waiting, s.Traffic.OldestWait = n, oldest
		s.Waiters = slices.Repeat([]PendingAcquire{{Site: "shop.go:7 shop.Pay"}}, n)
	}
}

// refused is a connect that fails.
func refused(kind, text string) func(*Sample) {
	return func(s *Sample) {
		s.Counts[counts.ConnectFailures]++
		s.Connect.LastErrorAt, s.Connect.LastErrorType, s.Connect.LastError = s.At.Add(-50*time.Millisecond), kind, text
	}
}

// failed is an acquire that fails.
func failed(kind string) func(*Sample) {
	return func(s *Sample) {
		if kind == "timeout" {
			s.Counts[counts.TimedOut]++
		} else {
			s.Counts[counts.Failed]++
		}
		s.Traffic.Ended++
		s.Traffic.LastErrorAt, s.Traffic.LastErrorType = s.At.Add(-50*time.Millisecond), kind
	}
}

// gone loses all connections, by the given error if a query saw it.
func gone(kind string) func(*Sample) {
	return func(s *Sample) {
		s.Counts[counts.Lost] += int64(s.Pool.Total)
		s.Connect.LastLostAt, s.Connect.LastLostType = s.At.Add(-500*time.Millisecond), kind
		s.Pool.Total, s.Pool.Idle, s.Pool.Used, s.Holders = 0, 0, 0, nil
	}
}

// warm is a minute of easy traffic: 100 holds of 5 ms a second.
func (m *sim) warm() {
	m.t.Helper()
	m.tick(connected(m.s.Pool.Max), held())
	if r := m.ticks(60, easy); r.Status != Healthy {
		m.t.Fatalf("after warming up: %s %v", r.State, r.Findings)
	}
}

func easy(s *Sample) {
	cycles(100, 5*time.Millisecond, 4*time.Millisecond, 0, time.Millisecond)(s)
	held(times(1, HeldConn{Site: "orders.go:42 shop.Load", Age: 2 * time.Millisecond, Querying: true})...)(s)
	waiting(0, 0)(s)
}
