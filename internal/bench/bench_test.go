package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

func cycle(b *testing.B, ctx context.Context, pool *pgxpool.Pool) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		b.Fatal(err)
	}
	conn.Release()
}

// BenchmarkCycle is one acquire and release by one goroutine.
func BenchmarkCycle(b *testing.B) {
	each(b, 4, func(b *testing.B, pool *pgxpool.Pool) {
		for b.Loop() {
			cycle(b, context.Background(), pool)
		}
	})
}

// BenchmarkSampled is the same under a sampled span, whose durations are recorded one by one for their exemplars.
func BenchmarkSampled(b *testing.B) {
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled,
	}))
	each(b, 4, func(b *testing.B, pool *pgxpool.Pool) {
		for b.Loop() {
			cycle(b, ctx, pool)
		}
	})
}

// BenchmarkContended is 32 goroutines on fewer connections, with nothing done while holding, and with a query.
func BenchmarkContended(b *testing.B) {
	for _, work := range []string{"none", "query"} {
		for _, conns := range []int32{32, 4} {
			b.Run(fmt.Sprintf("work=%s/conns=%d", work, conns), func(b *testing.B) {
				each(b, conns, func(b *testing.B, pool *pgxpool.Pool) { contend(b, pool, work == "query") })
			})
		}
	}
}

func contend(b *testing.B, pool *pgxpool.Pool, query bool) {
	b.SetParallelism(max(1, 32/runtime.GOMAXPROCS(0)))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if !query {
				cycle(b, context.Background(), pool)
			} else if _, err := pool.Exec(context.Background(), "SELECT 1"); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkSelect is the least that an application does with a connection.
func BenchmarkSelect(b *testing.B) {
	each(b, 4, func(b *testing.B, pool *pgxpool.Pool) {
		for b.Loop() {
			var one int
			if err := pool.QueryRow(context.Background(), "SELECT 1").Scan(&one); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkDepth is a cycle under a stack deep enough for every depth.
func BenchmarkDepth(b *testing.B) {
	for _, depth := range []int{4, 16, 32, 64} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			i := implementation{"", withOtelpool(otelpool.WithStackDepth(depth))}
			pool := i.open(b, 4)
			b.ReportAllocs()
			below(64, func() {
				for b.Loop() {
					cycle(b, context.Background(), pool)
				}
			})
		})
	}
}

//go:noinline
func below(frames int, f func()) {
	if frames == 0 {
		f()
		return
	}
	below(frames-1, f)
	runtime.KeepAlive(frames)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkConnections is what is retained of a pool for each of its connections, all of them held once: pgx's own and ours.
func BenchmarkConnections(b *testing.B) {
	const conns = 64
	for _, i := range implementations {
		b.Run("impl="+i.name, func(b *testing.B) {
			before := heap()
			pool := i.open(b, conns)
			retained := heap() - before
			for b.Loop() {
				cycle(b, context.Background(), pool)
			}
			b.ReportMetric(float64(retained)/conns, "B/conn")
		})
	}
}

// BenchmarkHealth is reading the last judgement.
func BenchmarkHealth(b *testing.B) {
	m := idlePool(b)
	b.ReportAllocs()
	for b.Loop() {
		_ = m.Health()
	}
}

// BenchmarkHandler is /health/database over HTTP on loopback, by eight clients, during a total outage.
func BenchmarkHandler(b *testing.B) {
	cfg := pgtest.Config(b)
	cfg.ConnConfig.Port = 1 // nobody is there
	cfg.MinConns = 2
	if err := otelpool.Configure(cfg); err != nil {
		b.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	server := httptest.NewServer(instrument(b, pool).Handler())
	b.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	b.Cleanup(client.CloseIdleConnections)

	var mu sync.Mutex
	var took []time.Duration
	var failed atomic.Int64
	b.SetParallelism(max(1, 8/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		var mine []time.Duration
		for pb.Next() {
			start := time.Now()
			resp, err := client.Get(server.URL + "/health/database")
			if err != nil {
				failed.Add(1)
				continue
			}
			resp.Body.Close()
			mine = append(mine, time.Since(start))
		}
		mu.Lock()
		defer mu.Unlock()
		took = append(took, mine...)
	})
	if failed.Load() > 0 {
		b.Fatalf("%d requests failed", failed.Load())
	}
	slices.Sort(took)
	b.ReportMetric(float64(len(took))/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
