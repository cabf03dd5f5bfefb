package otelpool_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/internal/testing/postgres"
	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/otelpool"
)

// lose takes the server away and lets the pool notice.
func (b *bubbled) lose(t *testing.T, how func()) {
	t.Helper()
	take(t, b.pool).Release()
	time.Sleep(10*time.Second + 500*time.Millisecond) // between two ticks
	how()
	b.server.CloseAll()
	for range 3 {
		if conn, err := b.pool.Acquire(t.Context()); err == nil {
			t.Fatalf("the server is still there: %v", conn.Conn().Ping(t.Context()))
		}
		time.Sleep(time.Second)
	}
	if h := b.monitor.Health(); h.Status != healthcheck.Unhealthy {
		t.Fatalf("the outage was not noticed: %s, %+v", h.State, h.Findings)
	}
}

func refused() error { return fmt.Errorf("dial: %w", syscall.ECONNREFUSED) }

func TestProbe_TriesByTheScheduleUntilTheServerIsBack(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	reader := sdkmetric.NewManualReader()
	bubble(t, func(t *testing.T, b *bubbled) {
		b.lose(t, func() { b.server.RefuseDial(refused()) })
		time.Sleep(70 * time.Second)
		attempts := b.log.of(t, "reconnect.attempt")
		if len(attempts) < 6 {
			t.Fatalf("%d attempts in 70 s", len(attempts))
		}
		for i, want := range []float64{1, 2, 4, 8, 16, 16} {
			r := attempts[i]
			r.check(t, "WARN", "server probe could not connect", "attempt", "delay_seconds", "error.type", "error")
			if delay := r["delay_seconds"].(float64); delay < 0.9*want || delay > 1.1*want || r["attempt"] != float64(i+1) {
				t.Errorf("attempt %v is followed by %v s, want %v ± 10 %%", r["attempt"], delay, want)
			}
			if r["error.type"] != "connection_refused" {
				t.Errorf("error.type is %v", r["error.type"])
			}
		}
		if n := len(b.log.of(t, "reconnect.succeeded")); n != 0 {
			t.Errorf("%d successes", n)
		}
		b.server.Accept()
		time.Sleep(2 * time.Minute)
		done := b.log.of(t, "reconnect.succeeded")
		if len(done) != 1 {
			t.Fatalf("%d successes, want 1", len(done))
		}
		done[0].check(t, "INFO", "pool is served again", "outage_seconds", "status", "otelpool.cause", "attempts")
		if done[0]["otelpool.cause"] != "unreachable" || done[0]["attempts"] != float64(len(b.log.of(t, "reconnect.attempt"))+1) {
			t.Errorf("after %d failed attempts: %v", len(b.log.of(t, "reconnect.attempt")), done[0])
		}
		if b.monitor.Health().Status != healthcheck.Healthy {
			t.Errorf("after two minutes: %+v", b.monitor.Health())
		}
		if n := b.server.Sessions(); n != int(b.pool.Stat().TotalConns()) || n == 0 {
			t.Errorf("the server has %d sessions, the pool %d connections", n, b.pool.Stat().TotalConns())
		}
		c := collect(t, reader)
		failures := float64(len(b.log.of(t, "reconnect.attempt")))
		for name, got := range map[string][2]float64{
			"outages":           {sum(t, c, "otelpool.outages"), 1},
			"failed reconnects": {sum(t, c, "otelpool.reconnects", "otelpool.outcome", "error"), failures},
			"reconnects":        {sum(t, c, "otelpool.reconnects", "otelpool.outcome", "ok"), 1},
		} {
			if got[0] != got[1] {
				t.Errorf("%s: got %v, want %v", name, got[0], got[1])
			}
		}
		if lasted, logged := sum(t, c, "otelpool.outage.duration"), done[0]["outage_seconds"].(float64); lasted < 70 || lasted != logged {
			t.Errorf("the outage lasted %v s by the metric, %v s by the log", lasted, logged)
		}
	}, otelpool.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))),
		otelpool.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Name() != "database outage" || ended[0].InstrumentationScope().Name != "github.com/otelpool/pgx/otelpool" {
		t.Fatalf("spans: %v", ended)
	}
	if lasted := ended[0].EndTime().Sub(ended[0].StartTime()); lasted < 70*time.Second {
		t.Errorf("the span lasted %v", lasted)
	}
	attributes := make(map[attribute.Key]string)
	for _, a := range ended[0].Attributes() {
		attributes[a.Key] = a.Value.String()
	}
	attempts := attributes["otelpool.reconnect.attempts"]
	delete(attributes, "otelpool.reconnect.attempts")
	want := map[attribute.Key]string{
		"db.client.connection.pool.name": "wire:5432/app", "otelpool.cause": "unreachable", "error.type": "connection_refused",
	}
	if n, err := strconv.Atoi(attempts); !maps.Equal(attributes, want) || err != nil || n < 7 || ended[0].Status().Code != codes.Error {
		t.Errorf("the span has %v, %s attempts, %v", attributes, attempts, ended[0].Status())
	}
}

// The judge ends the outage as soon as the probe reports success. The pool must have all its connections again by then,
// however long that takes.
func TestReconnect_BuildsAllOfMinConnsBeforeItCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubbled{server: wire.NewServer()}
		defer b.server.Close()
		cfg := b.server.Config(t, "pool_max_conns=8 pool_min_conns=5 pool_health_check_period=24h")
		if err := otelpool.Configure(cfg, quiet(otelpool.WithPolicy(nimble()), otelpool.WithLogger(b.log.logger(slog.LevelInfo)))...); err != nil {
			t.Fatal(err)
		}
		var err error
		if b.pool, err = pgxpool.NewWithConfig(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		defer b.pool.Close()
		b.monitor = instrument(t, b.pool)
		time.Sleep(time.Second)
		b.server.RefuseDial(refused())
		b.server.CloseAll()
		for range 8 { // each finds a broken connection, or none
			if _, err := b.pool.Exec(t.Context(), "SELECT 7"); err == nil {
				t.Error("the server is still there")
			}
			time.Sleep(time.Second)
		}
		if b.monitor.Health().Status != healthcheck.Unhealthy {
			t.Fatalf("the outage was not noticed: %+v", b.monitor.Health())
		}
		b.server.Accept()
		b.server.SetConnectDelay(time.Second)
		time.Sleep(30 * time.Second)
		if n := b.pool.Stat().IdleConns(); n < 5 {
			t.Errorf("%d connections are back, want all 5 of MinConns", n)
		}
		if len(b.log.of(t, "reconnect.succeeded")) != 1 {
			t.Error("the outage is not over")
		}
	})
}

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
			t.Errorf("%d connects that nobody asked for", more)
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

func TestShutdown_DuringAnOutageDoesNotClaimThatItIsOver(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	bubble(t, func(t *testing.T, b *bubbled) {
		b.lose(t, func() { b.server.RefuseDial(refused()) })
		if err := b.monitor.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if n := len(b.log.of(t, "reconnect.succeeded")); n != 0 {
			t.Error("reconnect.succeeded was written")
		}
	}, otelpool.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))))
	if len(spans.Ended()) != 1 {
		t.Errorf("%d spans were ended, want the outage's", len(spans.Ended()))
	}
}

func TestShutdown_DoesNotOutlastItsContextForAProbeThatHangs(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		conn := take(t, b.pool)
		time.Sleep(10 * time.Second) // suspected of being leaked: the probe is there
		b.server.Hang(true)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := b.monitor.Shutdown(ctx); err == nil {
			t.Error("drained, though a connection is held")
		}
		if took := time.Since(began); took > 5*time.Second+100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		b.server.Hang(false)
		conn.Release()
		synctest.Wait()
	}, otelpool.WithLeakThreshold(time.Second))
}

// watcher is a connection to the server that is nobody's pool.
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

// nimble is a policy under which a pool recovers at once.
func nimble() healthcheck.Policy {
	p := healthcheck.Evidence()
	p.MinStateDuration, p.RecoveryGrace, p.ErrorWindow = 0, 0, time.Second
	return p
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

func TestOutage_OfARealServerIsReportedWithoutThePassword(t *testing.T) {
	const password = "tops3cret-Zq9x"
	server := pgtest.Start(t, postgres.WithPassword(password))
	var log journal
	spans := tracetest.NewSpanRecorder()
	reader := sdkmetric.NewManualReader()
	tracing := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	cfg := parse(t, server.DSN())
	cfg.MaxConns, cfg.MinConns = 4, 0 // nothing that pgxpool would mend by itself
	if err := otelpool.Configure(cfg, otelpool.WithLogger(log.logger(slog.LevelDebug)), otelpool.WithTracerProvider(tracing),
		otelpool.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))), otelpool.WithPolicy(nimble()),
		otelpool.WithHealthInterval(20*time.Millisecond), otelpool.WithSQLText(true), otelpool.WithQuerySpans(),
		otelpool.WithLeakThreshold(time.Hour)); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, cfg)
	monitor := instrument(t, pool)
	poke := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		ctx, span := tracing.Tracer("test").Start(ctx, "request")
		defer span.End()
		_, err := pool.Exec(ctx, "SELECT 1")
		return err
	}
	eventually(t, "the pool is healthy", func() bool { return poke() == nil && monitor.Health().Status == healthcheck.Healthy })
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	var failure error
	eventually(t, "the outage is noticed", func() bool {
		failure = poke()
		return failure != nil && monitor.Health().Status == healthcheck.Unhealthy
	})
	during := fmt.Sprintf("%+v %+v %v", monitor.Health(), monitor.Stats(), failure)
	eventually(t, "the probe tries", func() bool { return len(log.of(t, "reconnect.attempt")) > 0 })
	if err := server.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Nobody asks the pool for anything: it is the probe that brings it back.
	eventually(t, "the pool is served again", func() bool { return len(log.of(t, "reconnect.succeeded")) == 1 })
	eventually(t, "a connection is there", func() bool { return pool.Stat().IdleConns() >= 1 })
	eventually(t, "the pool is healthy", func() bool { return monitor.Health().Status == healthcheck.Healthy })
	c := collect(t, reader)
	if sum(t, c, "otelpool.outages") != 1 || sum(t, c, "otelpool.outage.duration") <= 0 ||
		sum(t, c, "otelpool.reconnects", "otelpool.outcome", "ok") != 1 || sum(t, c, "otelpool.reconnects", "otelpool.outcome", "error") < 1 {
		t.Errorf("%v: outages %v, duration %v, reconnects %v", log.of(t, "reconnect.attempt"), sum(t, c, "otelpool.outages"), sum(t, c, "otelpool.outage.duration"), sum(t, c, "otelpool.reconnects"))
	}
	text := log.String() + during + fmt.Sprintf("%v %+v %+v", c, monitor.Health(), monitor.Stats())
	for _, s := range spans.Ended() {
		text += fmt.Sprintf("%s %v %v %v", s.Name(), s.Attributes(), s.Events(), s.Status())
	}
	held := acquire(t, t.Context(), pool)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	text += fmt.Sprint(monitor.Shutdown(ctx))
	held.Release()
	if strings.Contains(text+log.String(), password) {
		t.Error("the password is in the telemetry")
	}
	for _, name := range []string{"database outage", "SELECT"} {
		if !strings.Contains(text, name) {
			t.Errorf("no span %q", name)
		}
	}
}

func TestPassword_ThatIsWrongIsNeverRepeated(t *testing.T) {
	var log journal
	cfg := pgtest.Config(t)
	cfg.ConnConfig.Password = "tops3cret-Zq9x"
	if err := otelpool.Configure(cfg, quiet(otelpool.WithLogger(log.logger(slog.LevelDebug)))...); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	monitor := instrument(t, pool)
	eventually(t, "the pool is unhealthy", func() bool {
		_, err := pool.Exec(t.Context(), "SELECT 1")
		return err != nil && names(monitor, healthcheck.CauseRejectedCredentials)
	})
	if text := log.String() + fmt.Sprintf("%+v %+v", monitor.Health(), monitor.Stats()); strings.Contains(text, cfg.ConnConfig.Password) {
		t.Errorf("the password is in: %s", text)
	}
}

func names(m *otelpool.Monitor, cause healthcheck.Cause) bool {
	h := m.Health()
	return h.Names(cause)
}

func TestHealthChange_IsLoggedAtTheLevelOfItsStatus(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		b.lose(t, func() { b.server.RefuseDial(refused()) })
		b.server.Accept()
		time.Sleep(2 * time.Minute)
		conn := take(t, b.pool)
		time.Sleep(20 * time.Second)
		conn.Release()
		var logged []string
		for _, r := range b.log.of(t, "health.changed") {
			logged = append(logged, fmt.Sprint(r["level"], " ", r["previous"], " → ", r["status"], " ", r["otelpool.cause"]))
			if r["status"] == "healthy" {
				r.check(t, "INFO", "pool is healthy", "status", "previous", "otelpool.health.state")
			} else {
				r.check(t, fmt.Sprint(r["level"]), "pool is ", "status", "previous", "otelpool.health.state",
					"otelpool.cause", "evidence", "advice", "runbook")
			}
		}
		want := []string{
			"INFO unknown → healthy <nil>", "ERROR healthy → unhealthy unreachable", "WARN unhealthy → degraded unreachable",
			"INFO degraded → healthy <nil>", "WARN healthy → degraded leak",
		}
		if !slices.Equal(logged, want) {
			t.Errorf("got %q, want %q", logged, want)
		}
	}, otelpool.WithLeakThreshold(15*time.Second))
}
