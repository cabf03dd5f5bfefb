package healthcheck

import (
	"fmt"
	"slices"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// symptom is one thing that a rule objects to. Symptoms decide the tier; causes explain them.
type symptom uint16

const (
	cannotServe    symptom = 1 << iota // no way through to the server
	connectFailing                     // new connections fail; those that exist still serve
	connectionLost                     // sessions broke, or an outage has just ended
	acquireFailed                      // somebody did not get a connection
	writeRefused                       // a statement that writes was refused
	stuckPool                          // full, and nothing comes back
	queueStands                        // even the shortest wait is too long
	peakWait                           // one wait was too long
	crowded                            // nearly full, and somebody waits
	churning                           // cancelled queries close connections, and callers wait for new ones
	leakHeld                           // connections have leaked
	starved                            // our own process did not get to run
	thresholds                         // a ratio that the policy itself forbids

	waits = acquireFailed | stuckPool | queueStands | peakWait | crowded
	past  = acquireFailed | connectionLost | writeRefused // seen in the last minute, not necessarily now
)

// verdict is what the rules make of the newest sample, before hysteresis.
type verdict struct {
	tier     Status
	symptoms symptom
	decisive symptom  // those that alone give the tier
	reasons  []string // one a symptom, with its numbers, a decisive one first

	traces symptom // those that an outage left behind which is over

	quiet bool // says nothing about waits
	late  bool // taken while the process was starved

	proved bool // everybody is served again, for long enough to be trusted at once
	live   bool // a symptom is there now
}

// outageOver says that nothing is wrong but what an outage left behind that has just ended.
func (v *verdict) outageOver() bool { return v.traces&connectionLost != 0 && v.symptoms&^v.traces == 0 }

func (v *verdict) add(tier Status, s symptom, format string, args ...any) {
	reason := fmt.Sprintf(format, args...)
	if tier > v.tier {
		v.tier, v.decisive = tier, 0
		v.reasons = slices.Insert(v.reasons, 0, reason)
	} else {
		v.reasons = append(v.reasons, reason)
	}
	if tier == v.tier {
		v.decisive |= s
	}
	v.symptoms |= s
	v.live = v.live || s&^past != 0
}

// decide applies the rules of the policy.
func decide(f *facts) verdict {
	v := verdict{tier: Unknown, quiet: f.quiet(), late: f.late}
	if f.known() {
		v.tier = Healthy
	}
	f.serviceRules(&v)
	switch f.p.Rules {
	case RulesEvidence:
		f.errorRules(&v)
		f.evidenceRules(&v)
		f.starvedRules(&v)
	case RulesIdleRatio:
		f.errorRules(&v)
		f.idleRules(&v)
		f.starvedRules(&v)
	case RulesUsage:
		f.usageRules(&v)
	}
	return v
}

// serviceRules hold under every policy: a ratio cannot be good enough for a pool that has lost its server. A server
// that merely does not answer may be a process that does not listen, so lateness excuses silence.
func (f *facts) serviceRules(v *verdict) {
	r := &f.reach
	if !r.noUsablePath() {
		return
	}
	if r.noServer {
		v.add(Unhealthy, cannotServe, "the pooler has no server for our queries; the last failed %s: %s", f.ago(r.lost.at), r.lost)
	} else if r.failing() {
		v.add(Unhealthy, cannotServe, "the last attempt to connect failed %s: %s", f.ago(r.connect.at), r.connect.kind)
	} else if !v.late {
		v.add(Unhealthy, cannotServe, "connects have been without an answer for %s", short(r.silence.connects))
	}
}

// errorRules degrade for what went wrong within ErrorWindow. What an outage broke stops counting RecoveryGrace after its end, and
// failed acquires do when everybody is served again.
func (f *facts) errorRules(v *verdict) {
	r, t := &f.reach, &f.s.Traffic
	recent := func(at time.Time) bool { return f.happenedWithin(at, f.p.ErrorWindow) }
	if v.symptoms&cannotServe == 0 && recent(r.troubleAt) {
		switch {
		case r.recoveredAt.IsZero() && r.failing():
			v.add(Degraded, connectFailing, "the last attempt to connect failed %s: %s", f.ago(r.connect.at), r.connect.kind)
		case r.recoveredAt.IsZero():
			if recent(r.lost.at) && !r.lastAnsweredAt.After(r.lost.at) { // otherwise it was an acquire that failed, see below
				v.add(Degraded, connectionLost, "a connection was lost %s", f.ago(r.lost.at))
			}
		case f.s.At.Sub(r.recoveredAt) < f.p.RecoveryGrace:
			v.traces |= connectionLost
			v.add(Degraded, connectionLost, "the server answers again since %s", short(f.s.At.Sub(r.recoveredAt)))
		}
	}
	failed := Classify(t.LastErrorType) != "" && recent(t.LastErrorAt) && !f.causedByPastOutage(t.LastErrorAt)
	v.proved = failed && f.servesAgain()
	if failed && !v.proved {
		if !r.recoveredAt.IsZero() && t.LastErrorAt.Sub(r.recoveredAt) <= f.p.RecoveryGrace {
			v.traces |= acquireFailed
		}
		v.add(Degraded, acquireFailed, "an acquire failed %s: %s", f.ago(t.LastErrorAt), t.LastErrorType)
	}
	if !f.s.HasTracer && saturated(f.s) && f.last.added[counts.Canceled] > 0 {
		v.traces &^= acquireFailed
		v.add(Degraded, acquireFailed, "%s given up while the pool was full", count(f.last.added[counts.Canceled], "acquire"))
	}
	if at := f.s.Connect.ReadOnlyAt; recent(at) && !f.writable(at) {
		v.add(Degraded, writeRefused, "the server refused to write %s", f.ago(at))
	}
}

// causedByPastOutage says that an acquire failed in an outage that has been over for RecoveryGrace, or in that grace after it.
// Such a failure may be younger than the last sign of the outage: it is still excused when that sign counts no longer, as long as
// the recovery itself was seen.
func (f *facts) causedByPastOutage(at time.Time) bool {
	r := &f.reach
	if r.recoveredAt.IsZero() || !r.recoveredAt.After(f.all[0].At) && !f.happenedWithin(r.troubleAt, f.p.ErrorWindow) {
		return false
	}
	return at.Sub(r.recoveredAt) <= f.p.RecoveryGrace && f.s.At.Sub(r.recoveredAt) >= f.p.RecoveryGrace
}

// writable says that the server was asked well after at, and takes writes again.
func (f *facts) writable(at time.Time) bool {
	v := f.s.Server
	return v != nil && !v.ReadOnly && !v.InRecovery && v.At.Sub(at) >= f.p.RecoveryGrace
}

func (f *facts) evidenceRules(v *verdict) {
	if v.late {
		return // the pause made everybody wait, and every hold looks old
	}
	p, t := f.p, &f.s.Traffic
	if d := f.all.stuckFor(f.p); d >= p.StuckAfter {
		v.add(Unhealthy, stuckPool, "all %d connections in use, %s waiting, nothing released for %s",
			f.s.Pool.Max, count(t.Waiting, "request"), short(d))
	}
	if f.all.standingQueue(f.p) {
		v.add(Degraded, queueStands, "nobody waited less than %s", short(max(t.MinWait, p.WaitTarget)))
	}
	f.peakRule(v)
	if u := usage(f.s); (u >= p.UsageDegraded || saturated(f.s)) && t.Waiting > 0 && t.OldestWait > p.WaitTarget {
		v.add(Degraded, crowded, "%d of %d connections in use with %s waiting", f.s.Pool.Used, f.s.Pool.Max,
			count(t.Waiting, "request"))
	}
	if c := &f.churn; c.much && c.waits {
		v.add(Degraded, churning, "%s closed by cancelled queries in %s", count(c.closed, "connection"), short(f.recent.span))
	}
	if n := f.holders.count[leaked]; n > 0 {
		v.add(Degraded, leakHeld, "%s leaked", count(n, "connection"))
	}
}

func (f *facts) peakRule(v *verdict) {
	d := longestWait(f.s)
	switch {
	case d <= f.p.PeakWait:
	case f.all.countedBefore(d, f.p.PeakWait):
		v.quiet = true
	default:
		v.add(Degraded, peakWait, "a wait of %s", short(d))
	}
}

func (f *facts) idleRules(v *verdict) {
	if v.tier == Unknown {
		return
	}
	idle, total := f.s.Pool.Idle, f.s.Pool.Total
	ratio := 0.0
	if total > 0 {
		ratio = float64(idle) / float64(total)
	}
	switch {
	case total == 0:
		v.add(Unhealthy, thresholds, "no connections")
	case ratio >= f.p.IdleHealthy:
	case ratio >= f.p.IdleDegraded:
		v.add(Degraded, thresholds, "%d of %d connections idle (%s)", idle, total, percent(ratio))
	default:
		v.add(Unhealthy, thresholds, "%d of %d connections idle (%s)", idle, total, percent(ratio))
	}
	if !v.late {
		f.peakRule(v)
	}
}

func (f *facts) usageRules(v *verdict) {
	u := usage(f.s)
	tier := Healthy
	switch {
	case v.tier == Unknown:
		return
	case u >= f.p.UsageUnhealthy:
		tier = Unhealthy
	case u >= f.p.UsageDegraded:
		tier = Degraded
	}
	if tier > Healthy {
		v.add(tier, thresholds, "%d of %d connections in use (%s)", f.s.Pool.Used, f.s.Pool.Max, percent(u))
	}
}

func (f *facts) starvedRules(v *verdict) {
	if f.all.lateAt(len(f.all)-1, f.p) {
		v.add(Degraded, starved, "this judgement came %s late", short(f.s.Late))
	}
}
