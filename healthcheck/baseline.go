package healthcheck

import (
	"math"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

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
	b.add(d, decay)
}

// add has what was seen before decay for as long as the tick took.
func (b *baseline) add(d delta, decay float64) {
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
