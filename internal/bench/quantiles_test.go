package bench

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dbconv"
)

// BenchmarkQuantiles holds connections for as long as it likes, and reports by how much p50, p95 and p99 of use_time are off
// under a view that makes it an exponential histogram. The view has so many buckets that what is off is ours.
func BenchmarkQuantiles(b *testing.B) {
	useTime := dbconv.ClientConnectionUseTime{}.Name()
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader), metric.WithView(metric.NewView(
		metric.Instrument{Name: useTime},
		metric.Stream{Aggregation: metric.AggregationBase2ExponentialHistogram{MaxSize: 1000, MaxScale: 20}},
	)))
	pool := implementation{"", withOtelpool()}.openTo(b, 1, provider)
	random := rand.New(rand.NewPCG(7, 8))
	var held []time.Duration
	for b.Loop() {
		conn, err := pool.Acquire(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		time.Sleep(time.Duration(float64(200*time.Microsecond) * math.Exp(random.NormFloat64())))
		held = append(held, time.Since(start))
		conn.Release()
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		b.Fatal(err)
	}
	point := exponential(b, &all, useTime)
	if want := uint64(len(held)) + 1; point.Count != want { // one more made the connection
		b.Fatalf("%d values, want %d", point.Count, want)
	}
	slices.Sort(held)
	for _, q := range []struct {
		share float64
		unit  string
	}{{0.5, "p50-off-%"}, {0.95, "p95-off-%"}, {0.99, "p99-off-%"}} {
		want := held[int(q.share*float64(len(held)))].Seconds()
		b.ReportMetric(100*math.Abs(quantile(point, q.share)/want-1), q.unit)
	}
}

// exponential is the one point of a metric.
func exponential(b *testing.B, all *metricdata.ResourceMetrics, name string) metricdata.ExponentialHistogramDataPoint[float64] {
	for _, m := range all.ScopeMetrics[0].Metrics {
		if h, ok := m.Data.(metricdata.ExponentialHistogram[float64]); ok && m.Name == name {
			return h.DataPoints[0]
		}
	}
	b.Fatalf("%s is no exponential histogram", name)
	panic("unreachable")
}

// quantile is the middle of the bucket that has it.
func quantile(point metricdata.ExponentialHistogramDataPoint[float64], share float64) float64 {
	rank := uint64(share * float64(point.Count))
	seen := point.ZeroCount
	for i, n := range point.PositiveBucket.Counts {
		if seen += n; seen > rank {
			return math.Exp2((float64(i) + float64(point.PositiveBucket.Offset) + 0.5) / math.Exp2(float64(point.Scale)))
		}
	}
	return math.Inf(1)
}
