package healthcheck

import (
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// usage is the share of the pool that is in use, 0 to 1.
func usage(s *Sample) float64 {
	if s.Pool.Max <= 0 {
		return 0
	}
	return float64(s.Pool.Used) / float64(s.Pool.Max)
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

// contended says that all connections are or were just now in use.
func (w window) contended() bool {
	for i := max(0, len(w)-3); i < len(w); i++ {
		if saturated(&w[i]) {
			return true
		}
	}
	return usage(w.newest()) >= 0.9
}

// longestWait is the longest wait that s knows of, be it over or not.
func longestWait(s *Sample) (longest time.Duration) {
	t := &s.Traffic
	if t.Ended > 0 {
		longest = t.PeakWait
	}
	if t.Waiting > 0 {
		longest = max(longest, t.OldestWait)
	}
	return longest
}

// countedBefore says that a wait of d is over, and was counted in the sample before, when it was under way: one long wait
// across a tick is not two.
func (w window) countedBefore(d, tooLong time.Duration) bool {
	tooLongNow := func(s *Sample) bool { return s.Traffic.Waiting > 0 && s.Traffic.OldestWait > tooLong }
	if len(w) < 2 || tooLongNow(w.newest()) {
		return false
	}
	before := &w[len(w)-2]
	return tooLongNow(before) && d <= before.Traffic.OldestWait+max(0, w.newest().At.Sub(before.At))
}

// stuckFor is how long the pool has been saturated, with callers waiting and nothing given back. A late sample begins anew.
func (w window) stuckFor(p *Policy) time.Duration {
	return w.lasting(p, w.waitingInVain, func(d *delta) bool {
		return d.added[counts.Released] == 0 && d.added[counts.Acquired] == 0
	})
}

// waitingInVain says whether callers waited at sample i and the pool was saturated. Those who gave up since the sample before
// count as well.
func (w window) waitingInVain(i int) bool {
	s := &w[i]
	if !saturated(s) || s.Traffic.Waiting > 0 || i == 0 {
		return saturated(s) && s.Traffic.Waiting > 0
	}
	d := between(&w[i-1], s)
	return d.added[counts.TimedOut] > 0 || d.added[counts.Canceled] > 0
}

// standingQueue says whether a queue has stood for the whole of QueueInterval, give or take what ticks do. A burst leaves
// somebody who hardly waited.
func (w window) standingQueue(p *Policy) bool {
	now := w.newest()
	for i := len(w) - 1; i >= 0; i-- {
		s, newest := &w[i], i == len(w)-1
		if !newest && now.At.Sub(s.At) >= p.QueueInterval*9/10 {
			break
		}
		if !newest && s.Traffic.Ended == 0 && s.Traffic.Waiting == 0 {
			continue
		}
		if !queued(s, p.WaitTarget) {
			return false
		}
	}
	return true
}

// queued says whether everybody had to queue in the time that s covers: even the shortest wait was longer than the target.
func queued(s *Sample, target time.Duration) bool {
	if s.Traffic.Ended > 0 {
		return saturated(s) && s.Traffic.MinWait > target
	}
	return saturated(s) && s.Traffic.Waiting > 0 && s.Traffic.OldestWait > target
}
