package healthcheck

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// waitsFor is one of ours that waits for a lock of the given sessions.
func waitsFor(pid uint32, blockers ...uint32) Backend {
	return Backend{PID: pid, Type: clientBackend, State: "active", WaitEventType: "Lock", WaitEvent: "relation", BlockedBy: blockers,
		StateFor: 5 * time.Second, QueryFor: 5 * time.Second, XactFor: 5 * time.Second}
}

func session(pid uint32, state string) Backend {
	return Backend{PID: pid, Type: clientBackend, Application: "migrator", State: state, StateFor: 12 * time.Second,
		QueryFor: 3 * time.Second, XactFor: 14 * time.Second}
}

func TestLockContention_NamesTheRootAndWhatToDoAboutIt(t *testing.T) {
	with := func(b Backend, change func(*Backend)) Backend { change(&b); return b }
	const forgotten = "idle in transaction"
	for name, c := range map[string]struct {
		ours, others []Backend
		blocked      []string // the evidence that begins so
		advice       string
	}{
		"gone already": {[]Backend{waitsFor(100)}, nil, nil, "See pg_blocking_pids"},
		"an outsider that forgot its transaction": {[]Backend{waitsFor(100, 4711)}, []Backend{session(4711, forgotten)},
			[]string{`blocked by PID 4711 (not of this pool, application "migrator"): idle in transaction for 12s, in a transaction of 14s; 1 of ours behind it`},
			"Have its owner commit or roll back, or end it: pg_terminate_backend(4711)"},
		"an outsider that works": {[]Backend{waitsFor(100, 4711)}, []Backend{session(4711, "active")},
			[]string{`blocked by PID 4711 (not of this pool, application "migrator"): running a statement for 3s; 1 of ours behind it`},
			"Let its statement finish, or pg_cancel_backend(4711)"},
		"an outsider that reads from disk": {[]Backend{waitsFor(100, 4711)},
			[]Backend{with(session(4711, "active"), func(b *Backend) { b.WaitEventType, b.WaitEvent = "IO", "DataFileRead" })},
			[]string{`blocked by PID 4711 (not of this pool, application "migrator"): running a statement for 3s, which waits for IO/DataFileRead; 1 of ours behind it`},
			"Let its statement finish"},
		"an outsider that we may not see": {[]Backend{waitsFor(100, 4711)}, []Backend{{PID: 4711, Application: "migrator"}},
			[]string{`blocked by PID 4711 (not of this pool, application "migrator"): our role may not see what it does; 1 of ours behind it`},
			"Look for PID 4711 in pg_stat_activity as a member of pg_monitor"},
		"an outsider that is gone": {[]Backend{waitsFor(100, 4711)}, nil,
			[]string{"blocked by PID 4711 (not of this pool): it was gone when the server was asked about it; 1 of ours behind it"},
			"Look for PID 4711"},
		"an advisory lock": {[]Backend{waitsFor(100, 4711)}, []Backend{session(4711, "idle")},
			[]string{`blocked by PID 4711 (not of this pool, application "migrator"): idle for 12s; 1 of ours behind it`},
			"It holds a lock outside any transaction, such as pg_advisory_lock"},
		"an autovacuum worker": {[]Backend{waitsFor(100, 4711)},
			[]Backend{with(session(4711, "active"), func(b *Backend) { b.Type, b.Application = "autovacuum worker", "" })},
			[]string{"blocked by PID 4711 (autovacuum worker): running a statement for 3s; 1 of ours behind it"},
			"Let it finish if it prevents wraparound"},
		"a prepared transaction": {[]Backend{waitsFor(100, 0)}, nil,
			[]string{"blocked by a prepared transaction: it waits to be committed or rolled back; 1 of ours behind it"},
			"Find it in pg_prepared_xacts"},
		"our own forgotten transaction": {[]Backend{waitsFor(100, 105), waitsFor(101, 100, 105), waitsFor(102, 101), session(105, forgotten)}, nil,
			[]string{"blocked by PID 105 (ours, taken at list.go:8 shop.List): idle in transaction for 12s, in a transaction of 14s; 3 of ours behind it"},
			"Commit or roll back that transaction"},
		"our own long statement": {[]Backend{waitsFor(100, 105), session(105, "active")}, nil,
			[]string{"blocked by PID 105 (ours, taken at list.go:8 shop.List): running a statement for 3s; 1 of ours behind it"},
			"Make that statement quicker"},
		"ours behind ours behind others behind an outsider": {
			[]Backend{waitsFor(100, 101), waitsFor(101, 4712), waitsFor(102, 100, 101, 4712)},
			[]Backend{waitsFor(4712, 4711), session(4711, forgotten)},
			[]string{`blocked by PID 4711 (not of this pool, application "migrator"): idle in transaction for 12s, in a transaction of 14s; 3 of ours behind it`},
			"Have its owner commit"},
		"four, the one with most of ours behind it first": {
			[]Backend{waitsFor(100, 1), waitsFor(101, 2), waitsFor(102, 3), waitsFor(103, 4), waitsFor(104, 4)}, []Backend{session(4, forgotten)},
			[]string{`blocked by PID 4 (not of this pool, application "migrator"): idle in transaction for 12s, in a transaction of 14s; 2 of ours behind it`,
				"blocked by PID 1 (not of this pool): it was gone when the server was asked about it; 1 of ours behind it",
				"blocked by PID 2 (not of this pool): it was gone when the server was asked about it; 1 of ours behind it"},
			"Have its owner commit"},
		"a circle": {[]Backend{waitsFor(100, 101), waitsFor(101, 100)}, nil, nil, "Take locks in one order everywhere"},
		"a row that changes hands": {[]Backend{waitsFor(100, 4711)},
			[]Backend{with(session(4711, forgotten), func(b *Backend) { b.StateFor, b.XactFor = time.Millisecond, 3*time.Millisecond })},
			[]string{`blocked by PID 4711 (not of this pool, application "migrator"): idle in transaction for 1ms, in a transaction of 3ms; 1 of ours behind it`},
			"Many short transactions queue for the same rows"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newSim(t, Evidence())
			m.warm()
			r := m.ticks(3, held(times(10, crawling)...), waiting(20, 800*ms), func(s *Sample) {
				s.Server = &ServerView{At: s.At, Backends: c.ours, Blockers: c.others}
			})
			got := finding(t, r, CauseLockContention)
			said := slices.DeleteFunc(slices.Clone(got.Evidence), func(line string) bool { return !strings.HasPrefix(line, "blocked by") })
			if !slices.Equal(said, c.blocked) || !strings.HasPrefix(got.Advice, c.advice) {
				t.Errorf("%q\n%s", got.Evidence, got.Advice)
			}
		})
	}
}

// Callers that give up close their connections. Those that hold the connections when the sample is taken were not there when the
// server was asked.
func TestLockContention_IsNamedThoughTheWaitersHaveGivenUp(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	others := times(10, with(crawling, func(h *HeldConn) { h.Age = 200 * ms }))
	for i := range others {
		others[i].PID += 1000
	}
	r := m.ticks(3, held(others...), waiting(20, 250*ms), failed("timeout"), locks(10, 4711))
	if r.Findings[0].Cause != CauseLockContention {
		t.Errorf("%+v", r.Findings)
	}
}
