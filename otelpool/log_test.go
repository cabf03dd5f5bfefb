package otelpool_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

// logged returns a pool of two connections, its Monitor, and the log that the Monitor writes to.
func logged(t *testing.T, level slog.Level, opts ...otelpool.Option) (*pgxpool.Pool, *otelpool.Monitor, *journal) {
	t.Helper()
	var j journal
	cfg := pgtest.Config(t)
	cfg.MaxConns, cfg.HealthCheckPeriod = 2, time.Hour
	opts = append(quiet(otelpool.WithLogger(j.logger(level)), otelpool.WithServerProbe(false)), opts...)
	if err := otelpool.Configure(cfg, opts...); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, cfg)
	return pool, instrument(t, pool), &j
}

// awaitEvents waits until there are n records of an event and returns them.
func awaitEvents(t *testing.T, j *journal, event string, n int) []record {
	t.Helper()
	eventually(t, fmt.Sprintf("%d records of %s are written", n, event), func() bool { return len(j.of(t, event)) >= n })
	got := j.of(t, event)
	if len(got) > n {
		t.Fatalf("%d records of %s, want %d: %v", len(got), event, n, got)
	}
	return got
}

// check compares level, message and keys of a record; "" is any message.
func (r record) check(t *testing.T, level, message string, keys ...string) {
	t.Helper()
	if r["level"] != level || !strings.Contains(fmt.Sprint(r["msg"]), message) {
		t.Errorf("got %v: %v, want %s: %s", r["level"], r["msg"], level, message)
	}
	want := append([]string{"time", "level", "msg", "otel.event.name", "db.client.connection.pool.name"}, keys...)
	if got := slices.Sorted(maps.Keys(r)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("%v: keys\n%q, want\n%q", r["otel.event.name"], got, slices.Sorted(slices.Values(want)))
	}
}

// traced is a context with a span, sampled or not, and the IDs in it.
func traced(ctx context.Context, flags trace.TraceFlags) (out context.Context, traceID, spanID string) {
	sc := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, SpanID: trace.SpanID{1, 2, 3, 4, 5, 6, 7, 8},
		TraceFlags: flags,
	})
	return trace.ContextWithSpanContext(ctx, sc), sc.TraceID().String(), sc.SpanID().String()
}

func TestFirstConnection_IsLoggedOnce(t *testing.T) {
	pool, _, j := logged(t, slog.LevelInfo)
	for range 3 {
		acquire(t, t.Context(), pool).Release()
	}
	r := awaitEvents(t, j, "pool.initialized", 1)[0]
	r.check(t, "INFO", "pool is connected", "max_connections", "min_connections")
}

func TestFirstConnection_ThatFailsIsAnError(t *testing.T) {
	cfg := pgtest.Config(t)
	cfg.ConnConfig.Database = "there_is_no_such_database"
	var j journal
	if err := otelpool.Configure(cfg, quiet(otelpool.WithLogger(j.logger(slog.LevelInfo)), otelpool.WithServerProbe(false))...); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, cfg)
	instrument(t, pool)
	for range 3 {
		if _, err := pool.Acquire(t.Context()); err == nil {
			t.Fatal("connected to nothing")
		}
	}
	r := awaitEvents(t, &j, "pool.initialized", 1)[0]
	r.check(t, "ERROR", "pool cannot connect", "error.type", "error")
	if r["error.type"] != "3D000" {
		t.Errorf("error.type is %v", r["error.type"])
	}
}

func TestConnectionEvents_AreARecordForEachAcquireAndRelease(t *testing.T) {
	pool, _, j := logged(t, slog.LevelInfo, otelpool.WithConnectionEvents(true))
	ctx, traceID, spanID := traced(t.Context(), 0)
	held := acquire(t, ctx, pool)
	acquire(t, ctx, pool)
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := pool.Acquire(short); err == nil {
		t.Fatal("the pool is not full")
	}
	held.Release()
	acquired := awaitEvents(t, j, "connection.acquired", 3)
	acquired[0].check(t, "INFO", "connection acquired", "wait_seconds", "trace_id", "span_id")
	acquired[2].check(t, "INFO", "acquire failed", "wait_seconds", "error.type")
	released := awaitEvents(t, j, "connection.released", 1)[0]
	released.check(t, "INFO", "connection released", "held_seconds", "trace_id", "span_id")
	if released["trace_id"] != traceID || released["span_id"] != spanID {
		t.Errorf("released in %v, %v", released["trace_id"], released["span_id"])
	}
}

// An OpenTelemetry bridge without a minimum severity has every level enabled. So no level may switch on a record of each
// acquire.
func TestConnectionEvents_AreSwitchedOnByNoLevel(t *testing.T) {
	var e emitted
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(&e))
	pool, monitor, _ := logged(t, slog.LevelDebug,
		otelpool.WithLogger(otelslog.NewLogger("test", otelslog.WithLoggerProvider(provider))))
	for range 100 {
		acquire(t, t.Context(), pool).Release()
	}
	if err := monitor.Close(); err != nil { // which writes what is left
		t.Fatal(err)
	}
	if n := len(e.of("pool.initialized")); n != 1 {
		t.Errorf("%d records of the first connection", n)
	}
	if n := len(e.of("connection.acquired")) + len(e.of("connection.released")); n != 0 {
		t.Errorf("%d records of acquires and releases", n)
	}
}

func TestUsageHigh_IsLoggedOnceAnEpisode(t *testing.T) {
	pool, monitor, j := logged(t, slog.LevelInfo)
	for episode := 1; episode <= 2; episode++ {
		a, b := acquire(t, t.Context(), pool), acquire(t, t.Context(), pool)
		r := awaitEvents(t, j, "pool.usage_high", episode)[episode-1]
		r.check(t, "INFO", "most connections are in use", "usage", "used", "max_connections")
		a.Release()
		b.Release()
		since := time.Now()
		eventually(t, "the sampler has run again", func() bool { return monitor.Health().At.After(since) })
	}
}

func TestLostConnection_IsLogged(t *testing.T) {
	pool, _, j := logged(t, slog.LevelInfo)
	conn := acquire(t, t.Context(), pool)
	pid := conn.Conn().PgConn().PID()
	if _, err := pool.Exec(t.Context(), "SELECT pg_terminate_backend($1)", int32(pid)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Fatal("a terminated session answered")
	}
	conn.Release()
	r := awaitEvents(t, j, "connection.lost", 1)[0]
	r.check(t, "WARN", "connections lost under queries", "error.type", "connections", "backend_pids")
	if pids, _ := r["backend_pids"].([]any); r["error.type"] != "57P01" || len(pids) != 1 || pids[0] != float64(pid) {
		t.Errorf("got %v", r)
	}
}

// emitted keeps log records as an OpenTelemetry processor gets them.
type emitted struct {
	mu      sync.Mutex // guards records
	records []sdklog.Record
}

func (e *emitted) OnEmit(_ context.Context, r *sdklog.Record) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.records = append(e.records, r.Clone())
	return nil
}
func (e *emitted) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (e *emitted) Shutdown(context.Context) error                         { return nil }
func (e *emitted) ForceFlush(context.Context) error                       { return nil }

func (e *emitted) of(event string) (out []sdklog.Record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.records {
		r.WalkAttributes(func(kv attribute.KeyValue) bool {
			if kv.Key == "otel.event.name" && kv.Value.AsString() == event {
				out = append(out, r)
			}
			return true
		})
	}
	return out
}

func TestRecords_ThroughOtelslogAreCorrelatedWithTheRequest(t *testing.T) {
	var e emitted
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(&e))
	pool, _, _ := logged(t, slog.LevelInfo, otelpool.WithLeakThreshold(30*time.Millisecond),
		otelpool.WithLogger(otelslog.NewLogger("test", otelslog.WithLoggerProvider(provider))), otelpool.WithConnectionEvents(true))
	ctx, traceID, spanID := traced(t.Context(), trace.FlagsSampled)
	conn := leak(t, ctx, pool)
	eventually(t, "the leak is logged", func() bool { return len(e.of("leak.suspected")) == 1 })
	conn.Release()
	eventually(t, "the recovery is logged", func() bool { return len(e.of("leak.recovered")) == 1 })
	for _, event := range []string{"connection.acquired", "leak.suspected", "leak.recovered", "connection.released"} {
		records := e.of(event)
		if len(records) != 1 {
			t.Errorf("%d records of %s", len(records), event)
			continue
		}
		if r := records[0]; r.TraceID().String() != traceID || r.SpanID().String() != spanID {
			t.Errorf("%s belongs to trace %v, span %v", event, r.TraceID(), r.SpanID())
		}
	}
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

func TestStatistics_AreLoggedOnceAMinute(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		for range 3 {
			take(t, b.pool).Release()
		}
		time.Sleep(59500 * time.Millisecond)
		if n := len(b.log.of(t, "pool.statistics")); n != 0 {
			t.Errorf("%d records in the first minute", n)
		}
		time.Sleep(2 * time.Minute)
		records := b.log.of(t, "pool.statistics")
		if len(records) != 2 {
			t.Fatalf("%d records in three minutes less half a second, want 2", len(records))
		}
		records[0].check(t, "INFO", "pool statistics", "total", "idle", "used", "max_connections", "waiting", "acquires",
			"releases", "timeouts", "longest_wait_seconds", "status")
		if r := records[0]; r["acquires"] != 3.0 || r["releases"] != 3.0 || r["max_connections"] != 2.0 || r["status"] != "healthy" {
			t.Errorf("got %v", r)
		}
		if err := b.monitor.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
