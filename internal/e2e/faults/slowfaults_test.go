package faults

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
)

// slowFaults are answers that come late, each for a reason of its own. The finding has to say which.
var slowFaults = []scenario{
	{name: "slow queries", truth: causes(healthcheck.CauseSlowDatabase), sizes: usual, says: []string{"Find the slow statements"},
		fault: func(b *bench) func() {
			return b.load(b.crowd(), func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "SELECT pg_sleep(0.7)") })
		}},
	{name: "commits wait for a standby", truth: causes(healthcheck.CauseSlowDatabase), sizes: usual, own: true,
		says: []string{"wait for IPC/SyncRep"}, fault: func(b *bench) func() {
			b.table()
			b.exec("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
			b.exec("SELECT pg_reload_conf()")
			end := b.load(b.crowd(), func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "INSERT INTO "+b.name+" VALUES (1)") })
			return func() {
				b.exec("ALTER SYSTEM RESET synchronous_standby_names")
				b.exec("SELECT pg_reload_conf()")
				end()
			}
		}},
	{name: "many short queries", truth: causes(healthcheck.CauseSlowDatabase), sizes: usual,
		says: []string{"queries a hold so far, each about"}, fault: func(b *bench) func() {
			return b.load(b.crowd(), func(ctx context.Context) {
				_ = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) (err error) {
					for i := 0; i < 300 && err == nil; i++ {
						_, err = tx.Exec(ctx, "SELECT pg_sleep(0.002)")
					}
					return err
				})
			})
		}},
	{name: "others take the processor", truth: causes(healthcheck.CauseSlowDatabase), sizes: usual[:1], shows: time.Second, tweak: yielding,
		says: []string{`sessions of others run on the server, most of them of application "reports"`}, fault: func(b *bench) func() {
			ctx, cancel := context.WithCancel(b.ctx)
			const busy = 8
			for range busy {
				conn, err := pgx.Connect(ctx, b.server.DSNFor("app", "app", "faults")+"&application_name=reports")
				b.must(err)
				b.must(renice(conn, 15))
				b.workers.Go(func() { _, _ = conn.Exec(ctx, "DO $$ BEGIN LOOP END LOOP; END $$") })
			}
			b.until("SELECT count(*) = $1 FROM pg_stat_activity WHERE application_name = 'reports' AND state = 'active'", busy)
			end := b.load(b.crowd(), func(ctx context.Context) {
				_, _ = b.pool.Exec(ctx, "SELECT count(*) FROM generate_series(1, 100000)")
			})
			return func() { cancel(); end() }
		}},
}

// yielding makes the pool's sessions yield to those who take the processor, who yield to all other tests.
func yielding(_ *bench, cfg *pgxpool.Config) {
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error { return renice(conn, 19) }
}

func renice(conn *pgx.Conn, niceness int) error {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, int(conn.PgConn().PID()), niceness); err != nil {
		return fmt.Errorf("renice the backend: %w", err)
	}
	return nil
}

// until waits until the server answers yes.
func (b *bench) until(question string, args ...any) {
	b.t.Helper()
	conn, err := b.connect()
	b.must(err)
	defer conn.Close(context.Background())
	for yes := false; !yes; {
		b.must(conn.QueryRow(b.ctx, question, args...).Scan(&yes))
		sleep(b.ctx, 10*time.Millisecond)
	}
}
