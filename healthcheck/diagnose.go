package healthcheck

import (
	"cmp"
	"fmt"
	"slices"
)

// candidate is a finding with the weight of its evidence, see weights.go.
type candidate struct {
	Finding
	weight float64
}

// diagnoses are all that is looked for. Each finds its own causes, or nothing (no weight), and knows nothing of the others.
var diagnoses = [...]func(*facts, *verdict) candidate{
	diagnoseConnecting,
	diagnoseShutdown,
	diagnoseReadOnly,
	diagnoseSlowConnect,
	diagnoseLeak,
	diagnoseNested,
	diagnoseHeldIdle,
	diagnoseListening,
	diagnoseLocks,
	diagnoseChurn,
	diagnosePoolerQueue,
	diagnoseSlowDatabase,
	diagnoseUndersized,
	diagnoseStarved,
}

// diagnose explains a verdict that is not healthy: at least one finding, the likeliest first.
func diagnose(f *facts, v *verdict) []Finding {
	var found []candidate
	for _, look := range diagnoses {
		if c := look(f, v); c.weight > 0 {
			found = append(found, c)
		}
	}
	if !slices.ContainsFunc(found, func(c candidate) bool { return c.weight >= weightUnexplained }) {
		found = append(found, insufficient(f, v))
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return cmp.Compare(b.weight, a.weight) })
	out := make([]Finding, 0, len(found))
	for _, s := range found {
		if !slices.ContainsFunc(out, func(f Finding) bool { return f.Cause == s.Cause }) {
			out = append(out, s.Finding)
		}
	}
	return out
}

func newCandidate(weight float64, c Cause, summary string, evidence []string, advice string) candidate {
	return candidate{weight: weight, Finding: Finding{
		Cause: c, Summary: summary, Evidence: evidence, Advice: advice, Runbook: c.Runbook(),
	}}
}

// underPressure says that callers wait because connections are in use, or that the policy forbids so much use: then it matters
// what they are used for.
func (f *facts) underPressure(v *verdict) bool {
	if v.symptoms&thresholds != 0 {
		return true
	}
	return v.symptoms&waits != 0 && f.contended
}

// pressureText says how much of the pool is in use, and how long callers wait.
func (f *facts) pressureText() string {
	t := &f.s.Traffic
	out := fmt.Sprintf("%d of %s in use", f.s.Pool.Used, count(f.s.Pool.Max, "connection"))
	if t.Waiting > 0 {
		out += ", " + count(t.Waiting, "request") + " waiting, the oldest for " + short(t.OldestWait)
	} else if t.Ended > 0 {
		out += ", waits of " + short(t.MinWait) + " to " + short(t.PeakWait)
	}
	return out
}

// insufficient says that nothing explains what the rules object to.
func insufficient(f *facts, v *verdict) candidate {
	evidence := slices.Clone(v.reasons)
	if !f.s.HasTracer {
		return newCandidate(weightUnexplained, CauseInsufficientData,
			"The pool is "+v.tier.String()+"; without the hook nobody can see who holds its connections, or why.",
			evidence, "Call otelpool.Configure on the pool's configuration before the pool is made.")
	}
	if v.decisive == thresholds {
		return newCandidate(weightUnexplained, CauseInsufficientData,
			"The policy calls this use of the pool "+v.tier.String()+", and nothing that was seen explains it.",
			evidence, "If callers are served well, choose the evidence policy or other thresholds.")
	}
	return newCandidate(weightUnexplained, CauseInsufficientData,
		"The pool is "+v.tier.String()+", and nothing that was seen explains it.",
		evidence, "Look at the holders and at the server while it lasts.")
}
