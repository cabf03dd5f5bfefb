package faults

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/postgres"
)

// scenario is something that goes wrong in a known way.
type scenario struct {
	name    string
	truth   []healthcheck.Cause // where there are two, one is the other's consequence, and either may be said first
	sizes   []size
	shows   time.Duration     // how long after its beginning the fault can be seen at all
	own     bool              // has the server for itself, since it breaks it
	server  []postgres.Option // has a server made for it
	proxied bool              // has a network between pool and server
	pooler  map[string]string // has a PgBouncer between them, with these settings
	cold    bool              // is there before the pool
	quiet   bool              // no traffic beside the fault
	says    []string          // what the first finding has to contain as well
	tweak   func(*bench, *pgxpool.Config)
	fault   func(b *bench) (heal func()) // breaks something; heal mends it
}

func causes(c ...healthcheck.Cause) []healthcheck.Cause { return c }

var usual = []size{{4, 0}, {10, 2}}

// applicationFaults are what an application does to itself, or others to its tables.
var applicationFaults = []scenario{
	{name: "leak: acquire", truth: causes(healthcheck.CauseLeak), shows: threshold, sizes: usual, fault: func(b *bench) func() {
		conn, err := b.pool.Acquire(b.ctx)
		b.must(err)
		return conn.Release
	}},
	{name: "leak: rows", truth: causes(healthcheck.CauseLeak), shows: threshold, sizes: usual, fault: func(b *bench) func() {
		rows, err := b.pool.Query(b.ctx, "SELECT generate_series(1, 100000)")
		b.must(err)
		return rows.Close
	}},
	{name: "leak: row", truth: causes(healthcheck.CauseLeak), shows: threshold, sizes: usual, fault: func(b *bench) func() {
		row := b.pool.QueryRow(b.ctx, "SELECT 1")
		return func() { var n int; b.must(row.Scan(&n)) }
	}},
	{name: "leak: transaction", truth: causes(healthcheck.CauseLeak), shows: threshold, sizes: usual, fault: func(b *bench) func() {
		tx, err := b.pool.Begin(b.ctx)
		b.must(err)
		return func() { b.must(tx.Rollback(context.Background())) }
	}},
	{name: "leak: batch", truth: causes(healthcheck.CauseLeak), shows: threshold, sizes: usual, fault: func(b *bench) func() {
		var batch pgx.Batch
		batch.Queue("SELECT 1")
		results := b.pool.SendBatch(b.ctx, &batch)
		return func() { b.must(results.Close()) }
	}},
	{name: "leak: database/sql", truth: causes(healthcheck.CauseLeak), shows: threshold, sizes: usual, fault: func(b *bench) func() {
		db := stdlib.OpenDBFromPool(b.pool)
		rows, err := db.QueryContext(b.ctx, "SELECT generate_series(1, 100000)")
		b.must(err)
		return func() { b.must(rows.Close()); b.must(db.Close()) }
	}},
	{name: "nested acquire", truth: causes(healthcheck.CauseNestedAcquire), sizes: usual, fault: func(b *bench) func() {
		ctx, cancel := context.WithCancel(b.ctx)
		for range b.pool.Stat().MaxConns() {
			b.workers.Go(func() {
				tx, err := b.pool.Begin(ctx)
				if err != nil {
					return
				}
				defer tx.Rollback(context.Background())
				sleep(ctx, 300*time.Millisecond)
				_, _ = b.pool.Exec(ctx, "SELECT 1")
			})
		}
		return cancel
	}},
	{name: "sleeping in a transaction", truth: causes(healthcheck.CauseHeldIdle), sizes: usual, fault: func(b *bench) func() {
		return b.load(b.crowd(), func(ctx context.Context) {
			_ = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "SELECT 1")
				sleep(ctx, 300*time.Millisecond)
				return err
			})
		})
	}},
	{name: "slow queries, impatient callers", truth: causes(healthcheck.CauseSlowDatabase), sizes: usual, fault: func(b *bench) func() {
		return b.load(b.crowd(), func(ctx context.Context) {
			if conn, err := b.acquire(ctx, 500*time.Millisecond); err == nil {
				defer conn.Release()
				_, _ = conn.Exec(ctx, "SELECT pg_sleep(0.7)")
			}
		})
	}},
	{name: "too small a pool", truth: causes(healthcheck.CauseUndersized), sizes: []size{{2, 0}, {4, 2}}, fault: func(b *bench) func() {
		return b.load(12*int(b.pool.Stat().MaxConns()), func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "SELECT pg_sleep(0.004)") })
	}},
	{name: "deadlines shorter than the queries", truth: causes(healthcheck.CauseCancelChurn), sizes: usual, fault: func(b *bench) func() {
		return b.load(b.crowd(), func(ctx context.Context) {
			within, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			_, _ = b.pool.Exec(within, "SELECT pg_sleep(0.5)")
		})
	}},
	{name: "slow hook before connect", truth: causes(healthcheck.CauseSlowConnect), sizes: usual, tweak: slowHook, fault: func(b *bench) func() {
		b.broken.Store(true)
		end := b.load(1, func(ctx context.Context) { b.pool.Reset(); sleep(ctx, 500*time.Millisecond) })
		return func() { b.broken.Store(false); end() }
	}},
}

// slowHook stands for a BeforeConnect that asks a service for a password. The service is slow once the scenario has begun.
func slowHook(b *bench, cfg *pgxpool.Config) {
	cfg.BeforeConnect = func(ctx context.Context, _ *pgx.ConnConfig) error {
		if b.broken.Load() {
			sleep(ctx, 400*time.Millisecond)
		}
		return nil
	}
}
