//go:build unix

package bench

import (
	"context"
	"slices"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// BenchmarkProcess is the processor time that the whole process spends on a cycle: what the hook leaves to other goroutines is in
// it, and the metrics are exported once a second. What is not recorded and exported by the end is, before the time is read.
func BenchmarkProcess(b *testing.B) {
	for _, i := range implementations {
		if !slices.Contains([]string{"bare", "otelpgx", "nostacks", "everything"}, i.name) {
			continue
		}
		b.Run("impl="+i.name, func(b *testing.B) {
			exported := metric.NewPeriodicReader(discard{}, metric.WithInterval(time.Second))
			provider := metric.NewMeterProvider(metric.WithReader(exported))
			b.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
			pool := i.openTo(b, 4, provider)
			before := processorTime(b)
			for b.Loop() {
				cycle(b, context.Background(), pool)
			}
			if err := provider.ForceFlush(context.Background()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// processorTime is what the process has used, in user and in kernel mode.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// discard takes metrics and sends them nowhere.
type discard struct{}

func (discard) Temporality(kind metric.InstrumentKind) metricdata.Temporality {
	return metric.DefaultTemporalitySelector(kind)
}

func (discard) Aggregation(kind metric.InstrumentKind) metric.Aggregation {
	return metric.DefaultAggregationSelector(kind)
}
func (discard) Export(context.Context, *metricdata.ResourceMetrics) error { return nil }
func (discard) ForceFlush(context.Context) error                          { return nil }
func (discard) Shutdown(context.Context) error                            { return nil }
