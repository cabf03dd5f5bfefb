package otelpool

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dbconv"

	"github.com/otelpool/pgx/internal/errtype"
	"github.com/otelpool/pgx/internal/telemetry"
)

// recorder turns the hook's durations into the three histograms of the semantic conventions. Their only attribute is the
// pool's name, and error.type on waits that failed: since SDK 1.45 each further one costs about 32 ns a record.
type recorder struct {
	wait   metric.Float64Histogram
	use    metric.Float64Histogram
	create metric.Float64Histogram

	pool   attribute.KeyValue
	plain  []metric.RecordOption // the pool's name alone, made once: making it allocates
	failed sync.Map              // error.type → []metric.RecordOption; bounded by maxFailed
	kinds  int                   // guarded by mu
	mu     sync.Mutex            // serialises additions to failed
}

// maxFailed bounds the values of error.type on wait_time; further ones become "_OTHER".
const maxFailed = 32

func newRecorder(provider metric.MeterProvider, pool string) (*recorder, error) {
	meter := newMeter(provider)
	bounds := metric.WithExplicitBucketBoundaries(telemetry.Buckets[:]...)
	wait, err1 := dbconv.NewClientConnectionWaitTime(meter, bounds)
	use, err2 := dbconv.NewClientConnectionUseTime(meter, bounds)
	create, err3 := dbconv.NewClientConnectionCreateTime(meter, bounds)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("otelpool: create histograms: %w", err)
	}
	r := &recorder{
		wait: wait.Inst(), use: use.Inst(), create: create.Inst(),
		pool: semconv.DBClientConnectionPoolName(pool),
	}
	r.plain = r.options()
	return r, nil
}

func newMeter(provider metric.MeterProvider) metric.Meter {
	return provider.Meter(telemetry.ScopeName,
		metric.WithInstrumentationVersion(telemetry.Version), metric.WithSchemaURL(semconv.SchemaURL))
}

func (r *recorder) options(more ...attribute.KeyValue) []metric.RecordOption {
	return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(append(more, r.pool)...))}
}

// RecordWait implements [tracer.Recorder].
func (r *recorder) RecordWait(ctx context.Context, wait time.Duration, errorType string, n int) {
	defer func() { _ = recover() }() // of a metrics library: see guard.go
	if !r.wait.Enabled(ctx) {
		return
	}
	opts := r.plain
	if errorType != "" {
		opts = r.optionsFor(errorType)
	}
	for v := wait.Seconds(); n > 0; n-- {
		r.wait.Record(ctx, v, opts...)
	}
}

// RecordUse implements [tracer.Recorder].
func (r *recorder) RecordUse(ctx context.Context, use time.Duration, n int) {
	defer func() { _ = recover() }() // of a metrics library: see guard.go
	if !r.use.Enabled(ctx) {
		return
	}
	for v := use.Seconds(); n > 0; n-- {
		r.use.Record(ctx, v, r.plain...)
	}
}

// RecordCreate implements [tracer.Recorder].
func (r *recorder) RecordCreate(ctx context.Context, create time.Duration) {
	defer func() { _ = recover() }() // of a metrics library: see guard.go
	if r.create.Enabled(ctx) {
		r.create.Record(ctx, create.Seconds(), r.plain...)
	}
}

func (r *recorder) optionsFor(errorType string) []metric.RecordOption {
	if opts, ok := r.failed.Load(errorType); ok {
		return opts.([]metric.RecordOption)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds >= maxFailed {
		errorType = errtype.Other
	}
	opts, known := r.failed.LoadOrStore(errorType, r.options(semconv.ErrorTypeKey.String(errorType)))
	if !known {
		r.kinds++
	}
	return opts.([]metric.RecordOption)
}
