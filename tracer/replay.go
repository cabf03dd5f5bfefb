package tracer

import (
	"math"
	"time"
)

// replay passes on what has been counted since the last replay. The least and the most of all are passed as they are; every
// other one as a value of its own bucket, so that all sums are right. What is being counted this very moment is left to the next
// replay, and so is the rest if pass panics. The caller holds Tracer.flushMu.
func (d *durations) replay(pass func(v time.Duration, n int)) {
	d.unreplayed.merge(d.extremes.sinceReplay())
	for o := range d.octaves {
		d.octaves[o].replay(o, d.unreplayed, pass)
	}
	d.unreplayed = emptyWindow
}

// due is what a replay has to pass on of one octave.
type due struct {
	*octave
	index  int
	counts [cells + 1]int64
	sum    int64
	seen   window // the least and the most of all
	pass   func(v time.Duration, n int)
}

func (oct *octave) replay(index int, seen window, pass func(v time.Duration, n int)) {
	d := due{octave: oct, index: index, seen: seen, pass: pass}
	var total int64
	for i := range d.counts {
		d.counts[i] = oct.counts[i].Load()
		total += d.counts[i]
	}
	if total == 0 {
		return
	}
	d.sum = oct.sum.Load() - oct.replayed
	for _, v := range [...]int64{seen.least, seen.most} {
		if v == none || v == 0 {
			continue
		}
		if o, i := bucketOf(v); o == index && d.counts[i] > 0 {
			d.record(i, v, 1)
		}
	}
	d.spread()
}

// record passes n values of bucket i on. They are taken off the books before: whether a recorder that panics has recorded them
// is not known, and to try again for ever would help nobody.
func (d *due) record(i int, v, n int64) {
	if n == 0 {
		return
	}
	d.counts[i] -= n
	d.octave.counts[i].Add(-n)
	d.sum -= v * n
	d.replayed += v * n
	d.pass(time.Duration(v), int(n))
}

// bounds are those of bucket i, as far as there are values.
func (d *due) bounds(i int) (least, greatest int64) {
	least, greatest = bucketBounds(d.index, i)
	if v := d.seen.least; least < v && v <= greatest {
		least = v
	}
	if v := d.seen.most; least <= v && v < greatest {
		greatest = v
	}
	return least, greatest
}

// spread passes on all that is left. The values of each bucket lie at the same share of its width, which is the one that makes
// the sum of the octave right. Where nanoseconds do not divide, some values are one greater than others.
func (d *due) spread() {
	var least, width float64 // the least that the sum can be, and how much more it can be
	last := -1
	for i, n := range d.counts {
		if n > 0 {
			lo, hi := d.bounds(i)
			least += float64(n) * float64(lo)
			width += float64(n) * float64(hi-lo)
			last = i
		}
	}
	if last < 0 {
		return
	}
	share := 0.0
	if width > 0 {
		share = min(max(0, (float64(d.sum)-least)/width), 1)
	}
	carried := 0.0 // what rounding down has left over
	for i, n := range d.counts {
		if n == 0 {
			continue
		}
		lo, hi := d.bounds(i)
		exact := share*float64(n)*float64(hi-lo) + carried
		above := math.Floor(exact) // n times lo
		carried = exact - above
		sum := n*lo + int64(above)
		if i == last {
			sum = d.sum
		}
		mean, more := sum/n, sum%n
		if mean < lo || mean >= hi { // a sum may run ahead of its count, or behind it, by what is being counted
			mean, more = min(max(mean, lo), hi), 0
		}
		d.record(i, mean, n-more)
		d.record(i, mean+1, more)
	}
}
