package healthcheck

import (
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// delta is what happened between two samples.
type delta struct {
	span     time.Duration
	added    counts.Set
	occupied time.Duration
	waiting  int // more of them than before
}

func between(a, b *Sample) delta {
	return delta{
		span:     max(0, b.At.Sub(a.At)),
		added:    b.Counts.Since(&a.Counts),
		occupied: max(0, b.Traffic.Occupied-a.Traffic.Occupied),
		waiting:  max(0, b.Traffic.Waiting-a.Traffic.Waiting),
	}
}

// hold and query are the means of the holds that ended; 0 if none did.
func (d *delta) hold() time.Duration { return d.mean(counts.UseTime, counts.Released) }
func (d *delta) query() time.Duration {
	return min(d.hold(), d.mean(counts.QueryTime, counts.Released))
}

// idle is how long the application held a connection without using it, on average.
func (d *delta) idle() time.Duration { return d.hold() - d.query() }

// connect is the mean time of the connects that succeeded; 0 if none did.
func (d *delta) connect() time.Duration { return d.mean(counts.CreateTime, counts.Opened) }

func (d *delta) mean(total, of counts.Name) time.Duration {
	return mean(d.added.Time(total), d.added[of])
}

func mean(total time.Duration, n int64) time.Duration {
	if n <= 0 {
		return 0
	}
	return total / time.Duration(n)
}

// answered says that holds ended which did not give up on an answer of the server.
func (d *delta) answered() bool {
	return d.added[counts.Released] > d.added[counts.DestroyedBroken]+d.added[counts.DestroyedBusy]+d.added[counts.DestroyedCanceled]
}

// ended is how many acquires came to an end, well or not.
func (d *delta) ended() (n float64) {
	for _, outcome := range [...]counts.Name{counts.Acquired, counts.TimedOut, counts.Canceled, counts.Failed} {
		n += float64(d.added[outcome])
	}
	return n
}
