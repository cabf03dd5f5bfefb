package healthcheck

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHeldIdle_DoesNotCountWhatIsIdleAtTheSiteOfALeak(t *testing.T) {
	m := newSim(t, Evidence())
	m.warm()
	young := with(forgot, func(h *HeldConn) { h.Leaked, h.Idle = false, 9*time.Second })
	hs := slices.Concat(times(1, forgot), times(4, young), times(3, thinking), times(2, asking))
	r := m.ticks(5, held(hs...), waiting(20, 400*ms), cycles(30, 300*ms, 5*ms, 200*ms, 600*ms))
	got := finding(t, r, CauseHeldIdle).Evidence
	if got[0] != "3 of 10 connections held idle" || got[len(got)-1] != "taken: 3 at mail.go:5 shop.Send" {
		t.Errorf("%q", got)
	}
	if got = finding(t, r, CauseLeak).Evidence; !slices.Contains(got, "4 more taken at the same places and idle") {
		t.Errorf("%q", got)
	}
}

func TestLockContention_NamesTheBlockersAsFarAsTheyAreKnown(t *testing.T) {
	for name, c := range map[string]struct {
		blockers         []uint32
		ours             bool
		evidence, advice string
	}{
		"gone already": {nil, false, "", "See pg_blocking_pids"},
		"an outsider":  {[]uint32{4711}, false, "blocked by PID 4711", "Find the blocking session"},
		"one of us":    {[]uint32{105}, true, "blocked by PID 105 (ours, taken at list.go:8 shop.List)", "End or shorten"},
		"seven":        {[]uint32{7, 6, 5, 4, 3, 2, 1}, false, "blocked by PID 1, PID 2, PID 3, PID 4, PID 5 and 2 more", "Find the blocking session"},
	} {
		m := newSim(t, Evidence())
		m.warm()
		r := m.ticks(3, held(times(10, crawling)...), waiting(20, 800*ms), func(s *Sample) {
			s.Server = &ServerView{At: s.At, Backends: []Backend{
				{PID: 100, WaitEventType: "Lock", BlockedBy: c.blockers, BlockedByOurs: c.ours},
			}}
		})
		got := finding(t, r, CauseLockContention)
		said := slices.ContainsFunc(got.Evidence, func(line string) bool { return strings.HasPrefix(line, "blocked by") })
		if said != (c.evidence != "") || said && !slices.Contains(got.Evidence, c.evidence) || !strings.HasPrefix(got.Advice, c.advice) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
