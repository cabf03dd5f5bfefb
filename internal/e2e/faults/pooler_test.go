package faults

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
)

// Settings of PgBouncer. In transaction mode nothing may be prepared: see unprepared.
var (
	bySession     = map[string]string{"pool_mode": "session"}
	byTransaction = map[string]string{"pool_mode": "transaction"}
	fewSessions   = map[string]string{"pool_mode": "transaction", "default_pool_size": "2"}
	fewForGood    = map[string]string{"pool_mode": "session", "default_pool_size": "2"}
	fewClients    = map[string]string{"pool_mode": "transaction", "max_client_conn": "12"}
)

// retry is how long a query hangs in PgBouncer until it knows that its server is gone; then it refuses the next ones at once.
const retry = 3 * time.Second

// poolerFaults happen behind a PgBouncer, or in it.
var poolerFaults = []scenario{
	{name: "behind a pooler: queue in it", truth: causes(healthcheck.CausePoolerQueue), sizes: usual[1:], own: true, pooler: fewSessions, tweak: unprepared,
		fault: func(b *bench) func() {
			return b.load(b.crowd(), func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "SELECT pg_sleep(0.02)") })
		}},
	{name: "behind a pooler: its sessions kept", truth: causes(healthcheck.CausePoolerQueue), sizes: usual[1:], own: true, pooler: fewForGood,
		fault: func(b *bench) func() {
			return b.load(b.crowd(), func(ctx context.Context) {
				within, cancel := context.WithTimeout(ctx, 20*time.Second)
				defer cancel()
				_, _ = b.pool.Exec(within, "SELECT pg_sleep(0.02)")
			})
		}},
	{name: "behind a pooler: no client allowed", truth: causes(healthcheck.CauseTooManyConnections), sizes: usual, own: true, cold: true,
		pooler: fewClients, tweak: unprepared, fault: usedUp},
	{name: "behind a pooler: server stopped", truth: causes(healthcheck.CauseUnreachable, healthcheck.CauseServerShutdown), sizes: usual, own: true,
		pooler: byTransaction, tweak: unprepared, shows: retry, fault: stopped},
	{name: "behind a pooler: server killed, sessions kept", truth: causes(healthcheck.CauseUnreachable), sizes: usual[:1], own: true,
		pooler: bySession, shows: retry, fault: killed},
	{name: "behind a pooler: leak", truth: causes(healthcheck.CauseLeak), sizes: usual, own: true, pooler: byTransaction, tweak: unprepared, shows: threshold,
		fault: func(b *bench) func() {
			tx, err := b.pool.Begin(b.ctx)
			b.must(err)
			return func() { b.must(tx.Rollback(context.Background())) }
		}},
}

// unprepared is how pgx must be told that a pooler lends sessions by transaction.
func unprepared(_ *bench, cfg *pgxpool.Config) {
	cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
}

// behindPooler puts a PgBouncer between pool and server, and returns how to end it.
func (b *bench) behindPooler(settings map[string]string) (end func()) {
	b.t.Helper()
	pooler, err := b.server.StartPooler(b.t.Context(), map[string]string{"app": "app"}, settings)
	b.must(err)
	b.dsn = pooler.DSNFor("app", "app", "faults") + "&application_name=" + b.name
	return func() {
		if err := pooler.Close(); err != nil {
			b.t.Error(err)
		}
	}
}

// TestPooler_LendsTheServersSessions is a test of the tester.
func TestPooler_LendsTheServersSessions(t *testing.T) {
	t.Parallel()
	b := newBench(t, newServer(t))
	defer b.stop()
	end := b.behindPooler(map[string]string{"pool_mode": "transaction", "default_pool_size": "1"})
	var pids [2]uint32
	for i := range pids {
		conn, err := b.connect()
		b.must(err)
		defer conn.Close(context.Background())
		b.must(conn.QueryRow(b.ctx, "SELECT pg_backend_pid()", pgx.QueryExecModeExec).Scan(&pids[i]))
		if pids[i] == conn.PgConn().PID() {
			t.Error("the pooler gives away the server's PID")
		}
	}
	if pids[0] != pids[1] {
		t.Errorf("two sessions of the server, %v", pids)
	}
	end()
	if _, err := b.connect(); err == nil {
		t.Error("it still listens")
	}
}

func TestPooler_AHealthyPoolBehindItRaisesNothing(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]map[string]string{"session": bySession, "transaction": byTransaction} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, newServer(t))
			defer b.behindPooler(settings)()
			b.open(usual[1], unprepared, nervous()...)
			defer b.close()
			end := b.load(5, func(ctx context.Context) {
				_ = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, "SELECT pg_sleep(0.005)")
					return err
				})
				sleep(ctx, 5*time.Millisecond)
			})
			b.watch(4 * time.Second)
			end()
		})
	}
}

func TestPooler_AQueueInItIsNeverCalledUndersized(t *testing.T) {
	t.Parallel()
	for _, query := range []string{"SELECT 1", "SELECT pg_sleep(0.005)", "SELECT pg_sleep(0.05)"} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, newServer(t))
			defer b.behindPooler(fewSessions)()
			b.open(usual[1], unprepared)
			defer b.close()
			b.load(b.crowd(), func(ctx context.Context) { _, _ = b.pool.Exec(ctx, query) })
			for start := time.Now(); time.Since(start) < 8*time.Second; sleep(b.ctx, interval/20) {
				if r := b.monitor.Health(); r.Names(healthcheck.CauseUndersized) {
					t.Fatalf("%+v", r.Findings)
				}
			}
		})
	}
}

func TestPooler_ThatHasLostItsServerMakesThePoolUnhealthy(t *testing.T) {
	t.Parallel()
	b := newBench(t, newServer(t))
	defer b.behindPooler(byTransaction)()
	b.open(usual[0], unprepared)
	defer b.close()
	b.begin(scenario{})
	heal := stopped(b)
	r, _ := b.await(func(r healthcheck.Report) bool { return r.Status == healthcheck.Unhealthy })
	if !r.Outage || said(r) != healthcheck.CauseUnreachable || !strings.Contains(r.Findings[0].Summary, "pooler") {
		t.Errorf("%+v", r)
	}
	if b.pool.Stat().TotalConns() == 0 && b.monitor.Stats().ConnectionsCreated < 3 {
		t.Error("the pooler let nobody in")
	}
	heal()
	if r, ok := b.await(healthy); !ok {
		t.Errorf("%+v", r)
	}
}
