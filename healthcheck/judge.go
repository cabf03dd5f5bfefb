package healthcheck

import (
	"fmt"
	"time"
)

// flapSpan is how far back [Report.Flaps] counts.
const flapSpan = 10 * time.Minute

// Judge follows one pool through its life. It remembers a bounded window of samples and the state; what it makes of them
// depends on nothing else. A Judge is for one goroutine.
type Judge struct {
	pool   string
	policy Policy

	recent     window
	baseline   baseline
	hysteresis hysteresis

	state       State
	since       time.Time
	started     bool
	explanation explanation
	outage      outageTracker
	notices     noticer
	history     []Change // replaced, never changed: reports share it

	// Of the newest sample.
	sizing  Sizing
	usage   float64
	verdict Status
}

// NewJudge returns the judge of the named pool, in state [Initializing]. It fails if the policy does not validate.
func NewJudge(pool string, p Policy) (*Judge, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("pool %q: %w", pool, err)
	}
	return &Judge{pool: pool, policy: p, state: Initializing}, nil
}

// Judge adds s to what is known and says how the pool is at s.At. A closed pool's sample begins the shutdown.
func (j *Judge) Judge(s Sample) *Report {
	if s.At.Before(j.since) || j.since.IsZero() {
		j.since = s.At // the first sample, or a clock that was set back
	}
	if s.Closed || j.state.draining() {
		return j.ShuttingDown(s.At)
	}
	j.recent.add(s)
	f := newFacts(&j.policy, j.recent, j.baseline)
	v := decide(f)
	j.hysteresis.observe(&v, s.At)
	switch {
	case v.tier > Healthy:
		j.explanation.update(f, &v)
	case j.state.Status() <= Healthy && !j.hysteresis.worsening():
		j.explanation = explanation{}
	}
	j.started = j.started || f.known()
	j.sizing, j.usage, j.verdict = size(f), usage(f.s), v.tier
	j.apply(j.hysteresis.event(&j.policy, j.state, j.since, &v, s.At), s.At)
	j.outage.observe(&j.policy, f.serverLost(&v, j.explanation.cause()), v.late, j.state, s.At.Sub(j.since))
	j.notices.observe(f, v.tier)
	if v.tier == Healthy && j.state == StateHealthy {
		j.baseline.update(f.last, j.policy.SlowQuery)
	}
	return j.report(s.At)
}

// ShuttingDown says that the pool is closing: it takes no more work, and whatever it suffers from is no longer news.
func (j *Judge) ShuttingDown(at time.Time) *Report { return j.end(shutdown, at) }

// Terminated says that the pool is closed. Nothing leads out of this state.
func (j *Judge) Terminated(at time.Time) *Report { return j.end(terminate, at) }

func (j *Judge) end(e event, at time.Time) *Report {
	j.explanation, j.outage, j.notices, j.recent = explanation{}, outageTracker{}, noticer{}, nil
	j.sizing, j.usage, j.verdict = Sizing{}, 0, Unknown
	j.apply(e, at)
	return j.report(at)
}

func (j *Judge) apply(e event, at time.Time) {
	to := transitions[j.state][e]
	if to == j.state {
		return
	}
	c := Change{At: at, From: j.state, To: to}
	if to.Status() > Healthy {
		c.Cause = j.explanation.cause()
	}
	keep := j.history[max(0, len(j.history)-historySize+1):]
	j.history = append(append(make([]Change, 0, len(keep)+1), keep...), c)
	if severity(to.Status()) < severity(j.state.Status()) {
		j.hysteresis.resetWorse()
	}
	if to == StateHealthy {
		j.explanation = explanation{} // the next trouble is another one
	}
	j.state, j.since = to, at
}

func (j *Judge) report(at time.Time) *Report {
	r := &Report{
		Pool: j.pool, State: j.state, Status: j.state.Status(), Verdict: j.verdict, Since: j.since, At: at, Outage: j.outage.on,
		Flaps: j.flaps(at), Advice: j.sizing, History: j.history,
		Started: j.started, Usage: j.usage, UsageHigh: j.usage >= j.policy.UsageWarning, Notices: j.notices.list(at),
	}
	if r.Status > Healthy {
		r.Findings = j.explanation.asOf(at, j.state == Recovering)
	}
	return r
}

// flaps counts the changes of status, as opposed to state, within flapSpan. Coming to life is none.
func (j *Judge) flaps(at time.Time) int {
	n := 0
	for _, c := range j.history {
		from, to := c.From.Status(), c.To.Status()
		if from != to && from != Unknown && to != Unknown && at.Sub(c.At) <= flapSpan {
			n++
		}
	}
	return n
}
