package healthcheck

import (
	"fmt"
	"time"
)

// diagnoseStarved finds that our own process did not get to run, which makes everything look slow.
func diagnoseStarved(f *facts, v *verdict) candidate {
	const advice = "Give the process CPU: raise its limit, lower GOMAXPROCS to it, look for long GC pauses or a paused machine."
	var worst time.Duration
	late := 0
	for i := max(0, len(f.all)-3); i < len(f.all); i++ {
		worst = max(worst, f.all[i].Late)
		if f.all[i].Late >= f.p.LateAfter/4 {
			late++
		}
	}
	weight := 0.0
	switch {
	case v.symptoms&starved != 0:
		weight = weightStarved
	case v.late && v.symptoms&waits != 0:
		weight = weightStarvedBefore
	case late >= 2 && v.symptoms&waits != 0:
		weight = weightOftenLate
	case v.symptoms&acquireFailed != 0 && f.pausedAt(f.s.Traffic.LastErrorAt):
		return newCandidate(weightPaused, CauseProcessStarved, "The process was paused, and requests ran out of time.",
			[]string{"an acquire failed " + f.ago(f.s.Traffic.LastErrorAt) + ", just when the process had not run"}, advice)
	}
	evidence := []string{fmt.Sprintf("of the last three judgements %d came late, by up to %s", late, short(worst))}
	return newCandidate(weight, CauseProcessStarved, "This process does not get to run in time.", evidence, advice)
}

// pausedAt says whether the process was paused shortly before t.
func (f *facts) pausedAt(t time.Time) bool {
	for i := range f.all {
		if since := t.Sub(f.all[i].At); f.all.lateAt(i, f.p) && since >= -f.all[i].Late && since <= 2*time.Second {
			return true
		}
	}
	return false
}
