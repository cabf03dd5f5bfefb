package otelpool_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
