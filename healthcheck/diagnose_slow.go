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

// diagnoseSlowDatabase finds holders that wait for the server, for longer than they used to or than anybody should.
func diagnoseSlowDatabase(f *facts, v *verdict) candidate {
	share, s := f.holders.share(querying), f.slowness()
	if !f.underPressure(v) || v.late || !s.slow && !f.lostOnTheWay() || share == 0 {
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
	if f.lockWaits() == nil && f.s.Server == nil {
		evidence = append(evidence, "the server was not asked whether they wait for locks")
	}
	summary, advice := "Queries are slow, so connections come back late.",
		"Find the slow statements (pg_stat_statements, EXPLAIN) and what the server lacks; a larger pool would slow it further."
	if f.s.Pooled {
		evidence = append(evidence, "their PIDs are the pooler's, so the server cannot be asked what they wait for")
	}
	if n := f.answersUnderWay(); 2*n > f.holders.count[querying] {
		evidence = append(evidence, fmt.Sprintf("for %d of them the server has nothing to do", n))
		summary, advice = "Answers come late although the server is done: the time is lost on the way.",
			"Compare the time of SELECT 1 from here and on the server; look at the network and at what lies between: proxies, poolers, distance."
	}
	return newCandidate(byShare(weightSlowDatabase, share), CauseSlowDatabase, summary, f.withSites(evidence, querying), advice)
}

// answersUnderWay counts the holders that wait for an answer although the server, when it was asked, waited for their next query.
func (f *facts) answersUnderWay() (n int) {
	if f.s.Server == nil || !f.happenedWithin(f.s.Server.At, viewLife) {
		return 0
	}
	idle := make(map[uint32]bool)
	for i := range f.s.Server.Backends {
		b := &f.s.Server.Backends[i]
		idle[b.PID] = b.State == "idle" || b.State == "idle in transaction"
	}
	for i, h := range f.s.Holders {
		if f.holders.of[i] == querying && idle[h.PID] {
			n++
		}
	}
	return n
}
