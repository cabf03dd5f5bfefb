package faults

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/postgres"
	"github.com/otelpool/pgx/otelpool"
)

const (
	tick      = 100 * time.Millisecond
	threshold = time.Second
	patience  = 30 * time.Second // for a fault to be named, and to be over
	calm      = 4 * time.Second  // how long a healthy workload is watched
)

// policy is the default one with shorter memories: nobody can wait a minute for each scenario to be forgiven.
func policy() healthcheck.Policy {
	p := healthcheck.Evidence()
	p.ErrorWindow, p.Dwell, p.Settle = 3*time.Second, 500*time.Millisecond, time.Second
	p.StuckAfter = 3 * time.Second
	return p
}

// bench is one pool under test, and what a scenario needs to break it.
type bench struct {
	t       *testing.T
	ctx     context.Context // of the scenario's workload
	server  *postgres.Server
	pool    *pgxpool.Pool
	monitor *otelpool.Monitor
	dsn     string

	workers sync.WaitGroup
	stop    context.CancelFunc
}

// size is a pool's.
type size struct{ max, min int32 }

// open builds the pool of a scenario.
func open(t *testing.T, server *postgres.Server, dsn string, s size, tweak func(*pgxpool.Config)) *bench {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns, cfg.MinConns = s.max, s.min
	cfg.ConnConfig.ConnectTimeout = 2 * time.Second
	if tweak != nil {
		tweak(cfg)
	}
	err = otelpool.Configure(cfg, otelpool.WithHealthInterval(tick), otelpool.WithLeakThreshold(threshold), otelpool.WithPolicy(policy()),
		otelpool.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	monitor, err := otelpool.Instrument(pool)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, server: server, pool: pool, monitor: monitor, dsn: dsn}
	b.ctx, b.stop = context.WithCancel(context.Background())
	return b
}

// close ends the workload and the pool.
func (b *bench) close() {
	b.rest()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.monitor.Shutdown(ctx); err != nil {
		b.t.Errorf("the scenario leaves something behind: %v", err)
	}
}

// rest ends the workload.
func (b *bench) rest() {
	b.stop()
	b.workers.Wait()
}

// crowd runs n callers again and again until the workload is to rest. Their errors are what the monitor is there for.
func (b *bench) crowd(n int, once func(ctx context.Context)) {
	ctx := b.ctx
	for range n {
		b.workers.Go(func() {
			for ctx.Err() == nil {
				once(ctx)
			}
		})
	}
}

// traffic is a light, healthy load.
func (b *bench) traffic() {
	b.crowd(1, func(ctx context.Context) {
		within, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_, _ = b.pool.Exec(within, "SELECT 1")
		sleep(ctx, 20*time.Millisecond)
	})
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// exec runs a statement as the server's owner.
func (b *bench) exec(sql string) {
	b.t.Helper()
	if err := b.server.Exec(b.t.Context(), sql); err != nil {
		b.t.Fatalf("%s: %v", sql, err)
	}
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// await waits until the report satisfies ok and says how long it took.
func (b *bench) await(ok func(healthcheck.Report) bool) (took time.Duration, last healthcheck.Report, found bool) {
	start := time.Now()
	for time.Since(start) < patience {
		last = b.monitor.Health()
		if ok(last) {
			return time.Since(start), last, true
		}
		time.Sleep(tick / 4)
	}
	return time.Since(start), last, false
}

func healthy(r healthcheck.Report) bool { return r.Status == healthcheck.Healthy }

func said(r healthcheck.Report) healthcheck.Cause {
	if len(r.Findings) == 0 {
		return ""
	}
	return r.Findings[0].Cause
}
