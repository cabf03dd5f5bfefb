package tracer

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// told is what a replay recorded.
type told struct {
	values []time.Duration
}

func (l *told) record(v time.Duration, n int) {
	l.values = append(l.values, slices.Repeat([]time.Duration{v}, n)...)
}

func perBucket(values []time.Duration) (counts [len(bounds) + 1]int) {
	for _, v := range values {
		counts[bucketOf(int64(v))]++
	}
	return counts
}

func newDurations() *durations {
	d := &durations{}
	d.least.Store(none)
	return d
}

func TestAReplayTellsEveryBucketsCountTheExtremesAndTheSum(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	d := newDurations()
	for round := range 50 {
		var values []time.Duration
		var sum time.Duration
		for range random.IntN(200) {
			v := time.Duration(random.ExpFloat64() * float64(20*time.Millisecond))
			values, sum = append(values, v), sum+v
			d.add(int64(v))
		}
		var got told
		least, most := d.replay(got.record)
		if perBucket(got.values) != perBucket(values) {
			t.Fatalf("round %d: buckets %v, want %v", round, perBucket(got.values), perBucket(values))
		}
		if len(values) == 0 {
			continue
		}
		// What integer means leave over goes to a later replay: nanoseconds.
		const little = time.Microsecond
		if (slices.Min(got.values)-slices.Min(values)).Abs() > little || (slices.Max(got.values)-slices.Max(values)).Abs() > little {
			t.Errorf("round %d: extremes %s and %s, want %s and %s", round,
				slices.Min(got.values), slices.Max(got.values), slices.Min(values), slices.Max(values))
		}
		if least != int64(slices.Min(values)) || most != int64(slices.Max(values)) {
			t.Errorf("round %d: replay returned %d and %d", round, least, most)
		}
		var gotSum time.Duration
		for _, v := range got.values {
			gotSum += v
		}
		if off := (gotSum - sum).Abs(); off > time.Duration(len(bounds)*len(values)) { // a nanosecond each: integer means
			t.Errorf("round %d: sum %s, want %s", round, gotSum, sum)
		}
	}
}

func TestAReplayOfNothingTellsNothing(t *testing.T) {
	d := newDurations()
	d.add(5)
	var got told
	d.replay(got.record)
	least, most := d.replay(got.record)
	if len(got.values) != 1 || least != none || most != 0 {
		t.Errorf("told %v, extremes %d and %d", got.values, least, most)
	}
}

func TestBoundsOfBucketsBelongToThemAsInOpenTelemetry(t *testing.T) {
	for i, bound := range bounds {
		if bucketOf(bound) != i || bucketOf(bound+1) != i+1 {
			t.Errorf("bound %d: buckets %d and %d", bound, bucketOf(bound), bucketOf(bound+1))
		}
		if within(bound+5, i) != bound || within(bound-5, i+1) != bound+1 {
			t.Errorf("bound %d: a value is moved to %d and %d", bound, within(bound+5, i), within(bound-5, i+1))
		}
	}
	if within(-3, 0) != 0 {
		t.Error("a negative duration")
	}
}

func TestReplaysConcurrentWithCountingLoseNothing(t *testing.T) {
	tr := New(Options{})
	var mu sync.Mutex
	var got told
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
		t.Errorf("%d told of %d", len(got.values), workers*each)
	}
	count, sum := tr.waits.total()
	if count != workers*each {
		t.Errorf("%d counted", count)
	}
	var gotSum time.Duration
	for _, v := range got.values {
		gotSum += v
	}
	if off := (gotSum - sum).Abs(); off > sum/100 {
		t.Errorf("sum %s, want %s", gotSum, sum)
	}
}
