package otelpool_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// logged is a pool of two connections and all that its monitor writes.
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

// An OpenTelemetry bridge without a minimum severity calls every level enabled: no level may make a record of each acquire.
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

func TestExhaustion_IsLoggedOnceAnEpisodeWithTheHolders(t *testing.T) {
	pool, monitor, j := logged(t, slog.LevelInfo, otelpool.WithLeakThreshold(time.Hour))
	for episode := 1; episode <= 2; episode++ {
		var held []*pgxpool.Conn
		for range 2 {
			held = append(held, holdForever(t, pool))
		}
		ctx, cancel := context.WithCancel(t.Context())
		waiter, traceID, _ := traced(ctx, 0)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := pool.Acquire(waiter); err == nil {
				t.Error("the pool is not full")
			}
		})
		r := awaitEvents(t, j, "pool.exhausted", episode)[episode-1]
		r.check(t, "WARN", "pool is exhausted; connections are held by: 2 at log_test.go:",
			"holders", "waiting", "timeouts", "oldest_wait_seconds", "oldest_waiter", "trace_id")
		if !strings.Contains(fmt.Sprint(r["holders"]), "holdForever") || r["waiting"] != 1.0 || r["trace_id"] != traceID {
			t.Errorf("record: %v", r)
		}
		cancel()
		wg.Wait()
		for _, c := range held {
			c.Release()
		}
		since := time.Now()
		eventually(t, "the sampler has run again", func() bool { return monitor.Health().At.After(since) })
	}
}

// holdForever is the call site that the record must name.
func holdForever(t *testing.T, pool *pgxpool.Pool) *pgxpool.Conn {
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Release)
	return conn
}

// The message must not accuse holders who are not there.
func TestExhaustion_AccusesNobodyWhereAPoolThatIsNotFullTimesOut(t *testing.T) {
	var j journal
	cfg := pgtest.Config(t)
	block := make(chan struct{})
	if err := otelpool.Configure(cfg, quiet(otelpool.WithLogger(j.logger(slog.LevelInfo)), otelpool.WithServerProbe(false))...); err != nil {
		t.Fatal(err)
	}
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		select {
		case <-block:
		case <-ctx.Done():
		}
		return dial(ctx, network, addr)
	}
	pool := newPool(t, cfg)
	instrument(t, pool)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := pool.Acquire(ctx); err == nil {
		t.Fatal("connected through a dialer that blocks")
	}
	r := awaitEvents(t, &j, "pool.exhausted", 1)[0]
	r.check(t, "WARN", "acquires timed out, and by now no connection is held", "holders", "waiting", "timeouts")
	close(block)
}

// leak is the call site of the leaks.
func leak(t *testing.T, ctx context.Context, pool *pgxpool.Pool) *pgxpool.Conn {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Release)
	return conn
}

var leakKeys = []string{
	"age_seconds", "idle_seconds", "backend_pid", "in_transaction", "queries", "db.operation.name", "trace_id", "span_id",
	"code.function.name", "code.file.path", "code.line.number", "connections", "otelpool.leak.tier",
}

func TestLeak_IsLoggedOnceWithItsCallSiteAndSoIsItsRecovery(t *testing.T) {
	pool, monitor, j := logged(t, slog.LevelInfo, otelpool.WithLeakThreshold(50*time.Millisecond))
	ctx, traceID, spanID := traced(t.Context(), trace.FlagsSampled)
	conn := leak(t, ctx, pool)
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	suspected := awaitEvents(t, j, "leak.suspected", 1)[0]
	suspected.check(t, "WARN", "connection may be leaked, taken at log_test.go:", append([]string{"code.stacktrace"}, leakKeys...)...)
	for key, want := range map[string]any{
		"trace_id": traceID, "span_id": spanID, "connections": 1.0, "otelpool.leak.tier": "idle_held", "db.operation.name": "SELECT",
		"code.function.name": "github.com/otelpool/pgx/otelpool_test.leak", "queries": 1.0, "in_transaction": false,
	} {
		if suspected[key] != want {
			t.Errorf("%s is %v, want %v", key, suspected[key], want)
		}
	}
	if stack := fmt.Sprint(suspected["code.stacktrace"]); !strings.HasPrefix(stack, "github.com/otelpool/pgx/otelpool_test.leak\n\t") ||
		!strings.Contains(stack, "TestLeak_IsLoggedOnceWithItsCallSiteAndSoIsItsRecovery") {
		t.Errorf("stack:\n%s", stack)
	}
	since := time.Now()
	eventually(t, "the sampler has run again", func() bool { return monitor.Health().At.After(since.Add(60 * time.Millisecond)) })
	awaitEvents(t, j, "leak.suspected", 1)
	conn.Release()
	recovered := awaitEvents(t, j, "leak.recovered", 1)[0]
	recovered.check(t, "INFO", "suspected leak came back: log_test.go:", leakKeys...)
}

func TestLeaks_OfOneCallSiteAreLoggedTogetherAndAgainWhenOrphaned(t *testing.T) {
	pool, _, j := logged(t, slog.LevelInfo, otelpool.WithLeakThreshold(100*time.Millisecond), otelpool.WithHealthInterval(time.Second))
	ctx, cancel := context.WithCancel(t.Context())
	for range 2 {
		leak(t, ctx, pool)
	}
	if r := awaitEvents(t, j, "leak.suspected", 1)[0]; r["connections"] != 2.0 {
		t.Errorf("not grouped: %v", r)
	}
	cancel()
	r := awaitEvents(t, j, "leak.suspected", 2)[1]
	if r["otelpool.leak.tier"] != "orphaned" || r["context"] != context.Canceled.Error() || r["connections"] != 2.0 {
		t.Errorf("orphaned: %v", r)
	}
}

func TestExpectLongHold_IsNoLeak(t *testing.T) {
	pool, monitor, j := logged(t, slog.LevelInfo, otelpool.WithLeakThreshold(10*time.Millisecond))
	leak(t, otelpool.ExpectLongHold(t.Context(), "LISTEN"), pool)
	since := time.Now()
	eventually(t, "the threshold passes", func() bool { return monitor.Health().At.After(since.Add(60 * time.Millisecond)) })
	awaitEvents(t, j, "leak.suspected", 0)
	if held := monitor.Holders(); len(held) != 1 || held[0].Expected != "LISTEN" {
		t.Errorf("holders: %+v", held)
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

// emitted keeps log records as an OpenTelemetry pipeline would get them.
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

// panickingHandler is a log handler that panics at each record.
type panickingHandler struct{ slog.Handler }

func (panickingHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panickingHandler) Handle(context.Context, slog.Record) error { panic("no log today") }
func (h panickingHandler) WithAttrs([]slog.Attr) slog.Handler      { return h }

func TestLogHandler_ThatPanicsHarmsNobody(t *testing.T) {
	pool, monitor, _ := logged(t, slog.LevelInfo, otelpool.WithLogger(slog.New(panickingHandler{})), otelpool.WithLeakThreshold(time.Millisecond))
	for range 10 {
		acquire(t, t.Context(), pool).Release()
	}
	leak(t, t.Context(), pool)
	since := time.Now()
	eventually(t, "the sampler goes on", func() bool { return monitor.Health().At.After(since.Add(100 * time.Millisecond)) })
	if s := monitor.Stats(); s.TotalAcquisitions != 11 {
		t.Errorf("stats: %+v", s)
	}
}

// poolHandler writes its records to the database, by the pool that they are about.
type poolHandler struct {
	slog.Handler
	pool  *pgxpool.Pool
	calls *atomic.Int64
}

func (poolHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h poolHandler) Handle(context.Context, slog.Record) error {
	h.calls.Add(1)
	_, err := h.pool.Exec(context.Background(), "SELECT 1")
	return err
}
func (h poolHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

func TestLogHandler_MayUseThePoolThatItLogs(t *testing.T) {
	var calls atomic.Int64
	cfg := configured(t, quiet()...)
	cfg.MaxConns = 1
	pool := newPool(t, cfg)
	monitor := instrument(t, pool, otelpool.WithLogger(slog.New(poolHandler{slog.DiscardHandler, pool, &calls})))
	if err := pool.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a record is written", func() bool { return calls.Load() > 0 && monitor.Stats().TotalReleases > 1 })
}
