package faults

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool"
	"github.com/otelpool/pgx/tracer"
)

// nervous is a monitor that looks ten times as often and remembers less: what keeps quiet before it keeps quiet before any.
func nervous() []otelpool.Option {
	p := healthcheck.Evidence()
	p.ErrorWindow, p.MinStateDuration, p.RecoveryGrace = 3*time.Second, 500*time.Millisecond, time.Second
	p.StuckAfter = 3 * time.Second
	return []otelpool.Option{otelpool.WithPolicy(p), otelpool.WithHealthInterval(interval / 10)}
}

func TestHealthyWorkloads_RaiseNothing(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	for _, w := range workloads {
		for _, size := range w.sizes {
			t.Run(fmt.Sprintf("%s/max=%d,min=%d", w.name, size.max, size.min), func(t *testing.T) {
				t.Parallel()
				b := newBench(t, server)
				b.open(size, w.tweak, nervous()...)
				defer b.close()
				end := w.run(b)
				b.watch(4 * time.Second)
				end()
			})
		}
	}
}

// TestHealthyWorkloads_RaiseNothingTogetherForTwoMinutes has each of them in a pool of its own, all on one server.
func TestHealthyWorkloads_RaiseNothingTogetherForTwoMinutes(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	var wg sync.WaitGroup
	for _, w := range workloads {
		b := newBench(t, server)
		b.open(w.sizes[0], w.tweak)
		defer b.close()
		end := w.run(b)
		wg.Go(func() {
			b.watch(2 * time.Minute)
			end()
		})
	}
	wg.Wait()
}

// watch expects no finding and no suspected leak for so long. A finding while the machine does not keep up is no false alarm.
func (b *bench) watch(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; time.Sleep(interval / 20) {
		if r := b.monitor.Health(); unwell(r) && !excused(r.Since) {
			b.t.Errorf("%s: %s: %+v, while the machine was %v behind", b.monitor.Name(), r.Status, r.Findings, machine.delay(start))
			return
		}
		for _, h := range b.monitor.Holders() {
			if h.Evidence >= tracer.EvidenceIdleHeld {
				b.t.Errorf("%s: suspected of a leak: %+v", b.monitor.Name(), h)
				return
			}
		}
	}
}

// workload is something that looks odd and is well.
type workload struct {
	name  string
	sizes []size
	tweak func(*bench, *pgxpool.Config)
	run   func(b *bench) (end func())
}

func none() {}

var workloads = []workload{
	{name: "cold start", sizes: usual, run: func(b *bench) func() { b.traffic(); return none }},
	{name: "idle, MinConns 0", sizes: []size{{4, 0}}, tweak: func(_ *bench, c *pgxpool.Config) {
		c.MaxConnIdleTime, c.HealthCheckPeriod = 300*time.Millisecond, 100*time.Millisecond
	},
		run: func(b *bench) func() { b.must(b.pool.Ping(b.ctx)); return none }},
	{name: "bursts", sizes: usual[:1], run: func(b *bench) func() {
		return b.load(1, func(ctx context.Context) {
			var burst sync.WaitGroup
			for range 12 {
				burst.Go(func() { _, _ = b.pool.Exec(ctx, "SELECT pg_sleep(0.005)") })
			}
			burst.Wait()
			sleep(ctx, 700*time.Millisecond)
		})
	}},
	{name: "busy, no queue", sizes: usual, run: func(b *bench) func() {
		return b.load(int(b.pool.Stat().MaxConns()), func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "SELECT pg_sleep(0.05)") })
	}},
	{name: "batch job", sizes: usual[:1], run: func(b *bench) func() {
		return b.load(1, func(ctx context.Context) {
			var batch pgx.Batch
			for range 50 {
				batch.Queue("SELECT pg_sleep(0.02)")
			}
			_ = b.pool.SendBatch(ctx, &batch).Close()
		})
	}},
	{name: "LISTEN worker", sizes: usual[:1], run: func(b *bench) func() {
		conn, err := b.pool.Acquire(b.ctx)
		b.must(err)
		_, err = conn.Exec(b.ctx, "LISTEN news")
		b.must(err)
		b.traffic()
		ctx, cancel := context.WithCancel(b.ctx)
		b.workers.Go(func() { _, _ = conn.Conn().WaitForNotification(ctx); conn.Release() })
		return cancel
	}},
	{name: "listeners in a pool that has room", sizes: usual[1:], run: func(b *bench) func() {
		ctx, cancel := context.WithCancel(b.ctx)
		for range 3 {
			conn, err := b.pool.Acquire(b.ctx)
			b.must(err)
			_, err = conn.Exec(b.ctx, "LISTEN news")
			b.must(err)
			b.workers.Go(func() { _, _ = conn.Conn().WaitForNotification(ctx); conn.Release() })
		}
		b.traffic()
		return cancel
	}},
	{name: "slow consumer of rows", sizes: usual[:1], run: func(b *bench) func() {
		b.traffic()
		return b.load(1, func(ctx context.Context) {
			rows, err := b.pool.Query(ctx, "SELECT generate_series(1, 500)")
			if err != nil {
				return
			}
			defer rows.Close()
			for rows.Next() && ctx.Err() == nil {
				sleep(ctx, 20*time.Millisecond)
			}
		})
	}},
	{name: "rolling Reset", sizes: usual[:1], run: func(b *bench) func() {
		b.traffic()
		return b.load(1, func(ctx context.Context) { b.pool.Reset(); sleep(ctx, 300*time.Millisecond) })
	}},
	{name: "lifetime churn", sizes: usual[:1], tweak: func(_ *bench, c *pgxpool.Config) {
		c.MaxConnLifetime, c.HealthCheckPeriod = 200*time.Millisecond, 100*time.Millisecond
	},
		run: func(b *bench) func() { b.traffic(); return none }},
	{name: "MaxConns 1", sizes: []size{{1, 0}}, run: func(b *bench) func() { b.traffic(); return none }},
	{name: "long query", sizes: usual[:1], run: func(b *bench) func() {
		b.traffic()
		return b.load(1, func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "SELECT pg_sleep(3)") })
	}},
	{name: "long COPY", sizes: usual[:1], run: func(b *bench) func() {
		_, err := b.pool.Exec(b.ctx, "CREATE TABLE "+b.name+" (n int)")
		b.must(err)
		return b.load(1, func(ctx context.Context) {
			n := 0
			_, _ = b.pool.CopyFrom(ctx, pgx.Identifier{b.name}, []string{"n"}, pgx.CopyFromFunc(func() ([]any, error) {
				if n++; n > 30 {
					return nil, nil
				}
				sleep(ctx, 100*time.Millisecond)
				return []any{n}, nil
			}))
		})
	}},
	{name: "busy transaction", sizes: usual[:1], run: func(b *bench) func() {
		return b.load(1, func(ctx context.Context) {
			_ = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
				for range 60 {
					if _, err := tx.Exec(ctx, "SELECT 1"); err != nil {
						return err
					}
					sleep(ctx, 50*time.Millisecond)
				}
				return nil
			})
		})
	}},
	{name: "hijacked", sizes: usual[:1], run: func(b *bench) func() {
		conn, err := b.pool.Acquire(b.ctx)
		b.must(err)
		mine := conn.Hijack()
		b.traffic()
		return func() { b.must(mine.Close(context.Background())) }
	}},
}
