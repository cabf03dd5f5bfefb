package healthcheck

import "github.com/otelpool/pgx/internal/counts"

// provesService says that the samples up to i prove that everybody is served: for [Policy.ProofOfService] nobody waited longer than
// WaitTarget and no acquire failed, and in ImproveAfter samples at least somebody was given a connection and somebody brought one
// back that the server had answered on. Samples in which nobody asked for anything are no objection, and no proof.
func (w window) provesService(i int, p *Policy) bool {
	served := 0
	for from := i - 1; from >= 0 && w.servedWell(from+1, p); from-- {
		d := between(&w[from], &w[from+1])
		if d.added[counts.Acquired] > 0 && d.answered() {
			served++
		}
		if served >= p.ImproveAfter && w[i].At.Sub(w[from].At) >= p.ProofOfService {
			return true
		}
	}
	return false
}

// servedWell says that nothing was wrong with the service since the sample before i, as far as waits and failures tell.
func (w window) servedWell(i int, p *Policy) bool {
	return !w.lateAt(i, p) && !w.failedSince(i) && longestWait(&w[i]) <= p.WaitTarget
}

// failedSince says that an acquire failed between sample i and the one before. One that its caller cancelled did not.
func (w window) failedSince(i int) bool {
	d := between(&w[i-1], &w[i])
	return d.added[counts.TimedOut]+d.added[counts.Failed] > 0
}

// servesAgain says that the failed acquires of late are over: service is proved. Failures that came back after such a proof count
// for the whole of ErrorWindow: otherwise a pool in which one acquire in twenty seconds fails would go to and fro.
func (f *facts) servesAgain() bool {
	return f.p.Rules == RulesEvidence && f.all.provesService(len(f.all)-1, f.p) && !f.all.failedAgain(f.p)
}

// failedAgain says that in the ErrorWindow before the last failed acquire another one had failed, and service been proved since.
func (w window) failedAgain(p *Policy) bool {
	last := len(w) - 1
	for last > 0 && !w.failedSince(last) {
		last--
	}
	proved := false
	for i := last - 1; i > 0 && w[last].At.Sub(w[i].At) <= p.ErrorWindow; i-- {
		if w.failedSince(i) {
			return proved
		}
		proved = proved || w.provesService(i, p)
	}
	return false
}
