package bench

import (
	"context"
	"fmt"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelpool/pgx/internal/telemetry"
)

// BenchmarkRecord is one value that the SDK records, with options made before: a cycle has two of them. The SDK walks the
// attributes for each value, by reflection.
func BenchmarkRecord(b *testing.B) {
	for _, attributes := range []int{0, 1, 5} {
		b.Run(fmt.Sprintf("attributes=%d", attributes), func(b *testing.B) {
			meter := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())).Meter(telemetry.ScopeName)
			h, err := meter.Float64Histogram("h", metric.WithExplicitBucketBoundaries(telemetry.Buckets[:]...))
			if err != nil {
				b.Fatal(err)
			}
			var attrs []attribute.KeyValue
			for i := range attributes {
				attrs = append(attrs, attribute.String(fmt.Sprintf("key%d", i), "value"))
			}
			options := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrs...))}
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				h.Record(ctx, 3e-7, options...)
			}
		})
	}
}
