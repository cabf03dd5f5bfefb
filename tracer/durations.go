package tracer

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/otelpool/pgx/internal/telemetry"
)

// none is the least of no durations.
const none = math.MaxInt64

// bounds are the upper bounds of the buckets of durations, in nanoseconds: those of the histograms that people see, and
// finer ones where pools that are well spend their time.
var bounds = makeBounds()

const fineBounds = 5

func makeBounds() (b [fineBounds + len(telemetry.Buckets)]int64) {
	copy(b[:], []int64{1e3, 5e3, 25e3, 100e3, 250e3})
	for i, seconds := range telemetry.Buckets {
		b[fineBounds+i] = int64(math.Round(seconds * 1e9))
	}
	return b
}

// durations is a histogram that costs its writers two atomic additions. A metrics library asks ten times that for each
// value, so it gets them later and together: see replay. The zero value must be reset before use.
type durations struct {
	buckets     [len(bounds) + 1]bucket
	told        bucket       // what went to the recorder directly
	least, most atomic.Int64 // since the last replay; none and 0 if there was nothing

	replayed [len(bounds) + 1]struct{ count, sum int64 } // guarded by Tracer.flushMu
}

type bucket struct{ count, sum atomic.Int64 }

func (b *bucket) add(v int64) {
	b.count.Add(1)
	b.sum.Add(v)
}

// add counts v, to be replayed.
func (d *durations) add(v int64) {
	d.buckets[bucketOf(v)].add(v)
	d.extremes(v)
}

// addTold counts v, which the recorder knows already.
func (d *durations) addTold(v int64) {
	d.told.add(v)
	d.extremes(v)
}

func (d *durations) extremes(v int64) {
	lower(&d.least, v)
	raise(&d.most, v)
}

// total is the number and the sum of all that was counted.
func (d *durations) total() (count int64, sum time.Duration) {
	count, total := d.told.count.Load(), d.told.sum.Load()
	for i := range d.buckets {
		count += d.buckets[i].count.Load()
		total += d.buckets[i].sum.Load()
	}
	return count, time.Duration(total)
}

// replay passes on what has been counted since the last replay: for each bucket as many values as it has, all at their
// mean, but for the least and the most of all, which are passed as they are. So counts in every bucket that people see are
// exact, as are least and most, and the sum is up to what was being counted this very moment, which the next replay adds.
func (d *durations) replay(record func(v time.Duration, n int)) (least, most int64) {
	least, most = d.least.Swap(none), d.most.Swap(0)
	for i := range d.buckets {
		seen := &d.replayed[i]
		n := d.buckets[i].count.Load() - seen.count
		if n <= 0 {
			continue
		}
		seen.count += n
		sum := d.buckets[i].sum.Load() - seen.sum
		pass := func(v, n int64) int64 {
			v = within(v, i)
			seen.sum += v * n
			record(time.Duration(v), int(n))
			return v * n
		}
		for _, extreme := range [...]int64{least, most} {
			if n > 1 && bucketOf(extreme) == i && extreme != none && extreme != 0 {
				sum -= pass(extreme, 1)
				n--
			}
		}
		pass(sum/n, n)
	}
	return least, most
}

// bucketOf finds the bucket of v by looking from the shortest on: that is where most belong.
func bucketOf(v int64) int {
	i := 0
	for i < len(bounds) && v > bounds[i] {
		i++
	}
	return i
}

// within moves v into bucket i: a sum may run ahead of its count by what is being counted.
func within(v int64, i int) int64 {
	if i < len(bounds) {
		v = min(v, bounds[i])
	}
	if i > 0 {
		return max(v, bounds[i-1]+1)
	}
	return max(v, 0)
}
