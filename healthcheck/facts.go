package healthcheck

import (
	"math"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// recentSpan is how far back "now" reaches when rates and means are asked for.
const recentSpan = 5 * time.Second

// facts are what the recent samples say, worked out once for all rules and diagnoses.
type facts struct {
	p   *Policy
	all []Sample // oldest first, never empty
	s   *Sample  // the newest

	last   delta // since the sample before
	recent delta // over recentSpan
	minute delta // over the last minute

	baseline baseline // what holds were like while the pool was healthy
	reach    reach
	holders  holderUsage
}

func newFacts(p *Policy, recent []Sample, b baseline) *facts {
	f := &facts{p: p, all: recent, s: &recent[len(recent)-1], baseline: b}
	f.last = between(&recent[max(0, len(recent)-2)], f.s)
	f.recent = between(f.back(recentSpan), f.s)
	f.minute = between(f.back(time.Minute), f.s)
	f.reach = newReach(f)
	f.holders = newHolderUsage(f)
	return f
}

// back returns the newest sample that is at least d old, or the oldest of all.
func (f *facts) back(d time.Duration) *Sample {
	for i := len(f.all) - 1; i >= 0; i-- {
		if f.s.At.Sub(f.all[i].At) >= d {
			return &f.all[i]
		}
	}
	return &f.all[0]
}

// happenedWithin says whether t happened, and at most d ago. Hooks may note an instant just after the sample's.
func (f *facts) happenedWithin(t time.Time, d time.Duration) bool {
	return !t.IsZero() && f.s.At.Sub(t) <= d
}

// known says whether anything was seen to work: without that, no pool is called healthy.
func (f *facts) known() bool {
	s := f.s
	return s.Counts[counts.Opened] > 0 || !proofIn(s).IsZero() || s.Counts[counts.Acquired] > 0 || s.Pool.Total > s.Pool.Constructing
}

// quiet says that nobody waited and nobody's wait ended: the sample knows nothing about waits.
func (f *facts) quiet() bool {
	if !f.s.HasTracer {
		return f.last.added[counts.Acquired] == 0 && f.last.added[counts.Canceled] == 0
	}
	return f.s.Traffic.Ended == 0 && f.s.Traffic.Waiting == 0
}

func (f *facts) lateAt(i int) bool { return i >= 0 && f.all[i].Late >= f.p.LateAfter }

// late says that the newest sample was late, or the one before it: waits that ended since may have begun before the pause.
func (f *facts) late() bool {
	n := len(f.all)
	return f.lateAt(n-1) || f.lateAt(n-2)
}

// saturated says that all connections are in use, or on their way from one caller to the next: the pool has all it may have,
// and there are callers for each of those that nobody holds at this instant.
func saturated(s *Sample) bool {
	p := &s.Pool
	if p.Max <= 0 || p.Used >= p.Max {
		return p.Max > 0
	}
	return p.Total >= p.Max && p.Constructing == 0 && s.Traffic.Waiting >= p.Max-p.Used
}

func usage(s *Sample) float64 {
	if s.Pool.Max <= 0 {
		return 0
	}
	return float64(s.Pool.Used) / float64(s.Pool.Max)
}

// contended says that all connections are or were just now in use: whoever waited, waited for a holder.
func (f *facts) contended() bool {
	for i := len(f.all) - 1; i >= max(0, len(f.all)-3); i-- {
		if saturated(&f.all[i]) {
			return true
		}
	}
	return usage(f.s) >= 0.9
}

// peak is the longest wait that the newest sample knows of, be it over or not.
func (f *facts) peak() time.Duration {
	t := &f.s.Traffic
	peak := time.Duration(0)
	if t.Ended > 0 {
		peak = t.PeakWait
	}
	if t.Waiting > 0 {
		peak = max(peak, t.OldestWait)
	}
	return peak
}

// seenBefore says that a wait of d is over and was counted in the sample before, when it was under way: one long wait
// across a tick is not two.
func (f *facts) seenBefore(d time.Duration) bool {
	if len(f.all) < 2 || f.s.Traffic.Waiting > 0 && f.s.Traffic.OldestWait > f.p.PeakWait {
		return false
	}
	t := &f.all[len(f.all)-2].Traffic
	return t.Waiting > 0 && t.OldestWait > f.p.PeakWait && d <= t.OldestWait+f.last.span
}

// stuckFor is how long the pool has been full with callers waiting and nothing given back. A late sample begins anew.
func (f *facts) stuckFor() time.Duration {
	i := len(f.all) - 1
	if !f.blockedAt(i) {
		return 0
	}
	for i > 0 && f.blockedAt(i-1) && !f.lateAt(i) {
		d := between(&f.all[i-1], &f.all[i])
		if d.added[counts.Released] > 0 || d.added[counts.Acquired] > 0 {
			break
		}
		i--
	}
	return f.s.At.Sub(f.all[i].At)
}

// blockedAt says whether callers waited in vain at sample i. Those who give up between two samples count as well.
func (f *facts) blockedAt(i int) bool {
	s := &f.all[i]
	if !saturated(s) {
		return false
	}
	if s.Traffic.Waiting > 0 || i == 0 {
		return s.Traffic.Waiting > 0
	}
	d := between(&f.all[i-1], s)
	return d.added[counts.TimedOut] > 0 || d.added[counts.Canceled] > 0
}

// queued says whether everybody had to queue in the time that s covers: even the luckiest waited longer than the target.
func (f *facts) queued(s *Sample) bool {
	if !saturated(s) {
		return false
	}
	if s.Traffic.Ended > 0 {
		return s.Traffic.MinWait > f.p.WaitTarget
	}
	return s.Traffic.Waiting > 0 && s.Traffic.OldestWait > f.p.WaitTarget
}

// standingQueue says whether a queue has stood for the whole of QueueInterval, give or take what ticks do. A burst leaves
// somebody who hardly waited.
func (f *facts) standingQueue() bool {
	for i := len(f.all) - 1; i >= 0; i-- {
		s := &f.all[i]
		if i < len(f.all)-1 && f.s.At.Sub(s.At) >= f.p.QueueInterval*9/10 {
			break
		}
		if s.Traffic.Ended == 0 && s.Traffic.Waiting == 0 && i < len(f.all)-1 {
			continue
		}
		if !f.queued(s) {
			return false
		}
	}
	return true
}

// baseline is what holds are like while the pool is healthy: slow is what takes much longer. Old ones decay over about a minute.
type baseline struct{ holds, seconds float64 }

const (
	decay      = 0.98 // a second
	enoughSeen = 10   // holds, before they are a baseline
)

// update adds what a tick saw. Holds that are slow in themselves do not count: a batch job that ends would spoil the baseline.
func (b *baseline) update(d delta, slow time.Duration) {
	if d.query() >= slow {
		return
	}
	keep := math.Pow(decay, d.span.Seconds())
	b.holds = b.holds*keep + float64(d.added[counts.Released])
	b.seconds = b.seconds*keep + min(d.added.Time(counts.QueryTime), d.added.Time(counts.UseTime)).Seconds()
}

// query is the mean query time of a hold, and whether enough of them were seen.
func (b baseline) query() (time.Duration, bool) {
	if b.holds < enoughSeen {
		return 0, false
	}
	return time.Duration(b.seconds / b.holds * float64(time.Second)), true
}
