package tracer

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/telemetry"
)

// recorded is what a replay recorded.
type recorded struct{ values []time.Duration }

func (r *recorded) record(v time.Duration, n int) {
	r.values = append(r.values, slices.Repeat([]time.Duration{v}, n)...)
}

func (r *recorded) sum() (sum time.Duration) {
	for _, v := range r.values {
		sum += v
	}
	return sum
}

// visible counts values as a histogram with the bounds that people see does.
func visible(values []time.Duration) (counts [len(telemetry.Buckets) + 1]int) {
	for _, v := range values {
		i, _ := slices.BinarySearch(telemetry.Buckets[:], v.Seconds())
		counts[i]++
	}
	return counts
}

func newDurations() *durations {
	d := &durations{}
	d.init()
	return d
}

// anyDuration is of any order of magnitude, often next to a bound.
func anyDuration(random *rand.Rand) time.Duration {
	if random.IntN(4) == 0 {
		bound := telemetry.Buckets[random.IntN(len(telemetry.Buckets))]
		return time.Duration(math.Round(bound*1e9)) + time.Duration(random.IntN(3)-1)
	}
	return time.Duration(math.Exp(random.Float64() * math.Log(5*float64(time.Hour))))
}

func TestReplay_KeepsVisibleCountsSumAndExtremesExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	d := newDurations()
	for round := range 500 {
		var values []time.Duration
		var sum time.Duration
		for range random.IntN(300) {
			v := anyDuration(random)
			values, sum = append(values, v), sum+v
			d.add(int64(v))
		}
		var got recorded
		d.replay(got.record)
		if visible(got.values) != visible(values) {
			t.Fatalf("round %d: buckets %v, want %v", round, visible(got.values), visible(values))
		}
		if got.sum() != sum {
			t.Fatalf("round %d: sum %d, want %d", round, got.sum(), sum)
		}
		if len(values) > 0 && (slices.Min(got.values) != slices.Min(values) || slices.Max(got.values) != slices.Max(values)) {
			t.Fatalf("round %d: extremes %s and %s, want %s and %s", round,
				slices.Min(got.values), slices.Max(got.values), slices.Min(values), slices.Max(values))
		}
	}
}

func TestReplay_PassesEachValueWithinAThirtiethOfItself(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	d := newDurations()
	for range 200 {
		var values []time.Duration
		for range 1000 {
			v := anyDuration(random)
			if v < time.Microsecond || v > 2*time.Hour {
				continue
			}
			values = append(values, v)
			d.add(int64(v))
		}
		var got recorded
		d.replay(got.record)
		slices.Sort(values)
		slices.Sort(got.values)
		for i, v := range values {
			if off := (got.values[i] - v).Abs(); off > v/30 {
				t.Fatalf("%s was passed as %s", v, got.values[i])
			}
		}
	}
}

func TestReplay_OfNothingPassesNothing(t *testing.T) {
	d := newDurations()
	d.add(5)
	var got recorded
	d.replay(got.record)
	d.replay(got.record)
	if len(got.values) != 1 || got.values[0] != 5 {
		t.Errorf("recorded %v", got.values)
	}
}

func TestReplay_LeavesWhatARecorderDidNotTakeToTheNext(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	d := newDurations()
	var sum time.Duration
	const values = 1000
	for range values {
		v := anyDuration(random)
		sum += v
		d.add(int64(v))
	}
	var got recorded
	panics := 0
	for range 50 {
		func() {
			defer func() {
				if recover() != nil {
					panics++
				}
			}()
			calls := 0
			d.replay(func(v time.Duration, n int) {
				got.record(v, n)
				if calls++; calls == 20 {
					panic("on purpose")
				}
			})
		}()
	}
	if panics == 0 || len(got.values) != values || got.sum() != sum {
		t.Errorf("%d panics; %d values recorded of %d, sum %d, want %d", panics, len(got.values), values, got.sum(), sum)
	}
}

func TestBuckets_HoldTheirBoundsAndNoOtherValue(t *testing.T) {
	var before int64 = -1
	for o := range octaves {
		for i := range cells + 1 {
			least, greatest := bucketBounds(o, i)
			if cuts[o] == noCut && i == cells || greatest < least {
				continue // never used
			}
			if least != before+1 {
				t.Fatalf("bucket %d/%d begins at %d, the one before ends at %d", o, i, least, before)
			}
			for _, v := range []int64{least, greatest} {
				if vo, vi := bucketOf(v); vo != o || vi != i {
					t.Fatalf("%d is in bucket %d/%d, want %d/%d", v, vo, vi, o, i)
				}
			}
			before = greatest
		}
	}
	if before != math.MaxInt64 {
		t.Errorf("the last bucket ends at %d", before)
	}
	if o, i := bucketOf(-3); o != 0 || i != 0 {
		t.Errorf("a negative duration is in bucket %d/%d", o, i)
	}
}

func TestBuckets_AreCutAtEveryVisibleBound(t *testing.T) {
	for _, seconds := range telemetry.Buckets {
		bound := int64(math.Round(seconds * 1e9))
		o, i := bucketOf(bound)
		if _, greatest := bucketBounds(o, i); greatest != bound {
			t.Errorf("the bucket of %v s ends at %d: another bound may be in its octave", seconds, greatest)
		}
	}
}

func TestReplay_LosesNothingThatIsCountedMeanwhile(t *testing.T) {
	tr := New(Options{})
	var mu sync.Mutex
	var got recorded
	flush := func() {
		mu.Lock()
		defer mu.Unlock()
		tr.waits.replay(got.record)
	}
	const workers, each = 8, 20_000
	var all, flusher sync.WaitGroup
	stop := make(chan struct{})
	flusher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				flush()
			}
		}
	})
	for worker := range workers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 0))
			for range each {
				tr.waits.add(random.Int64N(int64(time.Second)))
			}
		})
	}
	all.Wait()
	close(stop)
	flusher.Wait()
	flush()
	if len(got.values) != workers*each {
		t.Errorf("%d recorded of %d", len(got.values), workers*each)
	}
	// A value whose sum came after its count was passed as the least of its bucket: the last replays have only so much to add.
	if off := (got.sum() - time.Duration(tr.waits.total())).Abs(); off > time.Duration(tr.waits.total())/100 {
		t.Errorf("sum %s, want %s", got.sum(), time.Duration(tr.waits.total()))
	}
}
