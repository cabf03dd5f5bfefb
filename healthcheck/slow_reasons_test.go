package healthcheck

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// seen is the server's word on ten of ours, all of them in the same state.
func seen(state, waitType, wait string, change ...func(*ServerView)) func(*Sample) {
	return func(s *Sample) {
		s.Server = &ServerView{At: s.At, RoundTrip: 200 * time.Microsecond}
		for i := range 10 {
			s.Server.Backends = append(s.Server.Backends, Backend{PID: uint32(100 + i), State: state, WaitEventType: waitType, WaitEvent: wait})
		}
		for _, c := range change {
			c(s.Server)
		}
	}
}

func TestSlowDatabase_SaysWhatWasSeen(t *testing.T) {
	running := func(n int) func(*ServerView) {
		return func(v *ServerView) { v.Running, v.RunningMost = n, "reports" }
	}
	far := func(v *ServerView) { v.RoundTrip = 50 * ms }
	chatty := with(crawling, func(h *HeldConn) { h.Queries, h.QueryTime = 200, 600*ms })
	distant := with(crawling, func(h *HeldConn) { h.Queries, h.QueryTime = 12, 660*ms })
	few := with(crawling, func(h *HeldConn) { h.Queries, h.QueryTime = 9, 9*ms })
	for name, c := range map[string]struct {
		holder                    HeldConn
		server                    func(*Sample)
		summary, evidence, advice string
	}{
		"not asked":             {crawling, func(*Sample) {}, "Queries are slow", "the server was not asked", "Compare the time of SELECT 1"},
		"at work":               {crawling, seen("active", "", ""), "Queries are slow", "", "Find the slow statements"},
		"asleep":                {crawling, seen("active", "Timeout", "PgSleep"), "Queries are slow", "", "Find the slow statements"},
		"a standby":             {crawling, seen("active", "IPC", "SyncRep"), "Commits wait for a synchronous standby", "10 of 10 wait for IPC/SyncRep", "See in pg_stat_replication"},
		"a standby, many short": {chatty, seen("active", "IPC", "SyncRep"), "Commits wait for a synchronous standby", "10 of 10 wait for IPC/SyncRep", "See in pg_stat_replication"},
		"storage":               {crawling, seen("active", "IO", "DataFileRead"), "Queries wait for the server's storage", "10 of 10 wait for IO/DataFileRead", "Look for what reads"},
		"latches":               {crawling, seen("active", "LWLock", "WALWrite"), "Queries wait for each other inside", "10 of 10 wait for LWLock/WALWrite", "Run fewer"},
		"half for storage": {crawling, seen("active", "", "", func(v *ServerView) {
			for i := range 5 {
				v.Backends[i].WaitEventType = "IO"
			}
		}), "Queries are slow", "", "Find the slow statements"},
		"on the way":                {crawling, seen("idle", "Client", "ClientRead", far), "Answers come late", "a round trip takes the probe 50ms", "Compare the time of SELECT 1"},
		"on the way, in a block":    {crawling, seen("idle in transaction", "Client", "ClientRead"), "Answers come late", "for 10 of 10 the server has nothing to do", "Compare"},
		"answers that nobody reads": {crawling, seen("active", "Client", "ClientWrite"), "Answers come late", "for 10 of 10 the server has nothing to do", "Compare"},
		"many short queries":        {chatty, seen("idle in transaction", "Client", "ClientRead"), "Each hold sends many short queries", "200 queries a hold so far, each about 3ms", "Send fewer"},
		"many short, at work":       {chatty, seen("active", "", ""), "Each hold sends many short queries", "200 queries a hold so far, each about 3ms", "Send fewer"},
		"a dozen far away":          {distant, seen("idle in transaction", "Client", "ClientRead", far), "Each hold sends many short queries", "12 queries a hold so far, each about 55ms", "Send fewer"},
		"nine short queries":        {few, seen("active", "", ""), "Queries are slow", "", "Find the slow statements"},
		"others on the CPU":         {crawling, seen("active", "", "", running(10)), "The server is busy with other work", `10 sessions of others run on the server, most of them of application "reports"`, "Compare their number"},
		"others, and ours in line":  {crawling, seen("idle", "Client", "ClientRead", running(10)), "The server is busy with other work", "10 sessions of others", "Compare their number"},
		"others, and half of ours in line": {crawling, seen("active", "", "", running(10), func(v *ServerView) {
			for i := range 5 {
				v.Backends[i].State, v.Backends[i].WaitEventType = "idle", "Client"
			}
		}), "The server is busy with other work", "10 sessions of others", "Compare their number"},
		"others, and ours asleep": {crawling, seen("active", "Timeout", "PgSleep", running(10)), "Queries are slow", "", "Find the slow statements"},
		"fewer others than ours":  {crawling, seen("active", "", "", running(9)), "Queries are slow", "", "Find the slow statements"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newSim(t, Evidence())
			m.warm()
			r := m.ticks(3, held(times(10, c.holder)...), waiting(20, 800*ms), cycles(11, 900*ms, 890*ms, 700*ms, 900*ms), c.server)
			got := r.Findings[0]
			said := slices.ContainsFunc(got.Evidence, func(line string) bool { return strings.HasPrefix(line, c.evidence) })
			if got.Cause != CauseSlowDatabase || !strings.HasPrefix(got.Summary, c.summary) || !strings.HasPrefix(got.Advice, c.advice) || !said {
				t.Errorf("%+v", got)
			}
			complete(t, r)
		})
	}
}

func TestUndersized_IsNotSaidWhileTheServerHasNothingToDo(t *testing.T) {
	const far = 30 * ms // and never was nearer
	asks := with(asking, func(h *HeldConn) { h.Age = far })
	usual := cycles(300, far, far, 0, 5*ms)
	queue := f(held(times(10, asks)...), waiting(30, 60*ms), cycles(300, far, far, 40*ms, 80*ms))
	for name, c := range map[string]struct {
		server func(*Sample)
		want   Cause
	}{
		"at work":          {seen("active", "", ""), CauseUndersized},
		"nothing to do":    {seen("idle", "Client", "ClientRead"), CauseSlowDatabase},
		"nothing to send":  {seen("active", "Client", "ClientWrite"), CauseSlowDatabase},
		"it was not asked": {func(*Sample) {}, CauseUndersized},
	} {
		m := newSim(t, Evidence())
		m.tick(connected(10))
		m.ticks(60, usual)
		r := m.ticks(20, append(queue, c.server)...)
		if r.Findings[0].Cause != c.want || c.want != CauseUndersized && (r.Names(CauseUndersized) || r.Advice.Recommended > 0) {
			t.Errorf("%s: %+v, %+v", name, r.Findings, r.Advice)
		}
	}
}
