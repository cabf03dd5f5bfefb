package otelpool_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/puddle/v2"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

// These tests are about the application around the library. What it passes in may be broken, and so may the library: the
// application must go on.

func TestMonitor_MayBeUsedByFiftyGoroutinesWhileItIsClosed(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	cfg := configured(t, quiet(otelpool.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))),
		otelpool.WithHealthInterval(10*time.Millisecond), otelpool.WithLeakThreshold(time.Millisecond))...)
	cfg.MaxConns = 4
	pool := newPool(t, cfg)
	monitor := instrument(t, pool)
	handler := monitor.Handler()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for ctx := t.Context(); ; {
				select {
				case <-stop:
					return
				default:
				}
				switch i % 5 {
				case 0, 1:
					short, cancel := context.WithTimeout(ctx, time.Duration(rand.Int64N(int64(10*time.Millisecond))))
					_, _ = pool.Exec(short, "SELECT 1")
					cancel()
				case 2:
					_ = monitor.WriteHoldersProfile(io.Discard)
					useAll(t, monitor)
				case 3:
					var rm metricdata.ResourceMetrics
					_ = reader.Collect(ctx, &rm)
				case 4:
					handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/health/database", nil))
				}
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	var closing sync.WaitGroup
	for range 4 {
		closing.Go(func() {
			if err := monitor.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	closing.Wait()
	second := instrument(t, pool)
	time.Sleep(50 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range 4 {
		closing.Go(func() {
			if err := second.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	closing.Wait()
	close(stop)
	wg.Wait()
	if s := second.Stats(); s.TotalAcquisitions != s.TotalReleases {
		t.Errorf("%d acquires, %d releases", s.TotalAcquisitions, s.TotalReleases)
	}
}

// rottenProvider panics at every record, and its callbacks cannot be unregistered.
type rottenProvider struct{ noop.MeterProvider }

func (rottenProvider) Meter(string, ...metric.MeterOption) metric.Meter { return rottenMeter{} }

type rottenMeter struct{ noop.Meter }

func (rottenMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return rottenHistogram{}, nil
}

func (rottenMeter) RegisterCallback(metric.Callback, ...metric.Observable) (metric.Registration, error) {
	return rottenRegistration{}, nil
}

type rottenHistogram struct{ noop.Float64Histogram }

func (rottenHistogram) Enabled(context.Context) bool { return true }
func (rottenHistogram) Record(context.Context, float64, ...metric.RecordOption) {
	panic("no records today")
}

type rottenRegistration struct{ noop.Registration }

var errRotten = errors.New("callbacks stay")

func (rottenRegistration) Unregister() error { return errRotten }

func TestMeterProvider_ThatPanicsHarmsNobody(t *testing.T) {
	cfg := configured(t, quiet(otelpool.WithMeterProvider(rottenProvider{}), otelpool.WithPoolName("rotten"))...)
	pool := newPool(t, cfg)
	monitor, err := otelpool.Instrument(pool)
	if err != nil {
		t.Fatal(err)
	}
	sampled, _, _ := traced(t.Context(), 1) // recorded at once, on this goroutine
	for _, ctx := range []context.Context{t.Context(), sampled} {
		if _, err := pool.Exec(ctx, "SELECT 1"); err != nil {
			t.Error(err)
		}
	}
	since := time.Now()
	eventually(t, "the sampler goes on", func() bool { return monitor.Health().At.After(since.Add(50 * time.Millisecond)) })
	if err := monitor.Close(); !errors.Is(err, errRotten) {
		t.Errorf("Close: got %v", err)
	}
	if err := monitor.Close(); !errors.Is(err, errRotten) {
		t.Errorf("Close again: got %v", err)
	}
	instrument(t, pool, otelpool.WithPoolName("rotten"), otelpool.WithMeterProvider(noop.NewMeterProvider())) // the name is free
}

func TestMeterProvider_MayRegisterNothing(t *testing.T) {
	pool := newPool(t, configured(t, quiet(otelpool.WithMeterProvider(emptyProvider{}))...))
	if err := instrument(t, pool).Close(); err != nil {
		t.Error(err)
	}
}

// emptyProvider returns neither a registration nor an error.
type emptyProvider struct{ noop.MeterProvider }

func (emptyProvider) Meter(string, ...metric.MeterOption) metric.Meter { return emptyMeter{} }

type emptyMeter struct{ noop.Meter }

func (emptyMeter) RegisterCallback(metric.Callback, ...metric.Observable) (metric.Registration, error) {
	return nil, nil
}

func TestBeforeConnect_ThatPanicsForTheProbeEndsOnlyTheProbe(t *testing.T) {
	var log journal
	cfg := pgtest.Config(t)
	var forProbe sync.Once
	cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		if c.RuntimeParams["application_name"] == "otelpool probe" {
			forProbe.Do(func() { panic("not for you") })
		}
		return nil
	}
	if err := otelpool.Configure(cfg, quiet(otelpool.WithLogger(log.logger(slog.LevelWarn)), otelpool.WithLeakThreshold(time.Millisecond))...); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, cfg)
	instrument(t, pool)
	acquire(t, t.Context(), pool)
	r := awaitEvents(t, &log, "observer.panicked", 1)[0]
	if r["panic"] != "not for you" || r["stack"] == "" {
		t.Errorf("got %v", r)
	}
}

// Instrument looks up global providers and loggers, not Configure: many programs set them up after the pool's configuration.
func TestGlobalProviders_MayBeSetAfterConfigure(t *testing.T) {
	before := otel.GetMeterProvider()
	defer otel.SetMeterProvider(before)
	otel.SetMeterProvider(noop.NewMeterProvider())
	cfg := pgtest.Config(t)
	if err := otelpool.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	reader := sdkmetric.NewManualReader()
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	instrument(t, newPool(t, cfg))
	if len(collect(t, reader)) == 0 {
		t.Error("metrics went to the provider that was there at Configure")
	}
}

func TestMonitor_MayBeAskedAfterItsPoolWasClosed(t *testing.T) {
	pool := newPool(t, configured(t, quiet()...))
	monitor := instrument(t, pool)
	pool.Close()
	eventually(t, "the state is terminated", func() bool { return monitor.Health().State == healthcheck.Terminated })
	if _, err := pool.Acquire(t.Context()); !errors.Is(err, puddle.ErrClosedPool) {
		t.Errorf("got %v", err)
	}
	useAll(t, monitor)
}

func TestOptions_MayBeTheSameForConfigureAndInstrument(t *testing.T) {
	pool := newPool(t, configured(t, quiet(otelpool.WithQuerySpans(), otelpool.WithTracerProvider(sdktrace.NewTracerProvider()))...))
	instrument(t, pool, otelpool.WithQuerySpans())
}

// reusedContext panics when it is used after its request, as those of some frameworks do.
type reusedContext struct {
	context.Context
	over *atomic.Bool
}

func (c reusedContext) Err() error {
	if c.over.Load() {
		panic("used after its request")
	}
	return c.Context.Err()
}

func TestShutdown_SurvivesAContextThatPanics(t *testing.T) {
	pool := newPool(t, configured(t, quiet()...))
	monitor := instrument(t, pool)
	var over atomic.Bool
	held := acquire(t, reusedContext{t.Context(), &over}, pool)
	over.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := monitor.Shutdown(ctx); !errors.Is(err, otelpool.ErrShutdown) {
		t.Errorf("got %v", err)
	}
	over.Store(false)
	held.Release()
}

func TestMonitor_ThatIsNilOrZeroDoesNothing(t *testing.T) {
	for name, m := range map[string]*otelpool.Monitor{"nil": nil, "zero": {}} {
		useAll(t, m)
		if h := m.Health(); h.Status != healthcheck.Unknown {
			t.Errorf("%s: health is %v though nothing is known", name, h.Status)
		}
		if err := errors.Join(m.Close(), m.Shutdown(t.Context()), m.Close()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
