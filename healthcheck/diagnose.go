package healthcheck

import (
	"cmp"
	"fmt"
	"slices"
)

// suspect is a finding with the weight of its evidence. Weights are comparable across causes:
//
//	90 and more  there is no way through to the server, and this is why
//	80           new connections fail for this reason, existing ones serve
//	40 to 95     the share of held connections that this explains, see [occupied]
//	50 to 60     it happened lately
//	1            nothing explains it
//	below 1      it happened lately, but is not what the policy objects to
type suspect struct {
	Finding
	weight float64
}

// diagnoses are all the doctors. Each looks for its own causes and knows nothing of the others.
var diagnoses = [...]func(*facts, *verdict) []suspect{
	diagnoseConnecting,
	diagnoseShutdown,
	diagnoseReadOnly,
	diagnoseSlowConnect,
	diagnoseLeak,
	diagnoseNested,
	diagnoseHeldIdle,
	diagnoseLocks,
	diagnoseSlowDatabase,
	diagnoseUndersized,
	diagnoseStarved,
}

// diagnose explains a verdict that is not healthy: at least one finding, the likeliest first.
func diagnose(f *facts, v *verdict) []Finding {
	var found []suspect
	for _, look := range diagnoses {
		for _, s := range look(f, v) {
			if s.weight > 0 {
				found = append(found, s)
			}
		}
	}
	if !slices.ContainsFunc(found, func(s suspect) bool { return s.weight >= 1 }) {
		found = append(found, insufficient(f, v))
	}
	slices.SortStableFunc(found, func(a, b suspect) int { return cmp.Compare(b.weight, a.weight) })
	out := make([]Finding, 0, len(found))
	for _, s := range found {
		if !slices.ContainsFunc(out, func(f Finding) bool { return f.Cause == s.Cause }) {
			out = append(out, s.Finding)
		}
	}
	return out
}

func suspicion(weight float64, c Cause, summary string, evidence []string, advice string) suspect {
	return suspect{weight: weight, Finding: Finding{
		Cause: c, Summary: summary, Evidence: evidence, Advice: advice, Runbook: c.Runbook(),
	}}
}

// pressed says that callers suffer because connections are in use, or that the policy forbids so much use: then it
// matters what they are used for.
func (f *facts) pressed(v *verdict) bool {
	if v.symptoms&thresholds != 0 {
		return true
	}
	return v.symptoms&waits != 0 && f.contended()
}

// pressure is what shows that callers suffer.
func (f *facts) pressure() string {
	t := &f.s.Traffic
	out := fmt.Sprintf("%d of %s in use", f.s.Pool.Used, count(f.s.Pool.Max, "connection"))
	if t.Waiting > 0 {
		out += ", " + count(t.Waiting, "request") + " waiting, the oldest for " + short(t.OldestWait)
	} else if t.Ended > 0 {
		out += ", waits of " + short(t.MinWait) + " to " + short(t.PeakWait)
	}
	return out
}

// insufficient is the honest answer when nothing explains what the rules object to.
func insufficient(f *facts, v *verdict) suspect {
	evidence := slices.Clone(v.reasons)
	if !f.s.Full {
		return suspicion(1, CauseInsufficientData,
			"The pool is "+v.tier.String()+"; without the hook nobody can see who holds its connections, or why.",
			evidence, "Call otelpool.Configure on the pool's configuration before the pool is made.")
	}
	if v.decisive == thresholds {
		return suspicion(1, CauseInsufficientData,
			"The policy calls this use of the pool "+v.tier.String()+", and nothing that was seen explains it.",
			evidence, "If callers are served well, choose the evidence policy or other thresholds.")
	}
	return suspicion(1, CauseInsufficientData,
		"The pool is "+v.tier.String()+", and nothing that was seen explains it.",
		evidence, "Look at the holders and at the server while it lasts.")
}
