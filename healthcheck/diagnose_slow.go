package healthcheck

import (
	"fmt"
	"time"
)

// slowness is how the query time of holds compares with what it was.
type slowness struct {
	now   time.Duration // mean query time of a hold; of the running ones if those have lasted longer
	was   time.Duration // while the pool was healthy; 0 if too few were seen
	grown bool          // three times as long, and long enough to matter
	slow  bool          // grown, or slow in itself
}

func (f *facts) slowness() slowness {
	s := slowness{now: max(f.recent.query(), f.holders.queryAge)}
	var seen bool
	s.was, seen = f.baseline.query()
	s.grown = seen && s.now >= 3*s.was && s.now >= 2*f.p.WaitTarget
	s.slow = s.grown || s.now >= f.p.SlowQuery
	return s
}

// diagnoseSlowDatabase finds holders that wait for the server, for longer than they used to or than anybody should. So it is if
// their answers are lost on the way, however long that has been usual.
func diagnoseSlowDatabase(f *facts, v *verdict) candidate {
	s, queries := f.slowness(), f.holders.queriesPerHold()
	share := f.holders.share(querying)
	if queries.many(f) {
		share += f.holders.share(working) // between two of them
	}
	if !f.underPressure(v) || v.late || share == 0 || !s.slow && !f.lostOnTheWay() {
		return candidate{}
	}
	if f.mostlyIdle() && share < 0.5 && f.holders.queryAge < f.p.SlowQuery {
		return candidate{}
	}
	evidence := []string{fmt.Sprintf("%d of %s waiting for the server", f.holders.count[querying],
		count(f.holders.held, "held connection"))}
	if s.was > 0 {
		evidence = append(evidence, fmt.Sprintf("a hold spends %s in queries, %s while the pool was healthy", short(s.now), short(s.was)))
	} else {
		evidence = append(evidence, fmt.Sprintf("a hold spends %s in queries", short(s.now)))
	}
	evidence = append(evidence, f.pressureText())
	if f.s.Pooled {
		evidence = append(evidence, "their PIDs are the pooler's, so the server cannot be asked what they wait for")
	}
	r := f.slowReason(queries)
	evidence = append(evidence, r.evidence...)
	return newCandidate(byShare(weightSlowDatabase, share), CauseSlowDatabase, r.summary, f.withSites(evidence, querying), r.advice)
}
