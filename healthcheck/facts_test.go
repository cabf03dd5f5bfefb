package healthcheck

import (
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

func TestBaseline_DecaysOverAMinuteAtAnyInterval(t *testing.T) {
	for _, interval := range []time.Duration{100 * ms, time.Second, 10 * time.Second} {
		var n baseline
		learn := func(query, over time.Duration) {
			for range over / interval {
				d := delta{span: interval}
				holds := int64(interval / (10 * ms))
				d.added[counts.Released] = holds
				d.added[counts.UseTime], d.added[counts.QueryTime] = holds*int64(query), holds*int64(query)
				n.update(d, time.Second)
			}
		}
		learn(4*ms, 10*time.Minute)
		learn(40*ms, time.Minute)
		if got, seen := n.query(); !seen || got < 25*ms || got > 35*ms {
			t.Errorf("%v: a minute after queries took 40 ms instead of 4, they are thought to take %v", interval, got)
		}
	}
}
