package bench

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/otelpool"
)

// BenchmarkCollect is one collection of the metrics of so many pools.
func BenchmarkCollect(b *testing.B) {
	for _, pools := range []int{1, 10, 100, 1000} {
		b.Run(fmt.Sprintf("pools=%d", pools), func(b *testing.B) {
			before := heap()
			collect := collectPools(b, pools)
			retained := heap() - before
			b.ReportAllocs()
			for b.Loop() {
				collect()
			}
			b.ReportMetric(float64(retained)/float64(pools), "B/pool")
		})
	}
}

// BenchmarkCollectSDK is what the SDK alone takes for a collection of as many points: the least that there is.
func BenchmarkCollectSDK(b *testing.B) {
	for _, pools := range []int{1, 100} {
		b.Run(fmt.Sprintf("pools=%d", pools), func(b *testing.B) {
			collect := collectAlone(b, collectPools(b, pools)())
			b.ReportAllocs()
			for b.Loop() {
				collect()
			}
		})
	}
}

func TestCollection_AllocatesLittleBeyondTheSDK(t *testing.T) {
	const pools, most = 20, 12 // allocations a pool
	ours := collectPools(t, pools)
	alone := collectAlone(t, ours())
	took, least := testing.AllocsPerRun(50, func() { ours() }), testing.AllocsPerRun(50, func() { alone() })
	own := (took - least) / pools
	t.Logf("%v allocations a pool, %v of them the SDK's", took/pools, least/pools)
	if own > most {
		t.Errorf("%v allocations a pool are ours, want at most %d", own, most)
	}
}

// collectPools opens idle pools and returns what collects their metrics, warm.
func collectPools(tb testing.TB, pools int) func() *metricdata.ResourceMetrics {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	for range pools {
		idlePool(tb, otelpool.WithMeterProvider(provider), otelpool.WithHealthInterval(time.Minute))
	}
	return collector(tb, reader)
}

// collector collects into the same place each time, as exporters do. The SDK has two places for each value, and both are warm.
func collector(tb testing.TB, reader *sdkmetric.ManualReader) func() *metricdata.ResourceMetrics {
	var rm metricdata.ResourceMetrics
	collect := func() *metricdata.ResourceMetrics {
		if err := reader.Collect(context.Background(), &rm); err != nil {
			tb.Fatal(err)
		}
		return &rm
	}
	collect()
	collect()
	return collect
}

// collectAlone returns what collects the points of a collection from a callback that does nothing else.
func collectAlone(tb testing.TB, like *metricdata.ResourceMetrics) func() *metricdata.ResourceMetrics {
	reader := sdkmetric.NewManualReader()
	meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter(telemetry.ScopeName)
	var instruments []metric.Observable
	var points []func(metric.Observer)
	for _, scope := range like.ScopeMetrics {
		for _, m := range scope.Metrics {
			instrument, observe := repeat(tb, meter, m)
			instruments, points = append(instruments, instrument), append(points, observe)
		}
	}
	_, err := meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		for _, observe := range points {
			observe(to)
		}
		return nil
	}, instruments...)
	if err != nil {
		tb.Fatal(err)
	}
	return collector(tb, reader)
}

// repeat makes an instrument like that of m, and what observes as many points with the same attributes.
func repeat(tb testing.TB, meter metric.Meter, m metricdata.Metrics) (in metric.Observable, observe func(metric.Observer)) {
	ints := func(o metric.Int64Observable, err error, points []metricdata.DataPoint[int64]) {
		if err != nil {
			tb.Fatal(err)
		}
		sets := options(points)
		in, observe = o, func(to metric.Observer) {
			for _, set := range sets {
				to.ObserveInt64(o, 1, set...)
			}
		}
	}
	floats := func(o metric.Float64Observable, err error, points []metricdata.DataPoint[float64]) {
		if err != nil {
			tb.Fatal(err)
		}
		sets := options(points)
		in, observe = o, func(to metric.Observer) {
			for _, set := range sets {
				to.ObserveFloat64(o, 1, set...)
			}
		}
	}
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		o, err := meter.Int64ObservableUpDownCounter(m.Name)
		ints(o, err, data.DataPoints)
	case metricdata.Gauge[int64]:
		o, err := meter.Int64ObservableGauge(m.Name)
		ints(o, err, data.DataPoints)
	case metricdata.Sum[float64]:
		o, err := meter.Float64ObservableUpDownCounter(m.Name)
		floats(o, err, data.DataPoints)
	case metricdata.Gauge[float64]:
		o, err := meter.Float64ObservableGauge(m.Name)
		floats(o, err, data.DataPoints)
	default:
		tb.Fatalf("%s is %T: an idle pool has no such points", m.Name, data)
	}
	return in, observe
}

func options[N int64 | float64](points []metricdata.DataPoint[N]) (sets [][]metric.ObserveOption) {
	for _, p := range points {
		sets = append(sets, []metric.ObserveOption{metric.WithAttributeSet(attribute.NewSet(p.Attributes.ToSlice()...))})
	}
	return sets
}

// idlePool is an observed pool that never connects.
func idlePool(tb testing.TB, opts ...otelpool.Option) *otelpool.Monitor {
	pool, monitor, err := otelpool.Open(tb.Context(), "postgres://nobody@127.0.0.1:1/nothing",
		append(opts, otelpool.WithServerProbe(false), otelpool.WithLogger(slog.New(slog.DiscardHandler)))...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { monitor.Close(); pool.Close() })
	return monitor
}
