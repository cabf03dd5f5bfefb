package healthcheck

import (
	"slices"
	"time"
)

// explanation is what explains the present trouble, as of when it could last be seen. The zero value is that there is none.
type explanation struct {
	findings []Finding // the likeliest first
	at       time.Time // when they were found
	symptoms symptom   // what they explain
}

// update explains a verdict that is not healthy.
func (e *explanation) update(f *facts, v *verdict) {
	age := f.s.At.Sub(e.at)
	known := len(e.findings) > 0 && age >= 0
	if known && e.covers(v) && age <= f.p.ErrorWindow+f.p.MinStateDuration {
		return
	}
	found := diagnose(f, v)
	if known && age < f.p.MinStateDuration && found[0].Cause == CauseInsufficientData && e.cause() != CauseInsufficientData {
		return // for a moment: holders that change places look as if they did nothing
	}
	*e = explanation{found, f.s.At, v.symptoms}
	if v.symptoms&(cannotServe|connectFailing) != 0 {
		e.symptoms |= connectionLost | acquireFailed // its traces
	}
}

// covers says that v objects only to traces of what e explains. Trouble that is over leaves nothing to be examined, yet keeps the
// pool degraded for a while: what explained it then explains it until something new goes wrong.
func (e *explanation) covers(v *verdict) bool { return !v.live && v.symptoms&^e.symptoms == 0 }

// cause is the likeliest one, if any.
func (e *explanation) cause() Cause {
	if len(e.findings) == 0 {
		return ""
	}
	return e.findings[0].Cause
}

// asOf returns the findings as they read at that time. Those that were kept say of when they are: their numbers have not changed
// since. In a pool that is only watched for a while longer, they tell what is over.
func (e *explanation) asOf(at time.Time, recovering bool) []Finding {
	age := at.Sub(e.at)
	if age <= 0 && !recovering {
		return e.findings
	}
	seen := "what follows was seen " + short(max(0, age)) + " ago"
	past := slices.Clone(e.findings)
	for i := range past {
		f := &past[i]
		f.Evidence = append([]string{seen}, f.Evidence...)
		if recovering {
			f.Summary = "The pool serves again. Before that: " + f.Summary
			f.Advice = "Nothing now, if it stays so. To prevent it next time: " + f.Advice
		}
	}
	return past
}
