package tracer

import (
	"math"
	"math/bits"
	"sync/atomic"

	"github.com/otelpool/pgx/internal/telemetry"
)

// The buckets of durations are log-linear: each power of two of nanoseconds is an octave, which has 32 cells of one width.
// So a bucket is at most 1/32 of its values wide, and whoever replays one of its values is at most 3.2 % off. Below the first
// octave, which begins at a microsecond, cells are 32 ns wide. The last cell, from 2.4 hours on, has no end.
//
// A bound of the histograms that people see lies in some cell and cuts it in two: each bucket is on one side of it. An octave
// has at most one such bound, and so 33 buckets. To find one takes two shifts and a comparison.
const (
	cellBits = 5
	cells    = 1 << cellBits

	shortest = 10 // the first octave begins at 2^10 ns
	longest  = 43 // the last one ends at 2^43 ns
	octaves  = longest - shortest + 1
)

// cuts are the visible bounds, by octave. A value above its octave's is one bucket further.
var cuts = makeCuts()

const noCut = math.MaxInt64

func makeCuts() (cuts [octaves]int64) {
	for o := range cuts {
		cuts[o] = noCut
	}
	for _, seconds := range telemetry.Buckets {
		bound := int64(math.Round(seconds * 1e9))
		cuts[octaveOf(bound)] = bound
	}
	return cuts
}

// durations is a histogram that costs its writers two atomic additions. A metrics library asks ten times that for each value, so
// it gets them later and together: see replay. It must be initialised.
type durations struct {
	octaves     [octaves]octave
	recordedSum atomic.Int64 // of what went to the recorder directly
	extremes    extremes

	unreplayed window // extremes that a replay has taken and not passed on yet; guarded by Tracer.flushMu
}

// octave is what was counted of one power of two.
type octave struct {
	sum      atomic.Int64            // of all that was counted
	counts   [cells + 1]atomic.Int64 // of what was not replayed yet
	replayed int64                   // the part of sum that was replayed; guarded by Tracer.flushMu
}

func (d *durations) init() {
	d.extremes.init()
	d.unreplayed = emptyWindow
}

// add counts v, to be replayed.
func (d *durations) add(v int64) {
	o, i := bucketOf(v)
	d.octaves[o].counts[i].Add(1)
	d.octaves[o].sum.Add(v)
	d.extremes.counted.extend(v)
}

// addRecorded counts v, which the recorder knows already.
func (d *durations) addRecorded(v int64) {
	d.recordedSum.Add(v)
	d.extremes.recorded.extend(v)
}

// total is the sum of all that was counted.
func (d *durations) total() (sum int64) {
	sum = d.recordedSum.Load()
	for o := range d.octaves {
		sum += d.octaves[o].sum.Load()
	}
	return sum
}

func octaveOf(v int64) int { return max(bits.Len64(uint64(v))-shortest, 0) }

// bucketOf finds the octave of v, and its bucket in it.
func bucketOf(v int64) (o, i int) {
	v = min(max(v, 0), 1<<longest-1)
	o = octaveOf(v)
	i = int(v>>cellShift(o)) & (cells - 1)
	if v > cuts[o] {
		i++
	}
	return o, i
}

// cellShift is the logarithm of the width of an octave's cells.
func cellShift(o int) int { return max(o, 1) + shortest - 1 - cellBits }

// bucketBounds are the least and the greatest value of a bucket.
func bucketBounds(o, i int) (least, greatest int64) {
	width := int64(1) << cellShift(o)
	begin := int64(0) // of the octave
	if o > 0 {
		begin = cells * width
	}
	cut := cuts[o]
	cutCell := int((cut - begin) / width)
	cell := i
	if cut != noCut && i > cutCell {
		cell--
	}
	least = begin + int64(cell)*width
	greatest = least + width - 1
	switch {
	case cut == noCut:
	case i == cutCell:
		greatest = cut
	case i == cutCell+1:
		least = cut + 1
	}
	if o == octaves-1 && cell == cells-1 {
		greatest = math.MaxInt64
	}
	return least, greatest
}
