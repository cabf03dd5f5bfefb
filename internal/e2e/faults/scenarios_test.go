package faults

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/otelpool/pgx/healthcheck"
)

// scenario is something that goes wrong in a known way.
type scenario struct {
	name  string
	truth []healthcheck.Cause // any of these may be said first: where there are two, one is the other's consequence
	sizes []size
	tweak func(*pgxpool.Config)
	quiet bool                         // no traffic beside the fault
	fault func(b *bench) (heal func()) // breaks something; heal mends it
}

func causes(c ...healthcheck.Cause) []healthcheck.Cause { return c }

var (
	usual = []size{{4, 0}, {10, 2}}
	one   = []size{{4, 2}}
)

var scenarios = []scenario{
	{name: "leak: acquire", truth: causes(healthcheck.CauseLeak), sizes: usual, fault: func(b *bench) func() {
		conn, err := b.pool.Acquire(b.ctx)
		b.must(err)
		return conn.Release
	}},
	{name: "leak: rows", truth: causes(healthcheck.CauseLeak), sizes: one, fault: func(b *bench) func() {
		rows, err := b.pool.Query(b.ctx, "SELECT generate_series(1, 100000)")
		b.must(err)
		return rows.Close
	}},
	{name: "leak: row", truth: causes(healthcheck.CauseLeak), sizes: one, fault: func(b *bench) func() {
		row := b.pool.QueryRow(b.ctx, "SELECT 1")
		return func() { var n int; b.must(row.Scan(&n)) }
	}},
	{name: "leak: transaction", truth: causes(healthcheck.CauseLeak), sizes: one, fault: func(b *bench) func() {
		tx, err := b.pool.Begin(b.ctx)
		b.must(err)
		return func() { b.must(tx.Rollback(context.Background())) }
	}},
	{name: "leak: batch", truth: causes(healthcheck.CauseLeak), sizes: one, fault: func(b *bench) func() {
		var batch pgx.Batch
		batch.Queue("SELECT 1")
		results := b.pool.SendBatch(b.ctx, &batch)
		return func() { b.must(results.Close()) }
	}},
	{name: "leak: database/sql", truth: causes(healthcheck.CauseLeak), sizes: one, fault: func(b *bench) func() {
		db := stdlib.OpenDBFromPool(b.pool)
		var rows *sql.Rows
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
		return b.load(3*int(b.pool.Stat().MaxConns()), func(ctx context.Context) {
			_ = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "SELECT 1")
				sleep(ctx, 300*time.Millisecond)
				return err
			})
		})
	}},
	{name: "slow queries", truth: causes(healthcheck.CauseSlowDatabase), sizes: usual, fault: func(b *bench) func() {
		return b.load(3*int(b.pool.Stat().MaxConns()), func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "SELECT pg_sleep(0.7)") })
	}},
	{name: "table locked by an outsider", truth: causes(healthcheck.CauseLockContention), sizes: usual, fault: func(b *bench) func() {
		_, err := b.pool.Exec(b.ctx, "CREATE TABLE IF NOT EXISTS coveted (n int)")
		b.must(err)
		outsider, err := pgx.Connect(b.ctx, b.dsn)
		b.must(err)
		_, err = outsider.Exec(b.ctx, "BEGIN; LOCK TABLE coveted")
		b.must(err)
		end := b.load(3*int(b.pool.Stat().MaxConns()), func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "INSERT INTO coveted VALUES (1)") })
		return func() { b.must(outsider.Close(context.Background())); end() }
	}},
	{name: "too small a pool", truth: causes(healthcheck.CauseUndersized), sizes: []size{{2, 0}, {4, 2}}, fault: func(b *bench) func() {
		return b.load(12*int(b.pool.Stat().MaxConns()), func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "SELECT pg_sleep(0.004)") })
	}},
	{name: "slow connects", truth: causes(healthcheck.CauseSlowConnect), sizes: []size{{4, 0}}, quiet: true,
		tweak: func(cfg *pgxpool.Config) {
			cfg.MaxConnLifetime = 300 * time.Millisecond
			cfg.BeforeConnect = func(ctx context.Context, _ *pgx.ConnConfig) error { sleep(ctx, 400*time.Millisecond); return nil }
			cfg.AfterConnect = func(ctx context.Context, _ *pgx.Conn) error { sleep(ctx, 400*time.Millisecond); return nil }
		},
		fault: func(b *bench) func() {
			return b.load(2, func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "SELECT 1"); sleep(ctx, 100*time.Millisecond) })
		}},
	{name: "server stopped", truth: causes(healthcheck.CauseServerShutdown, healthcheck.CauseUnreachable), sizes: usual, fault: stopped},
	{name: "server stopped, no traffic", truth: causes(healthcheck.CauseServerShutdown, healthcheck.CauseUnreachable), sizes: one, quiet: true,
		tweak: func(cfg *pgxpool.Config) { // nobody asks, but the pool renews its connections
			cfg.MaxConnLifetime, cfg.HealthCheckPeriod = time.Second, 200*time.Millisecond
		},
		fault: stopped},
	{name: "server killed", truth: causes(healthcheck.CauseUnreachable), sizes: usual, fault: func(b *bench) func() {
		b.must(b.server.Kill())
		return func() { b.must(b.server.StartAgain(context.Background())) }
	}},
	{name: "server paused (black hole)", truth: causes(healthcheck.CauseUnreachable), sizes: one, fault: func(b *bench) func() {
		b.must(b.server.Pause())
		return func() { b.must(b.server.Resume()) }
	}},
	{name: "every backend terminated", truth: causes(healthcheck.CauseServerShutdown), sizes: usual, fault: func(b *bench) func() {
		end := make(chan struct{})
		b.workers.Go(func() {
			for {
				_ = b.server.Exec(context.Background(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'faults'")
				select {
				case <-end:
					return
				case <-time.After(200 * time.Millisecond):
				}
			}
		})
		return func() { close(end) }
	}},
	{name: "password changed", truth: causes(healthcheck.CauseRejectedCredentials), sizes: one, fault: func(b *bench) func() {
		b.exec("ALTER ROLE app PASSWORD 'another'")
		b.pool.Reset()
		return func() { b.exec("ALTER ROLE app PASSWORD 'app'") }
	}},
	{name: "role without CONNECT", truth: causes(healthcheck.CauseRejectedCredentials), sizes: one, fault: func(b *bench) func() {
		b.exec("REVOKE CONNECT ON DATABASE faults FROM PUBLIC")
		b.pool.Reset()
		return func() { b.exec("GRANT CONNECT ON DATABASE faults TO PUBLIC") }
	}},
	{name: "no connection left on the server", truth: causes(healthcheck.CauseTooManyConnections), sizes: one, fault: func(b *bench) func() {
		b.exec("ALTER ROLE app CONNECTION LIMIT 0")
		b.pool.Reset()
		return func() { b.exec("ALTER ROLE app CONNECTION LIMIT -1") }
	}},
	{name: "server read-only", truth: causes(healthcheck.CauseReadOnly), sizes: one, fault: func(b *bench) func() {
		b.exec("ALTER SYSTEM SET default_transaction_read_only = on")
		b.exec("SELECT pg_reload_conf()")
		end := b.load(1, func(ctx context.Context) {
			_, _ = b.pool.Exec(ctx, "CREATE TABLE IF NOT EXISTS written (n int)")
			sleep(ctx, 50*time.Millisecond)
		})
		return func() {
			end()
			b.exec("ALTER SYSTEM RESET default_transaction_read_only")
			b.exec("SELECT pg_reload_conf()")
		}
	}},
}

func stopped(b *bench) func() {
	b.must(b.server.Stop(context.Background()))
	return func() { b.must(b.server.StartAgain(context.Background())) }
}

// load is a crowd of its own, which end sends home.
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

// workload is something that looks odd and is well.
type workload struct {
	name  string
	sizes []size
	tweak func(*pgxpool.Config)
	run   func(b *bench) (end func())
}

func none() {}

var workloads = []workload{
	{name: "cold start", sizes: usual, run: func(b *bench) func() { b.traffic(); return none }},
	{name: "idle, MinConns 0", sizes: []size{{4, 0}}, tweak: func(c *pgxpool.Config) {
		c.MaxConnIdleTime, c.HealthCheckPeriod = 300*time.Millisecond, 100*time.Millisecond
	},
		run: func(b *bench) func() { b.must(b.pool.Ping(b.ctx)); return none }},
	{name: "bursts", sizes: one, run: func(b *bench) func() {
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
	{name: "batch job", sizes: one, run: func(b *bench) func() {
		return b.load(1, func(ctx context.Context) {
			var batch pgx.Batch
			for range 50 {
				batch.Queue("SELECT pg_sleep(0.02)")
			}
			_ = b.pool.SendBatch(ctx, &batch).Close()
		})
	}},
	{name: "LISTEN worker", sizes: one, run: func(b *bench) func() {
		conn, err := b.pool.Acquire(b.ctx)
		b.must(err)
		_, err = conn.Exec(b.ctx, "LISTEN news")
		b.must(err)
		b.traffic()
		ctx, cancel := context.WithCancel(b.ctx)
		b.workers.Go(func() { _, _ = conn.Conn().WaitForNotification(ctx); conn.Release() })
		return cancel
	}},
	{name: "rolling Reset", sizes: one, run: func(b *bench) func() {
		b.traffic()
		return b.load(1, func(ctx context.Context) { b.pool.Reset(); sleep(ctx, 300*time.Millisecond) })
	}},
	{name: "lifetime churn", sizes: one, tweak: func(c *pgxpool.Config) {
		c.MaxConnLifetime, c.HealthCheckPeriod = 200*time.Millisecond, 100*time.Millisecond
	},
		run: func(b *bench) func() { b.traffic(); return none }},
	{name: "MaxConns 1", sizes: []size{{1, 0}}, run: func(b *bench) func() { b.traffic(); return none }},
	{name: "long query", sizes: one, run: func(b *bench) func() {
		b.traffic()
		return b.load(1, func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "SELECT pg_sleep(3)") })
	}},
	{name: "long COPY", sizes: one, run: func(b *bench) func() {
		_, err := b.pool.Exec(b.ctx, "CREATE TABLE IF NOT EXISTS copied (n int)")
		b.must(err)
		return b.load(1, func(ctx context.Context) {
			n := 0
			_, _ = b.pool.CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"n"}, pgx.CopyFromFunc(func() ([]any, error) {
				if n++; n > 30 {
					return nil, nil
				}
				sleep(ctx, 100*time.Millisecond)
				return []any{n}, nil
			}))
		})
	}},
	{name: "busy transaction", sizes: one, run: func(b *bench) func() {
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
	{name: "hijacked", sizes: one, run: func(b *bench) func() {
		conn, err := b.pool.Acquire(b.ctx)
		b.must(err)
		mine := conn.Hijack()
		b.traffic()
		return func() { b.must(mine.Close(context.Background())) }
	}},
}
