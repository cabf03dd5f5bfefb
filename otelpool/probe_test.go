package otelpool_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

func TestProbe_StopsWhenItsCredentialsAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		b.lose(t, func() { b.server.RefuseWith("28P01", "password authentication failed") })
		before := b.server.Connects()
		time.Sleep(10 * time.Minute)
		if more := b.server.Connects() - before; more != 0 {
			t.Errorf("the probe connected %d more times", more)
		}
		logged := b.log.of(t, "reconnect.attempt")
		if len(logged) != 1 {
			t.Fatalf("%d attempts were logged, want the one that was refused", len(logged))
		}
		logged[0].check(t, "WARN", "server probe was refused and does not try again", "attempt", "error.type", "error")
	})
}

func TestServerProbe_TriesNothingWhenItIsOff(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		b.lose(t, func() { b.server.RefuseDial(refused()) })
		before := b.server.Connects()
		b.server.Accept()
		time.Sleep(10 * time.Minute)
		if more := b.server.Connects() - before; more != 0 {
			t.Errorf("%d connects, though the probe is off", more)
		}
	}, otelpool.WithServerProbe(false))
}

// A pooler such as PgBouncer refuses connections that ask for parameters it does not know.
func TestProbe_AsksForNothingThatAPoolerRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		conn := take(t, b.pool)
		time.Sleep(10 * time.Second) // suspected of being leaked
		if n := b.server.Sessions(); n != 2 {
			t.Fatalf("%d sessions, want the holder's and the probe's", n)
		}
		parameters := b.server.LastStartupParameters()
		if parameters["application_name"] != "otelpool probe" {
			t.Errorf("the probe calls itself %q", parameters["application_name"])
		}
		for name := range parameters {
			switch name {
			case "user", "database", "application_name", "client_encoding":
			default:
				t.Errorf("the probe asks for %s", name)
			}
		}
		conn.Release()
	}, otelpool.WithLeakThreshold(time.Second))
}

func TestProbe_DoesNotHammerAServerThatCutsEveryConnection(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		conn := take(t, b.pool)
		time.Sleep(10 * time.Second) // suspected of being leaked
		before := b.server.Connects()
		for range 60 * 100 {
			b.server.CloseAll()
			time.Sleep(10 * time.Millisecond)
		}
		if n := b.server.Connects() - before; n < 5 || n > 80 {
			t.Errorf("the probe connected %d times in a minute", n)
		}
		conn.Release()
	}, otelpool.WithLeakThreshold(time.Second))
}

// watcher returns a connection to the server outside of any pool.
func watcher(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func probes(t *testing.T, conn *pgx.Conn, database string) (n int) {
	t.Helper()
	err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'otelpool probe' AND datname = $1", database).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestProbe_IsOneConnectionOutsideThePoolWhileItIsNotHealthy(t *testing.T) {
	for _, on := range []bool{true, false} {
		t.Run(fmt.Sprint(on), func(t *testing.T) {
			dsn := dsnOf(t)
			cfg := parse(t, dsn)
			if err := otelpool.Configure(cfg, quiet(otelpool.WithLeakThreshold(50*time.Millisecond), otelpool.WithPolicy(nimble()),
				otelpool.WithServerProbe(on))...); err != nil {
				t.Fatal(err)
			}
			pool := newPool(t, cfg)
			monitor := instrument(t, pool)
			conn := acquire(t, t.Context(), pool)
			server := watcher(t, dsn)
			eventually(t, "the pool is degraded", func() bool { return monitor.Health().Status == healthcheck.Degraded })
			if on {
				eventually(t, "the probe appears", func() bool { return probes(t, server, cfg.ConnConfig.Database) == 1 })
			}
			since := time.Now()
			for !monitor.Health().At.After(since.Add(300 * time.Millisecond)) {
				if n := probes(t, server, cfg.ConnConfig.Database); n > 1 || !on && n != 0 {
					t.Fatalf("%d probes", n)
				}
			}
			if s := pool.Stat(); s.TotalConns() != 1 || s.AcquireCount() != 1 {
				t.Errorf("the pool has %d connections after %d acquires", s.TotalConns(), s.AcquireCount())
			}
			conn.Release()
			eventually(t, "the pool is healthy", func() bool { return monitor.Health().Status == healthcheck.Healthy })
			eventually(t, "the probe is gone", func() bool { return probes(t, server, cfg.ConnConfig.Database) == 0 })
		})
	}
}

func TestProbe_SeesWhoBlocksOurBackends(t *testing.T) {
	dsn := dsnOf(t)
	cfg := parse(t, dsn)
	policy := nimble()
	policy.StuckAfter = 500 * time.Millisecond
	cfg.MaxConns = 2
	if err := otelpool.Configure(cfg, quiet(otelpool.WithPolicy(policy))...); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, cfg)
	monitor := instrument(t, pool)
	server := watcher(t, dsn)
	for _, sql := range []string{"CREATE TABLE t (n int)", "BEGIN", "LOCK TABLE t"} {
		if _, err := server.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	for range 3 { // two are blocked, one waits for them
		go func() {
			_, _ = pool.Exec(ctx, "SELECT n FROM t")
			done <- struct{}{}
		}()
	}
	eventually(t, "the lock is found to be the cause", func() bool { return names(monitor, healthcheck.CauseLockContention) })
	cancel()
	for range 3 {
		<-done
	}
}

func TestProbe_DoesNotMakeAPoolHealthyWhoseAfterConnectFails(t *testing.T) {
	cfg := pgtest.Config(t)
	cfg.AfterConnect = func(context.Context, *pgx.Conn) error { return errors.New("role tenant does not exist") }
	var probed atomic.Int64
	cfg.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		if c.RuntimeParams["application_name"] == "otelpool probe" {
			probed.Add(1)
		}
		return nil
	}
	policy := healthcheck.Evidence()
	policy.MinStateDuration, policy.RecoveryGrace = 0, 50*time.Millisecond
	if err := otelpool.Configure(cfg, quiet(otelpool.WithPolicy(policy))...); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, cfg)
	monitor := instrument(t, pool)
	if err := pool.Ping(t.Context()); err == nil {
		t.Fatal("the pool connected, though AfterConnect fails")
	}
	eventually(t, "it is unhealthy", func() bool { return monitor.Health().Status == healthcheck.Unhealthy })
	eventually(t, "the probe has tried", func() bool { return probed.Load() > 0 })
	judged := monitor.Health().At
	eventually(t, "the probe had time to answer, and health was judged since", func() bool {
		return monitor.Health().At.After(judged.Add(500 * time.Millisecond))
	})
	if h := monitor.Health(); h.Status != healthcheck.Unhealthy {
		t.Errorf("%s: %+v", h.Status, h.Findings)
	}
}

func TestProbe_CountsItsFailuresApartFromThePools(t *testing.T) {
	cfg := pgtest.Config(t)
	var down atomic.Bool
	cfg.MaxConns = 1
	var refused atomic.Int64
	cfg.BeforeConnect = func(context.Context, *pgx.ConnConfig) error {
		if down.Load() {
			refused.Add(1)
			return errors.New("token service is down")
		}
		return nil
	}
	if err := otelpool.Configure(cfg, quiet(otelpool.WithLeakThreshold(50*time.Millisecond))...); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, cfg)
	monitor := instrument(t, pool)
	held := acquire(t, t.Context(), pool)
	down.Store(true)
	eventually(t, "the leak is seen", func() bool { return names(monitor, healthcheck.CauseLeak) })
	eventually(t, "the probe was refused", func() bool { return refused.Load() > 0 })
	judged := monitor.Health().At
	eventually(t, "health was judged since", func() bool { return monitor.Health().At.After(judged.Add(50 * time.Millisecond)) })
	held.Release()
	if e := monitor.Stats().LastError; e != "" {
		t.Errorf("the probe's failure is the pool's last error: %s", e)
	}
}
