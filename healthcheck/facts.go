package healthcheck

import (
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// recentSpan is how far back "now" reaches when rates and means are asked for.
const recentSpan = 5 * time.Second

// facts are what the recent samples say, worked out once for all rules and diagnoses.
type facts struct {
	p   *Policy
	all window  // oldest first, never empty
	s   *Sample // the newest

	last   delta // since the sample before
	recent delta // over recentSpan
	minute delta // over the last minute

	late      bool // the newest sample was late, or the one before it: waits that ended since may have begun before the pause
	contended bool // all connections are or were just now in use: whoever waited, waited for a holder
	baseline  baseline
	reach     reach
	holders   holderUsage
	churn     churn
}

func newFacts(p *Policy, recent window, b baseline) *facts {
	n := len(recent)
	f := &facts{
		p: p, all: recent, s: &recent[n-1], baseline: b,
		late: recent.lateAt(n-1, p) || recent.lateAt(n-2, p), contended: recent.contended(),
	}
	f.last = between(&recent[max(0, n-2)], f.s)
	f.recent = between(recent.back(recentSpan), f.s)
	f.minute = between(recent.back(time.Minute), f.s)
	f.reach = newReach(f)
	f.holders = newHolderUsage(f)
	f.churn = newChurn(f)
	return f
}

// happenedWithin says whether t happened, and at most d ago. Hooks may note an instant just after the sample's.
func (f *facts) happenedWithin(t time.Time, d time.Duration) bool {
	return !t.IsZero() && f.s.At.Sub(t) <= d
}

// known says whether anything was seen to work: without that, no pool is called healthy.
func (f *facts) known() bool {
	s := f.s
	return s.Counts[counts.Opened] > 0 || !answeredAt(s).IsZero() || s.Counts[counts.Acquired] > 0 || s.Pool.Total > s.Pool.Constructing
}

// quiet says that nobody waited and nobody's wait ended: the sample knows nothing about waits.
func (f *facts) quiet() bool {
	if !f.s.HasTracer {
		return f.last.added[counts.Acquired] == 0 && f.last.added[counts.Canceled] == 0
	}
	return f.s.Traffic.Ended == 0 && f.s.Traffic.Waiting == 0
}
