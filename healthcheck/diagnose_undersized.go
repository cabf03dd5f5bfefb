package healthcheck

import (
	"fmt"

	"github.com/otelpool/pgx/internal/counts"
)

// diagnoseUndersized finds that connections are used well and quickly, and are still not enough.
func diagnoseUndersized(f *facts, v *verdict) candidate {
	c := &f.holders
	busy := c.share(working) + c.share(querying)
	long := c.count[expectedLong]
	if v.symptoms&waits == 0 || !f.contended || v.late || f.slowness().slow || f.mostlyIdle() || f.lostOnTheWay() || !f.s.HasTracer {
		return candidate{}
	}
	if f.inPooler().waiting > 0 || f.s.Pooled && f.serverView() == nil {
		return candidate{} // more of them would only wait as well; behind a pooler that has to be asked first
	}
	if busy == 0 && 2*long < f.s.Pool.Max {
		return candidate{}
	}
	evidence, s := []string{f.pressureText()}, size(f)
	if d := f.recent; d.added[counts.Released] > 0 {
		evidence = append(evidence, fmt.Sprintf("held for %s on average, %s of it in queries", short(d.hold()), short(d.query())))
	}
	if s.Known {
		evidence = append(evidence, fmt.Sprintf("%.3g acquires a second keep %.3g connections busy", s.ArrivalRate, s.Offered))
	}
	if 2*long >= f.s.Pool.Max {
		evidence = append(evidence, fmt.Sprintf("%d of %d connections are held by ExpectLongHold", long, f.s.Pool.Max))
	}
	weight := byShare(weightUndersized, busy)
	if f.idleDemand() {
		weight -= lessIfIdleDemand
	}
	if c.count[leaked]+c.count[nested] > 0 || f.churn.much {
		weight = min(weight, weightUndersized) // behind the defect that is certain
	}
	summary, advice := f.growth(&s)
	return newCandidate(weight, CauseUndersized, summary, evidence, advice)
}

// growth is what to say of a pool that is too small: growing is not always right.
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
