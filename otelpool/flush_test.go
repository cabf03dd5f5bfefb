package otelpool_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool"
)

// exporter keeps the last value that was exported of each metric.
type exporter struct {
	sdkmetric.Exporter
	mu   sync.Mutex // guards last
	last collection
}

func (e *exporter) Temporality(k sdkmetric.InstrumentKind) metricdata.Temporality {
	return sdkmetric.DefaultTemporalitySelector(k)
}

func (e *exporter) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}

func (e *exporter) Export(_ context.Context, rm *metricdata.ResourceMetrics) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			if e.last == nil {
				e.last = make(collection)
			}
			e.last[m.Name] = m
		}
	}
	return nil
}

func (e *exporter) ForceFlush(context.Context) error { return nil }
func (e *exporter) Shutdown(context.Context) error   { return nil }

// The documentation says: close the Monitor first, then the provider. This program ends long before the first export is due.
func TestFlush_ExportsWhatAShortProgramDid(t *testing.T) {
	patient := healthcheck.Evidence()
	patient.PeakWait = patience // the first connect of a busy machine is no trouble of the pool
	for name, end := range map[string]struct {
		call  func(*otelpool.Monitor) error
		state string
	}{
		"Close":    {(*otelpool.Monitor).Close, "healthy"},
		"Shutdown": {func(m *otelpool.Monitor) error { return m.Shutdown(context.Background()) }, "terminated"},
	} {
		t.Run(name, func(t *testing.T) {
			var e exporter
			provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(&e)))
			defer provider.Shutdown(context.Background())
			pool := newPool(t, configured(t, quiet(otelpool.WithMeterProvider(provider), otelpool.WithHealthInterval(time.Minute),
				otelpool.WithPolicy(patient))...))
			monitor := instrument(t, pool)
			for range 20 {
				acquire(t, t.Context(), pool).Release()
			}
			if err := end.call(monitor); err != nil {
				t.Fatal(err)
			}
			if n := sum(t, e.last, "otelpool.acquires", "otelpool.outcome", "ok"); n != 20 {
				t.Errorf("%v of 20 acquires were exported", n)
			}
			if sum(t, e.last, "otelpool.health.status", "otelpool.health.state", end.state) != 1 {
				t.Errorf("the last state exported is not %s: %v", end.state, e.last["otelpool.health.status"])
			}
		})
	}
}

// stubborn is a provider whose flush ignores its context: it hangs, panics or fails.
type stubborn struct {
	noop.MeterProvider
	flush func() error
}

func (s stubborn) ForceFlush(context.Context) error { return s.flush() }

func TestFlush_ThatFailsOrHangsDelaysNobody(t *testing.T) {
	for name, tt := range map[string]struct {
		flush func() error
		took  time.Duration // of Close
	}{
		"hangs":  {func() error { time.Sleep(time.Minute); return nil }, 2 * time.Second},
		"fails":  {func() error { return errors.New("no collector") }, 0},
		"panics": {func() error { panic("no flush today") }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			provider := otelpool.WithMeterProvider(stubborn{flush: tt.flush})
			bubble(t, func(t *testing.T, b *bubbled) {
				began := time.Now()
				if err := b.monitor.Close(); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took != tt.took {
					t.Errorf("Close took %v", took)
				}
				time.Sleep(time.Minute) // a bubble must not end before its goroutines
			}, provider)
			bubble(t, func(t *testing.T, b *bubbled) {
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				began := time.Now()
				if err := b.monitor.Shutdown(ctx); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > 700*time.Millisecond {
					t.Errorf("Shutdown outlasted its context: %v", took)
				}
				time.Sleep(time.Minute)
			}, provider)
		})
	}
}

// Before a program sets its global provider, OpenTelemetry returns a placeholder, which cannot flush.
func TestFlush_ReachesAGlobalProviderThatIsSetLate(t *testing.T) {
	before := otel.GetMeterProvider()
	defer otel.SetMeterProvider(before)
	monitor := instrument(t, newPool(t, configured(t, otelpool.WithLogger(slog.New(slog.DiscardHandler)))))
	flushed := false
	otel.SetMeterProvider(stubborn{flush: func() error { flushed = true; return nil }})
	if err := monitor.Close(); err != nil {
		t.Error(err)
	}
	if !flushed {
		t.Error("the provider was not flushed")
	}
}
