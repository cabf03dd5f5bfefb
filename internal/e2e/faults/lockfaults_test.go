package faults

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/healthcheck"
)

// lockFaults are locks that somebody keeps. The finding has to name him, and not those who queue in between.
var lockFaults = []scenario{
	{name: "table locked by an outsider", truth: causes(healthcheck.CauseLockContention), sizes: usual,
		says: []string{"(not of this pool"}, fault: func(b *bench) func() {
			b.table()
			unlock := b.outsider("LOCK TABLE " + b.name)
			end := b.load(b.crowd(), func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "INSERT INTO "+b.name+" VALUES (1)") })
			return func() { unlock(); end() }
		}},
	{name: "chain of locks", truth: causes(healthcheck.CauseLockContention), sizes: usual,
		says: []string{"(not of this pool"}, fault: func(b *bench) func() {
			b.table()
			unlock := b.outsider("SELECT FROM " + b.name) // a report that somebody left open
			changing := b.load(1, func(ctx context.Context) {
				_ = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, "LOCK TABLE "+b.name) // a migration
					return err
				})
				sleep(ctx, 100*time.Millisecond)
			})
			end := b.load(b.crowd(), func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "SELECT FROM "+b.name) })
			return func() { unlock(); end(); changing() }
		}},
	{name: "our own forgotten transaction", truth: causes(healthcheck.CauseLockContention), sizes: usual,
		says: []string{"(ours, taken at lockfaults_test.go"}, fault: func(b *bench) func() {
			b.table()
			tx, err := b.pool.Begin(b.ctx)
			b.must(err)
			_, err = tx.Exec(b.ctx, "LOCK TABLE "+b.name)
			b.must(err)
			end := b.load(b.crowd(), func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "INSERT INTO "+b.name+" VALUES (1)") })
			return func() { b.must(tx.Rollback(context.Background())); end() }
		}},
	{name: "impatient callers behind a lock", truth: causes(healthcheck.CauseLockContention), sizes: usual,
		says: []string{"idle in transaction"}, fault: func(b *bench) func() {
			b.table()
			unlock := b.outsider("LOCK TABLE " + b.name)
			end := b.load(b.crowd(), func(ctx context.Context) {
				within, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
				defer cancel()
				_, _ = b.pool.Exec(within, "INSERT INTO "+b.name+" VALUES (1)")
			})
			return func() { unlock(); end() }
		}},
}

// table makes the bench a table of its own.
func (b *bench) table() {
	b.t.Helper()
	_, err := b.pool.Exec(b.ctx, "CREATE TABLE IF NOT EXISTS "+b.name+" (n int)")
	b.must(err)
}

// outsider begins a transaction outside the pool, which stays open until it is closed.
func (b *bench) outsider(sql string) (end func()) {
	b.t.Helper()
	conn, err := pgx.Connect(b.ctx, b.server.DSNFor("app", "app", "faults")+"&application_name=outsider")
	b.must(err)
	_, err = conn.Exec(b.ctx, "BEGIN; "+sql)
	b.must(err)
	return func() { b.must(conn.Close(context.Background())) }
}
