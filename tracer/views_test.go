package tracer

import (
	"context"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelpool/pgx/internal/telemetry"
)

// histograms is a recorder of the SDK's.
type histograms struct{ wait, use metric.Float64Histogram }

func (h histograms) RecordWait(ctx context.Context, wait time.Duration, _ string, n int) {
	for range n {
		h.wait.Record(ctx, wait.Seconds())
	}
}

func (h histograms) RecordUse(ctx context.Context, use time.Duration, n int) {
	for range n {
		h.use.Record(ctx, use.Seconds())
	}
}

func (h histograms) RecordCreate(context.Context, time.Duration) {}

// viewed is what a histogram of the SDK shows of waits under a view, after some flushes. nil is the instrument's own bounds.
func viewed(t *testing.T, values []time.Duration, aggregation sdkmetric.Aggregation) metricdata.Aggregation {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	opts := []sdkmetric.Option{sdkmetric.WithReader(reader)}
	if aggregation != nil {
		opts = append(opts, sdkmetric.WithView(sdkmetric.NewView(
			sdkmetric.Instrument{Name: "*"}, sdkmetric.Stream{Aggregation: aggregation},
		)))
	}
	meter := sdkmetric.NewMeterProvider(opts...).Meter("test")
	bounds := metric.WithExplicitBucketBoundaries(telemetry.Buckets[:]...)
	wait, err1 := meter.Float64Histogram("wait", bounds)
	use, err2 := meter.Float64Histogram("use", bounds)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	tr := New(Options{})
	tr.SetRecorder(histograms{wait, use})
	for i, v := range values {
		tr.waits.add(int64(v))
		if i%5000 == 0 {
			tr.Flush()
		}
	}
	tr.Flush()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	return all.ScopeMetrics[0].Metrics[0].Data
}

// workload is waits as pools have them: most are short, some are long.
func workload() []time.Duration {
	random := rand.New(rand.NewPCG(7, 8))
	values := make([]time.Duration, 40_000)
	for i := range values {
		values[i] = time.Duration(float64(8*time.Millisecond) * math.Exp(1.5*random.NormFloat64()))
	}
	return values
}

// checkTotals checks what must be exact under any view.
func checkTotals(t *testing.T, values []time.Duration, count uint64, sum float64, least, most metricdata.Extrema[float64]) {
	t.Helper()
	var want time.Duration
	for _, v := range values {
		want += v
	}
	if count != uint64(len(values)) || math.Abs(sum-want.Seconds()) > 1e-6 { // of adding floats
		t.Errorf("%d values with sum %v, want %d with %v", count, sum, len(values), want.Seconds())
	}
	low, _ := least.Value()
	high, _ := most.Value()
	if low != slices.Min(values).Seconds() || high != slices.Max(values).Seconds() {
		t.Errorf("extremes %v and %v, want %s and %s", low, high, slices.Min(values), slices.Max(values))
	}
}

func TestView_WithTheDefaultBoundsHasExactCounts(t *testing.T) {
	values := workload()
	point := viewed(t, values, nil).(metricdata.Histogram[float64]).DataPoints[0]
	checkTotals(t, values, point.Count, point.Sum, point.Min, point.Max)
	for i, n := range visible(values) {
		if point.BucketCounts[i] != uint64(n) {
			t.Errorf("bucket %d: %d, want %d", i, point.BucketCounts[i], n)
		}
	}
}

func TestView_WithOtherBoundsSeesEachValueWithinFivePercent(t *testing.T) {
	values := workload()
	bounds := []float64{0.0003, 0.0007, 0.002, 0.003, 0.004, 0.006, 0.008, 0.0123, 0.017, 0.033, 0.07, 0.13, 0.37, 0.9}
	view := sdkmetric.AggregationExplicitBucketHistogram{Boundaries: bounds}
	point := viewed(t, values, view).(metricdata.Histogram[float64]).DataPoints[0]
	checkTotals(t, values, point.Count, point.Sum, point.Min, point.Max)
	upTo := func(seconds float64) (n uint64) {
		for _, v := range values {
			if v.Seconds() <= seconds {
				n++
			}
		}
		return n
	}
	var got uint64
	for i, bound := range bounds {
		got += point.BucketCounts[i]
		if got < upTo(bound/1.05) || got > upTo(bound*1.05) {
			t.Errorf("%d values up to %v, want between %d and %d", got, bound, upTo(bound/1.05), upTo(bound*1.05))
		}
	}
}

func TestView_OfAnExponentialHistogramHasQuantilesWithinFivePercent(t *testing.T) {
	values := workload()
	view := sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 1000, MaxScale: 20}
	point := viewed(t, values, view).(metricdata.ExponentialHistogram[float64]).DataPoints[0]
	checkTotals(t, values, point.Count, point.Sum, point.Min, point.Max)
	slices.Sort(values)
	for _, q := range []float64{0.5, 0.95, 0.99} {
		want := values[int(q*float64(len(values)))].Seconds()
		if got := quantile(point, q); math.Abs(got-want) > 0.05*want {
			t.Errorf("p%v is %v s, want %v s", 100*q, got, want)
		}
	}
}

// quantile is the middle of the bucket that has it.
func quantile(point metricdata.ExponentialHistogramDataPoint[float64], q float64) float64 {
	rank := uint64(q * float64(point.Count))
	var seen uint64
	for i, n := range point.PositiveBucket.Counts {
		if seen += n; seen > rank {
			exponent := (float64(i) + float64(point.PositiveBucket.Offset) + 0.5) / math.Exp2(float64(point.Scale))
			return math.Exp2(exponent)
		}
	}
	return math.Inf(1)
}

func TestTracer_TakesLittleMemory(t *testing.T) {
	const most = 40_000
	if size := reflect.TypeFor[Tracer]().Size(); size > most {
		t.Errorf("a tracer takes %d bytes, want at most %d", size, most)
	}
}
