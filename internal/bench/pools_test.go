package bench

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

func TestMain(m *testing.M) {
	// Who comes first in a round has it differently from who comes last: each has every place once.
	if round, err := strconv.Atoi(os.Getenv("BENCH_ROUND")); err == nil {
		implementations, loggers = rotate(implementations, round), rotate(loggers, round)
	}
	pgtest.Main(m)
}

func rotate[T any](all []T, by int) []T {
	first := by % len(all)
	return slices.Concat(all[first:], all[:first])
}

// implementation is one way to observe a pool.
type implementation struct {
	name    string
	observe func(b *testing.B, cfg *pgxpool.Config, to *metric.MeterProvider) (after func(*pgxpool.Pool))
}

func nothing(*pgxpool.Pool) {}

// implementations are compared with the bare one.
var implementations = []implementation{
	{"bare", func(*testing.B, *pgxpool.Config, *metric.MeterProvider) func(*pgxpool.Pool) { return nothing }},
	{"noop", func(_ *testing.B, cfg *pgxpool.Config, _ *metric.MeterProvider) func(*pgxpool.Pool) {
		cfg.ConnConfig.Tracer = noop{}
		return nothing
	}},
	{"floor", func(_ *testing.B, cfg *pgxpool.Config, _ *metric.MeterProvider) func(*pgxpool.Pool) {
		cfg.ConnConfig.Tracer = &floor{base: time.Now()}
		return nothing
	}},
	{"otelpgx", func(_ *testing.B, cfg *pgxpool.Config, to *metric.MeterProvider) func(*pgxpool.Pool) {
		cfg.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithMeterProvider(to))
		return nothing
	}},
	{"nostacks", withOtelpool(otelpool.WithStackDepth(0))},
	{"everything", withOtelpool()},
}

func meterProvider() *metric.MeterProvider {
	return metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
}

func withOtelpool(opts ...otelpool.Option) func(*testing.B, *pgxpool.Config, *metric.MeterProvider) func(*pgxpool.Pool) {
	return func(b *testing.B, cfg *pgxpool.Config, to *metric.MeterProvider) func(*pgxpool.Pool) {
		all := append([]otelpool.Option{otelpool.WithMeterProvider(to), otelpool.WithLogger(slog.New(slog.DiscardHandler))}, opts...)
		if err := otelpool.Configure(cfg, all...); err != nil {
			b.Fatal(err)
		}
		return func(pool *pgxpool.Pool) { instrument(b, pool) }
	}
}

func instrument(b *testing.B, pool *pgxpool.Pool) *otelpool.Monitor {
	monitor, err := otelpool.Instrument(pool)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { monitor.Close() })
	return monitor
}

// open builds an observed pool with all its connections made. Nobody collects its metrics.
func (i implementation) open(b *testing.B, conns int32) *pgxpool.Pool {
	return i.openTo(b, conns, meterProvider())
}

// openTo is open with metrics that somebody may collect.
func (i implementation) openTo(b *testing.B, conns int32, to *metric.MeterProvider) *pgxpool.Pool {
	cfg := pgtest.Config(b)
	cfg.MaxConns, cfg.MinConns = conns, conns
	after := i.observe(b, cfg, to)
	pool, err := pgxpool.NewWithConfig(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	after(pool)
	var held []*pgxpool.Conn
	for range conns {
		conn, err := pool.Acquire(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		held = append(held, conn)
	}
	for _, conn := range held {
		conn.Release()
	}
	return pool
}

// each runs f for every implementation.
func each(b *testing.B, conns int32, f func(b *testing.B, pool *pgxpool.Pool)) {
	for _, i := range implementations {
		b.Run("impl="+i.name, func(b *testing.B) {
			pool := i.open(b, conns)
			b.ReportAllocs()
			f(b, pool)
		})
	}
}

// noop does nothing: what it costs is what pgx itself spends on having a hook.
type noop struct{}

func (noop) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return ctx
}
func (noop) TraceAcquireEnd(context.Context, *pgxpool.Pool, pgxpool.TraceAcquireEndData) {}
func (noop) TraceRelease(*pgxpool.Pool, pgxpool.TraceReleaseData)                        {}
func (noop) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (noop) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// floor is the least that times waits and holds: three clock reads, one allocation, six atomic additions.
type floor struct {
	base                                              time.Time
	started, ended, released, waited, held, heldSince atomic.Int64
}

func (f *floor) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	f.started.Add(1)
	return floorContext{ctx, int64(time.Since(f.base))}
}

func (f *floor) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	now := int64(time.Since(f.base))
	f.ended.Add(1)
	f.waited.Add(now - ctx.(floorContext).start)
	f.heldSince.Store(now)
}

func (f *floor) TraceRelease(*pgxpool.Pool, pgxpool.TraceReleaseData) {
	f.released.Add(1)
	f.held.Add(int64(time.Since(f.base)) - f.heldSince.Load())
}

func (f *floor) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (f *floor) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

type floorContext struct {
	context.Context
	start int64
}
