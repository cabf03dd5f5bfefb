package faults

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/postgres"
	"github.com/otelpool/pgx/otelpool"
)

const (
	interval  = time.Second // WithHealthInterval's default
	threshold = time.Second // of leaks
	patience  = 2 * time.Minute
	deadline  = 20 * time.Second // of Shutdown, and of the workload that it waits for
)

// bench is one pool under test, and what a scenario needs to break it.
type bench struct {
	t       *testing.T
	ctx     context.Context // of the scenario's workload
	server  *postgres.Server
	name    string // of its sessions on the server, and of its table
	dsn     string
	network *network // between pool and server; nil unless the scenario wants one
	pool    *pgxpool.Pool
	monitor *otelpool.Monitor
	broken  atomic.Bool // for hooks that a scenario makes misbehave
	log     slog.Handler
	opened  atomic.Bool // pool and monitor are there: a log handler may be called before
	starved bool        // a report named process_starved

	workers sync.WaitGroup
	stop    context.CancelFunc
}

// size is a pool's.
type size struct{ max, min int32 }

var named atomic.Int64

// newBench is a bench without a pool. Its sessions have a name of their own on the server.
func newBench(t *testing.T, server *postgres.Server) *bench {
	b := &bench{t: t, server: server, name: fmt.Sprintf("faults%d", named.Add(1)), log: slog.DiscardHandler}
	b.dsn = server.DSNFor("app", "app", "faults") + "&application_name=" + b.name
	b.ctx, b.stop = context.WithCancel(context.Background())
	return b
}

// open makes the pool.
func (b *bench) open(s size, tweak func(*bench, *pgxpool.Config), opts ...otelpool.Option) {
	b.t.Helper()
	cfg, err := pgxpool.ParseConfig(b.dsn)
	b.must(err)
	cfg.MaxConns, cfg.MinConns = s.max, s.min
	cfg.ConnConfig.ConnectTimeout = 2 * time.Second
	if b.network != nil {
		cfg.ConnConfig.DialFunc = b.network.dial
	}
	if tweak != nil {
		tweak(b, cfg)
	}
	b.must(otelpool.Configure(cfg, append(opts, otelpool.WithLeakThreshold(threshold),
		otelpool.WithLogger(slog.New(b.log)))...))
	b.pool, err = pgxpool.NewWithConfig(b.t.Context(), cfg)
	b.must(err)
	b.monitor, err = otelpool.Instrument(b.pool)
	b.must(err)
	b.opened.Store(true)
}

// close ends the workload and the pool.
func (b *bench) close() {
	b.stop()
	b.within(deadline, "the end of the workload", b.workers.Wait)
	if b.monitor != nil { // nil if making it failed
		b.within(deadline+prompt, "Shutdown", func() {
			ctx, cancel := context.WithTimeout(context.Background(), deadline)
			defer cancel()
			if err := b.monitor.Shutdown(ctx); err != nil {
				b.t.Errorf("the scenario leaves something behind: %v", err)
			}
		})
	}
	if b.network != nil {
		b.network.close()
	}
}

// load is a crowd of n callers, again and again, which end sends home. Their errors are what the monitor is there for.
func (b *bench) load(n int, once func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan struct{}, n)
	for range n {
		b.workers.Go(func() {
			for ctx.Err() == nil {
				once(ctx)
			}
			done <- struct{}{}
		})
	}
	return func() {
		cancel()
		for range n {
			<-done
		}
	}
}

// crowd is how many callers make a queue.
func (b *bench) crowd() int { return 3 * int(b.pool.Stat().MaxConns()) }

// traffic is a light, healthy load.
func (b *bench) traffic() {
	b.load(1, func(ctx context.Context) {
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

// connect is a session of the pool's role outside the pool.
func (b *bench) connect() (*pgx.Conn, error) { return pgx.Connect(b.ctx, b.dsn) }

// acquire takes a connection from the pool, or gives up in time.
func (b *bench) acquire(ctx context.Context, timeout time.Duration) (*pgxpool.Conn, error) {
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return b.pool.Acquire(within)
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// await waits until the report satisfies ok.
func (b *bench) await(ok func(healthcheck.Report) bool) (last healthcheck.Report, found bool) {
	for start := time.Now(); time.Since(start) < patience; time.Sleep(interval / 50) {
		last = b.monitor.Health()
		b.starved = b.starved || slices.ContainsFunc(last.Findings, isStarved)
		if ok(last) {
			return last, true
		}
	}
	return last, false
}

func healthy(r healthcheck.Report) bool { return r.Status == healthcheck.Healthy }

func unwell(r healthcheck.Report) bool { return r.Status > healthcheck.Healthy }

func isStarved(f healthcheck.Finding) bool { return f.Cause == healthcheck.CauseProcessStarved }

// contains says whether the text is anywhere in the first finding.
func said(r healthcheck.Report) healthcheck.Cause {
	if len(r.Findings) == 0 {
		return ""
	}
	return r.Findings[0].Cause
}
