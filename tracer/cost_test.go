package tracer_test

import (
	"context"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/tracer"
)

// hooks are what a pool may be watched by.
var hooks = []struct {
	name    string
	install func(*pgxpool.Config)
}{
	{"bare", func(*pgxpool.Config) {}},
	{"otelpgx", func(cfg *pgxpool.Config) {
		provider := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
		cfg.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithMeterProvider(provider))
	}},
	{"no-stacks", func(cfg *pgxpool.Config) { install(cfg, tracer.Options{LeakThreshold: threshold}) }},
	{"stacks", func(cfg *pgxpool.Config) { install(cfg, tracer.Options{LeakThreshold: threshold, StackDepth: 32}) }},
}

func TestCycle_AllocatesOnce(t *testing.T) {
	srv := wire.NewServer()
	defer srv.Close()
	perCycle := make(map[string]float64)
	for _, hook := range hooks {
		cfg := srv.Config(t, "pool_max_conns=1")
		hook.install(cfg)
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		fail(t, err)
		cycle := func() {
			conn, err := pool.Acquire(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			conn.Release()
		}
		cycle() // connects, and sees the call path for the first time
		perCycle[hook.name] = testing.AllocsPerRun(2000, cycle)
		pool.Close()
	}
	for _, ours := range []string{"no-stacks", "stacks"} {
		if extra := perCycle[ours] - perCycle["bare"]; extra != 1 {
			t.Errorf("%s: %v allocations a cycle more than a bare pool, want 1", ours, extra)
		}
	}
	t.Log(perCycle)
}

func TestQuery_AllocatesNothingMore(t *testing.T) {
	srv := wire.NewServer()
	defer srv.Close()
	perQuery := make(map[string]float64)
	for _, hook := range hooks {
		if hook.name == "otelpgx" {
			continue
		}
		cfg := srv.Config(t, "pool_max_conns=1")
		hook.install(cfg)
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		fail(t, err)
		conn, err := pool.Acquire(t.Context())
		fail(t, err)
		query := func() {
			if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
				t.Error(err)
			}
		}
		query()
		perQuery[hook.name] = allocations(1000, query)
		conn.Release()
		pool.Close()
	}
	if extra := perQuery["stacks"] - perQuery["bare"]; extra > 0.5 {
		t.Errorf("%.2f allocations a query more than a bare pool", extra)
	}
}

// allocations is the mean of n runs, the least of three such means. It is not rounded, as that of testing.AllocsPerRun is: the
// server in memory allocates too, now one more and now one less, and on a busy machine more often.
func allocations(n int, f func()) float64 {
	least := math.Inf(1)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range n {
			f()
		}
		runtime.ReadMemStats(&after)
		least = min(least, float64(after.Mallocs-before.Mallocs)/float64(n))
	}
	return least
}

// BenchmarkAcquireRelease is the cost of a cycle: on one goroutine, and on many that share four connections.
func BenchmarkAcquireRelease(b *testing.B) {
	for _, hook := range hooks {
		b.Run("alone/"+hook.name, func(b *testing.B) {
			pool := benchPool(b, hook.install)
			b.ReportAllocs()
			for b.Loop() {
				conn, err := pool.Acquire(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				conn.Release()
			}
		})
	}
	for _, hook := range hooks {
		b.Run("contended/"+hook.name, func(b *testing.B) {
			pool := benchPool(b, hook.install)
			b.SetParallelism(16)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					conn, err := pool.Acquire(context.Background())
					if err != nil {
						b.Error(err)
						return
					}
					conn.Release()
				}
			})
		})
	}
}

// BenchmarkSelect is a whole request: acquire, SELECT 1, release.
func BenchmarkSelect(b *testing.B) {
	for _, hook := range hooks {
		b.Run(hook.name, func(b *testing.B) {
			pool := benchPool(b, hook.install)
			b.ReportAllocs()
			for b.Loop() {
				var n int
				if err := pool.QueryRow(b.Context(), "SELECT 1").Scan(&n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchPool(b *testing.B, install func(*pgxpool.Config)) *pgxpool.Pool {
	b.Helper()
	cfg := pgtest.Config(b)
	cfg.MaxConns = 4
	cfg.MaxConnIdleTime = time.Hour
	install(cfg)
	pool, err := pgxpool.NewWithConfig(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	if err := pool.Ping(b.Context()); err != nil {
		b.Fatal(err)
	}
	return pool
}
