package healthcheck

import (
	"slices"
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
