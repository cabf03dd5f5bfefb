package healthcheck

import (
	"fmt"
	"slices"
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

	state   State
	since   time.Time
	started bool
	why     []Finding // what explained the present trouble when it could be seen
	whyAt   time.Time // when that was
	whyFor  symptom   // the symptoms that it explains
	history []Change  // replaced, never changed: reports share it
	sizing  Sizing
	usage   float64
	verdict Status
	loss    loss
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
	j.explain(f, &v)
	j.started = j.started || f.known()
	j.sizing, j.usage, j.verdict = size(f), usage(f.s), v.tier
	j.apply(j.hysteresis.event(&j.policy, j.state, j.since, &v, s.At), s.At)
	j.loss.observe(&j.policy, f.lost(&v, j.why), v.late, j.state, s.At.Sub(j.since))
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
	j.why, j.recent, j.verdict, j.loss = nil, nil, Unknown, loss{}
	j.sizing, j.usage = Sizing{}, 0
	j.apply(e, at)
	return j.report(at)
}

// explain keeps the findings. Trouble that is over leaves nothing to be examined, yet its traces keep the pool degraded
// for a while: until something new goes wrong, what explained it then explains it now, though no longer than its traces last.
// Nor is an explanation dropped for a moment in which it cannot be seen: holders that change places look for an instant as
// if they did nothing.
func (j *Judge) explain(f *facts, v *verdict) {
	switch {
	case v.tier > Healthy:
		age := f.s.At.Sub(j.whyAt)
		known := len(j.why) > 0 && age >= 0
		if known && !v.live && v.symptoms&^j.whyFor == 0 && age <= j.policy.ErrorWindow+j.policy.MinStateDuration {
			return
		}
		found := diagnose(f, v)
		if known && age < j.policy.MinStateDuration && found[0].Cause == CauseInsufficientData && j.why[0].Cause != CauseInsufficientData {
			return
		}
		j.why, j.whyAt, j.whyFor = found, f.s.At, v.symptoms
		if v.symptoms&(cannotServe|connectFailing) != 0 {
			j.whyFor |= connectionLost | acquireFailed // its traces
		}
	case j.state.Status() <= Healthy && !j.hysteresis.worsening():
		j.why, j.whyFor = nil, 0
	}
}

func (j *Judge) apply(e event, at time.Time) {
	to := transitions[j.state][e]
	if to == j.state {
		return
	}
	c := Change{At: at, From: j.state, To: to}
	if to.Status() > Healthy && len(j.why) > 0 {
		c.Cause = j.why[0].Cause
	}
	keep := j.history[max(0, len(j.history)-historySize+1):]
	j.history = append(append(make([]Change, 0, len(keep)+1), keep...), c)
	if severity(to.Status()) < severity(j.state.Status()) {
		j.hysteresis.resetWorse()
	}
	if to == StateHealthy {
		j.why, j.whyFor = nil, 0 // the next trouble is another one
	}
	j.state, j.since = to, at
}

func (j *Judge) report(at time.Time) *Report {
	r := &Report{
		Pool: j.pool, State: j.state, Status: j.state.Status(), Verdict: j.verdict, Since: j.since, At: at, Outage: j.loss.on,
		Flaps: j.flaps(at), Advice: j.sizing, History: j.history,
		Started: j.started, Usage: j.usage, UsageHigh: j.usage >= j.policy.UsageWarning,
	}
	if r.Status > Healthy {
		r.Findings = j.findings(at)
	}
	return r
}

// findings are the explanation. One that was kept says of when it is: its numbers have not changed since. In a pool that is
// only watched for a while longer, it tells what is over.
func (j *Judge) findings(at time.Time) []Finding {
	age := at.Sub(j.whyAt)
	if age <= 0 && j.state != Recovering {
		return j.why
	}
	asOf := "what follows was seen " + short(max(0, age)) + " ago"
	past := slices.Clone(j.why)
	for i := range past {
		past[i].Evidence = append([]string{asOf}, past[i].Evidence...)
		if j.state == Recovering {
			past[i].Summary = "The pool serves again. Before that: " + past[i].Summary
			past[i].Advice = "Nothing now, if it stays so. To prevent it next time: " + past[i].Advice
		}
	}
	return past
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
