package metrics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dbconv"

	"github.com/otelpool/pgx/internal/errtype"
	"github.com/otelpool/pgx/internal/telemetry"
)

// Recorder turns the hook's durations into the three histograms of the semantic conventions. It implements
// [tracer.Recorder].
type Recorder struct {
	wait   metric.Float64Histogram
	use    metric.Float64Histogram
	create metric.Float64Histogram

	common []attribute.KeyValue
	plain  []metric.RecordOption // the common attributes alone, made once: making them allocates
	failed sync.Map              // error.type → []metric.RecordOption; bounded by maxFailed
	kinds  int                   // guarded by mu
	mu     sync.Mutex            // serialises additions to failed
}

// maxFailed bounds the values of error.type on wait_time; further ones become "_OTHER".
const maxFailed = 32

func newRecorder(meter metric.Meter, common []attribute.KeyValue) (*Recorder, error) {
	bounds := metric.WithExplicitBucketBoundaries(telemetry.Buckets[:]...)
	wait, err1 := dbconv.NewClientConnectionWaitTime(meter, bounds)
	use, err2 := dbconv.NewClientConnectionUseTime(meter, bounds)
	create, err3 := dbconv.NewClientConnectionCreateTime(meter, bounds)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("otelpool: create histograms: %w", err)
	}
	r := &Recorder{wait: wait.Inst(), use: use.Inst(), create: create.Inst(), common: common}
	r.plain = r.options()
	return r, nil
}

func (r *Recorder) options(more ...attribute.KeyValue) []metric.RecordOption {
	return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(slices.Concat(r.common, more)...))}
}

// RecordWait implements [tracer.Recorder].
func (r *Recorder) RecordWait(ctx context.Context, wait time.Duration, errorType string, n int) {
	opts := r.plain
	if errorType != "" {
		opts = r.optionsFor(errorType)
	}
	record(ctx, r.wait, wait, n, opts)
}

// RecordUse implements [tracer.Recorder].
func (r *Recorder) RecordUse(ctx context.Context, use time.Duration, n int) {
	record(ctx, r.use, use, n, r.plain)
}

// RecordCreate implements [tracer.Recorder].
func (r *Recorder) RecordCreate(ctx context.Context, create time.Duration) {
	record(ctx, r.create, create, 1, r.plain)
}

// record may be called on the application's goroutine: a metrics library that panics is not to end it.
func record(ctx context.Context, h metric.Float64Histogram, d time.Duration, n int, opts []metric.RecordOption) {
	defer func() { _ = recover() }()
	if !h.Enabled(ctx) {
		return
	}
	for v := d.Seconds(); n > 0; n-- {
		h.Record(ctx, v, opts...)
	}
}

func (r *Recorder) optionsFor(errorType string) []metric.RecordOption {
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
