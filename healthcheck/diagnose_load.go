package healthcheck

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelpool/pgx/internal/counts"
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
func diagnoseSlowDatabase(f *facts, v *verdict) []candidate {
	share, s := f.holders.share(querying), f.slowness()
	if !f.underPressure(v) || v.late || !s.slow || share == 0 {
		return nil
	}
	if f.mostlyIdle() && share < 0.5 && f.holders.queryAge < f.p.SlowQuery {
		return nil
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
	if n := f.underWay(); 2*n > f.holders.count[querying] {
		evidence = append(evidence, fmt.Sprintf("for %d of them the server has nothing to do", n))
		summary, advice = "Answers are slow to come, though the server is done: the time is lost on the way.",
			"Compare the time of SELECT 1 from here and on the server; look at the network and at what lies between: proxies, poolers, distance."
	}
	return []candidate{newCandidate(byShare(weightSlowDatabase, share), CauseSlowDatabase, summary, f.withSites(evidence, querying), advice)}
}

// underWay counts the holders that wait for an answer although the server, when it was asked, waited for their next query.
func (f *facts) underWay() (n int) {
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

// diagnoseUndersized is left when connections are used well and quickly, and are still not enough.
func diagnoseUndersized(f *facts, v *verdict) []candidate {
	c := &f.holders
	busy := c.share(working) + c.share(querying)
	long := c.count[expectedLong]
	if v.symptoms&waits == 0 || !f.contended || v.late || f.slowness().slow || f.mostlyIdle() || !f.s.HasTracer {
		return nil
	}
	if busy == 0 && 2*long < f.s.Pool.Max {
		return nil
	}
	evidence, s := []string{f.pressureText()}, size(f)
	if d := f.recent; d.added[counts.Released] > 0 {
		evidence = append(evidence, fmt.Sprintf("held for %s on average, %s of it in queries", short(d.hold()), short(d.query())))
	}
	if s.Known {
		evidence = append(evidence, fmt.Sprintf("%.3g acquires a second keep %.3g connections busy", s.ArrivalRate, s.Offered))
	}
	if 2*long >= f.s.Pool.Max {
		evidence = append(evidence, fmt.Sprintf("%d of %d connections are set aside by ExpectLongHold", long, f.s.Pool.Max))
	}
	weight := byShare(weightUndersized, busy)
	if f.idleDemand() {
		weight -= lessIfIdleDemand
	}
	if c.count[leaked]+c.count[nested] > 0 {
		weight = min(weight, weightUndersized) // behind the defect that is certain
	}
	summary, advice := f.growth(&s)
	return []candidate{newCandidate(weight, CauseUndersized, summary, evidence, advice)}
}

// growth is what to say of a pool that is not enough: to let it grow is not always right.
func (f *facts) growth(s *Sizing) (summary, advice string) {
	c, small := &f.holders, "The pool is too small for its traffic."
	switch {
	case s.Known && s.Recommended == 0:
		return small, "Leave MaxConns as it is. " + s.Why
	case c.count[leaked]+c.count[nested]+c.count[locked] > 0:
		return small, "Leave MaxConns as it is, and mend first what keeps connections from coming back."
	case 2*c.count[expectedLong] >= f.s.Pool.Max:
		return small, "Give the long holds a pool or connections of their own, or raise MaxConns by their number."
	case s.Recommended > f.s.Pool.Max:
		return small, fmt.Sprintf("Raise MaxConns to %d, if the server can bear it, or ask for less at once.", s.Recommended)
	case s.Recommended > 0:
		return "The pool is too small for the bursts of its traffic.", fmt.Sprintf(
			"Smooth the bursts, or limit how many ask at once: for the traffic of the last minute %d would do.", s.Recommended)
	}
	return small, "Raise MaxConns step by step, if the server can bear it, or ask for less at once."
}

// idleDemand says that the requests of late would not have kept even half of the pool busy: its size was not the trouble.
func (f *facts) idleDemand() bool {
	d := f.recent
	if d.added[counts.Released] < enoughSeen || d.span <= 0 {
		return false
	}
	offered := d.ended() / d.span.Seconds() * d.hold().Seconds()
	return 2*(offered+float64(f.holders.count[expectedLong])) < float64(f.s.Pool.Max)
}

// diagnoseStarved finds that our own process did not get to run, which makes everything look slow.
func diagnoseStarved(f *facts, v *verdict) []candidate {
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
		return []candidate{newCandidate(weightPaused, CauseProcessStarved, "The process was paused, and requests ran out of time.",
			[]string{"an acquire failed " + f.ago(f.s.Traffic.LastErrorAt) + ", just when the process had not run"}, advice)}
	}
	evidence := []string{fmt.Sprintf("of the last three judgements %d came late, by up to %s", late, short(worst))}
	return []candidate{newCandidate(weight, CauseProcessStarved, "This process does not get to run in time.", evidence, advice)}
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

// pids writes at most five process IDs, and for our own connections where they were taken.
func (f *facts) pids(set map[uint32]bool) string {
	const most = 5
	var out []string
	for _, pid := range slices.Sorted(maps.Keys(set))[:min(most, len(set))] {
		text := "PID " + strconv.FormatUint(uint64(pid), 10)
		for i := range f.s.Holders {
			if h := &f.s.Holders[i]; h.PID == pid && h.Site != "" {
				text += " (ours, taken at " + h.Site + ")"
				break
			}
		}
		out = append(out, text)
	}
	text := strings.Join(out, ", ")
	if more := len(set) - most; more > 0 {
		text += " and " + strconv.Itoa(more) + " more"
	}
	return text
}
