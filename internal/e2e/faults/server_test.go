package faults

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/postgres"
)

// silence is how long a server must have said nothing to count as unreachable: like a stuck pool it has to be waited for.
const silence = 10 * time.Second

// serverFaults happen to the server, or to what it knows of us.
var serverFaults = []scenario{
	{name: "server stopped", truth: causes(healthcheck.CauseServerShutdown), sizes: usual, own: true, fault: stopped},
	{name: "server stopped, no traffic", truth: causes(healthcheck.CauseServerShutdown, healthcheck.CauseUnreachable), sizes: usual[1:], own: true,
		quiet: true, shows: lifetime, tweak: renewing, fault: stopped},
	{name: "server restarted", truth: causes(healthcheck.CauseServerShutdown), sizes: usual, own: true, fault: func(b *bench) func() {
		b.must(b.server.Restart(context.Background()))
		return func() {}
	}},
	{name: "server killed", truth: causes(healthcheck.CauseUnreachable), sizes: usual, own: true, fault: killed},
	{name: "server killed, no traffic", truth: causes(healthcheck.CauseUnreachable), sizes: usual[1:], own: true,
		quiet: true, shows: lifetime, tweak: renewing, fault: killed},
	{name: "server paused (black hole)", truth: causes(healthcheck.CauseUnreachable), sizes: usual, own: true, shows: silence,
		fault: func(b *bench) func() {
			b.must(b.server.Pause())
			return func() { b.must(b.server.Resume()) }
		}},
	{name: "server starting up", truth: causes(healthcheck.CauseServerStarting), sizes: usual, own: true, cold: true, fault: recovering},
	{name: "every backend terminated", truth: causes(healthcheck.CauseServerShutdown), sizes: usual, fault: func(b *bench) func() {
		return b.load(1, func(ctx context.Context) {
			_ = b.server.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", b.name)
			sleep(ctx, 200*time.Millisecond)
		})
	}},
	{name: "password changed", truth: causes(healthcheck.CauseRejectedCredentials), sizes: usual, own: true, fault: func(b *bench) func() {
		b.exec("ALTER ROLE app PASSWORD 'another'")
		b.pool.Reset()
		return func() { b.exec("ALTER ROLE app PASSWORD 'app'") }
	}},
	{name: "role without CONNECT", truth: causes(healthcheck.CauseRejectedCredentials), sizes: usual, own: true, fault: func(b *bench) func() {
		b.exec("REVOKE CONNECT ON DATABASE faults FROM PUBLIC")
		b.pool.Reset()
		return func() { b.exec("GRANT CONNECT ON DATABASE faults TO PUBLIC") }
	}},
	{name: "no connection left on the server", truth: causes(healthcheck.CauseTooManyConnections), sizes: usual, cold: true,
		server: []postgres.Option{postgres.WithMaxConnections(30)}, fault: usedUp},
	{name: "server read-only", truth: causes(healthcheck.CauseReadOnly), sizes: usual, own: true, fault: func(b *bench) func() {
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

// lifetime is a connection's in a pool that renews them: of one that nobody asks, and that renews nothing, nothing can be seen.
const lifetime = time.Second

func renewing(_ *bench, cfg *pgxpool.Config) {
	cfg.MaxConnLifetime, cfg.HealthCheckPeriod = lifetime, 200*time.Millisecond
}

func stopped(b *bench) func() {
	b.must(b.server.Stop(context.Background()))
	return func() { b.must(b.server.StartAgain(context.Background())) }
}

func killed(b *bench) func() {
	b.must(b.server.Kill())
	return func() { b.must(b.server.StartAgain(context.Background())) }
}

// recovering starts the server as one that restores from an archive which takes a while to answer each question.
func recovering(b *bench) func() {
	b.exec("ALTER SYSTEM SET restore_command = 'sleep 4; false'")
	b.exec(`DO $$ BEGIN EXECUTE format('COPY (SELECT) TO %L', current_setting('data_directory') || '/recovery.signal'); END $$`)
	b.must(b.server.Stop(context.Background()))
	started := make(chan error, 1)
	go func() { started <- b.server.StartAgain(context.Background()) }()
	for { // until it listens
		var refusal *pgconn.PgError
		if _, err := b.connect(); errors.As(err, &refusal) && refusal.Code == "57P03" {
			return func() { b.must(<-started) }
		}
		sleep(b.ctx, 10*time.Millisecond)
	}
}

// usedUp has others take every connection there is: a deployment with too many replicas, and ours comes last.
func usedUp(b *bench) func() {
	var others []*pgx.Conn
	conn, err := b.connect()
	for ; err == nil; conn, err = b.connect() {
		others = append(others, conn)
	}
	return func() {
		for _, conn := range others {
			b.must(conn.Close(context.Background()))
		}
	}
}
