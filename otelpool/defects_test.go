package otelpool_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/internal/testing/postgres"
	"github.com/otelpool/pgx/otelpool"
)

// Each of these was once otherwise.

func TestConfigure_AfterThePoolWasBuiltIsWarnedOf(t *testing.T) {
	var log journal
	cfg := pgtest.Config(t)
	pool := newPool(t, cfg)
	if err := otelpool.Configure(cfg, quiet(otelpool.WithLogger(log.logger(slog.LevelInfo)))...); err != nil {
		t.Fatal(err)
	}
	instrument(t, pool, quiet(otelpool.WithLogger(log.logger(slog.LevelInfo)))...)
	awaitEvents(t, &log, "pool.stat_only", 1)[0].check(t, "WARN", "as the last change of cfg")
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
		t.Fatal("it connects")
	}
	eventually(t, "it is unhealthy", func() bool { return monitor.Health().Status == healthcheck.Unhealthy })
	eventually(t, "the probe has tried", func() bool { return probed.Load() > 0 })
	judged := monitor.Health().At
	eventually(t, "the probe has answered, and was judged by", func() bool {
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
	eventually(t, "its failure is known", func() bool { return monitor.Health().At.After(judged.Add(50 * time.Millisecond)) })
	held.Release()
	if e := monitor.Stats().LastError; e != "" {
		t.Errorf("the probe's failure is the pool's last error: %s", e)
	}
}

func TestArgument_OfAHooksQueryIsNotExposedByItsError(t *testing.T) {
	const secret = "4111-1111-1111-1111"
	var log journal
	cfg := pgtest.Config(t)
	cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		var n int
		return c.QueryRow(ctx, "SELECT $1::text::int", secret).Scan(&n)
	}
	if err := otelpool.Configure(cfg, quiet(otelpool.WithLogger(log.logger(slog.LevelDebug)))...); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, cfg)
	monitor := instrument(t, pool)
	if err := pool.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), secret) {
		t.Fatalf("the application's own error was changed: %v", err)
	}
	eventually(t, "the failure is reported", func() bool { return len(monitor.Health().Findings) > 0 })
	text := showHealth(monitor) + log.String() + monitor.Stats().LastError
	if strings.Contains(text, secret) || !strings.Contains(text, "22P02") {
		t.Errorf("the argument, or no SQLSTATE, is in: %s", text)
	}
}

func TestArgument_ThatPgxCannotEncodeIsNotExposedByItsError(t *testing.T) {
	var log journal
	cfg := pgtest.Config(t)
	cfg.PrepareConn = func(ctx context.Context, c *pgx.Conn) (bool, error) {
		_, err := c.Exec(ctx, "SELECT $1::int2", 987654321)
		return true, err
	}
	if err := otelpool.Configure(cfg, quiet(otelpool.WithLogger(log.logger(slog.LevelDebug)))...); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, cfg)
	monitor := instrument(t, pool)
	if err := pool.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "987654321") {
		t.Fatalf("the application's own error was changed: %v", err)
	}
	eventually(t, "the failure is reported", func() bool { return strings.Contains(showHealth(monitor), "failed to encode args[0]: ***") })
	if text := showHealth(monitor) + log.String() + monitor.Stats().LastError; strings.Contains(text, "987654321") {
		t.Errorf("the argument is in: %s", text)
	}
}

// showHealth is the page of the last judgement.
func showHealth(monitor *otelpool.Monitor) string {
	recorder := httptest.NewRecorder()
	monitor.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/health/database", nil))
	return recorder.Body.String()
}

func TestQuerySpans_HaveTheTextOfStatementsOnlyOnRequest(t *testing.T) {
	for _, asked := range []bool{false, true} {
		spans := tracetest.NewInMemoryExporter()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
		pool := newPool(t, configured(t, quiet(otelpool.WithQuerySpans(), otelpool.WithTracerProvider(provider), otelpool.WithSQLText(asked))...))
		ctx, span := provider.Tracer("").Start(t.Context(), "request")
		if _, err := pool.Exec(ctx, "SELECT 'card 4111'"); err != nil {
			t.Fatal(err)
		}
		span.End()
		found := false
		for _, s := range spans.GetSpans() {
			for _, a := range s.Attributes {
				found = found || strings.Contains(a.Value.String(), "card 4111")
			}
			found = found || strings.Contains(s.Name, "card 4111")
		}
		if found != asked {
			t.Errorf("asked for: %t, there: %t", asked, found)
		}
	}
}

func TestLogHandler_ThatPanicsAtOnceLeavesThePoolFree(t *testing.T) {
	pool := newPool(t, configured(t, quiet()...))
	monitor := instrument(t, pool, otelpool.WithLogger(slog.New((*slog.TextHandler)(nil))))
	if err := monitor.Close(); err != nil {
		t.Error(err)
	}
	instrument(t, pool)
}

func TestShutdown_DoesNotWaitForALogHandlerThatBlocks(t *testing.T) {
	blocked := make(chan struct{})
	pool := newPool(t, configured(t, quiet()...))
	monitor, err := otelpool.Instrument(pool, otelpool.WithLogger(slog.New(blockingHandler{slog.DiscardHandler, blocked})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("enough"))
	defer cancel()
	if err := monitor.Shutdown(ctx); err != nil { // the pool is closed; that the log is behind is no reason to fail
		t.Errorf("got %v", err)
	}
	if err := pool.Ping(t.Context()); err == nil {
		t.Error("the pool is open")
	}
	close(blocked)
	if err := monitor.Close(); err != nil {
		t.Error(err)
	}
}

// blockingHandler blocks until its channel is closed.
type blockingHandler struct {
	slog.Handler
	until chan struct{}
}

func (h blockingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h blockingHandler) Handle(context.Context, slog.Record) error {
	<-h.until
	return nil
}
func (h blockingHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

func TestShutdown_WithoutAContextIsRefusedAndChangesNothing(t *testing.T) {
	pool := newPool(t, configured(t, quiet()...))
	monitor := instrument(t, pool)
	//lint:ignore SA1012 that is the point
	if err := monitor.Shutdown(nil); !errors.Is(err, otelpool.ErrNilContext) {
		t.Errorf("got %v", err)
	}
	if err := pool.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWithQuerySpans_RefusesANilOptionByName(t *testing.T) {
	err := otelpool.Configure(pgtest.Config(t), otelpool.WithQuerySpans(nil), otelpool.WithStackDepth(-1))
	if !errors.Is(err, otelpool.ErrInvalidOption) || !strings.Contains(err.Error(), "WithQuerySpans: nil as option 1") || !strings.Contains(err.Error(), "WithStackDepth") {
		t.Errorf("got %v", err)
	}
}

func TestInstrument_TakesAConfigurationWithoutRuntimeParameters(t *testing.T) {
	cfg := pgtest.Config(t)
	cfg.ConnConfig.RuntimeParams = nil
	if err := otelpool.Configure(cfg, quiet()...); err != nil {
		t.Fatal(err)
	}
	instrument(t, newPool(t, cfg))
}

func TestDerivedName_ContainsNoRestOfAPassword(t *testing.T) {
	for _, dsn := range []string{
		"postgres://app:123/cretpart@h/db",
		"postgres://app:123/cretpart%40h/db",
		"postgres://app:s@cretpart/x@h:5432/db",
		"postgres://app:s@cretpart:5432/x@h:5432/db",
	} {
		conn := parse(t, dsn).ConnConfig
		if got := otelpool.DerivedName(conn); got != "postgresql" {
			t.Errorf("%s: the pool is named %q", dsn, got)
		}
		if got := otelpool.CommonAttributes("p", conn); len(got) != 2 {
			t.Errorf("%s: got %v", dsn, got)
		}
	}
	if got := otelpool.DerivedName(parse(t, "postgres://u@derived.example/%20").ConnConfig); got != "derived.example:5432" {
		t.Errorf("got %q", got)
	}
}

func TestHandler_ServesHoldersReadOnly(t *testing.T) {
	monitor := instrument(t, newPool(t, configured(t, quiet()...)))
	for _, path := range []string{"/debug/pool/holders", "/debug/pool/holders.pb.gz"} {
		for method, want := range map[string]int{http.MethodGet: 200, http.MethodHead: 200, http.MethodPost: 405, http.MethodOptions: 405} {
			recorder := httptest.NewRecorder()
			monitor.Handler().ServeHTTP(recorder, httptest.NewRequest(method, path, nil))
			if recorder.Code != want || want == 200 && recorder.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: %d, %v", method, path, recorder.Code, recorder.Header())
			}
		}
	}
}

func TestStatOnly_SeesThePoolLoseItsServer(t *testing.T) {
	server, err := postgres.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	pool, err := pgxpool.New(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	monitor := instrument(t, pool, quiet()...)
	if err := pool.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is healthy", func() bool { return monitor.Health().Status == healthcheck.Healthy })
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the outage is seen", func() bool {
		_ = pool.Ping(t.Context())
		return names(monitor, healthcheck.CauseUnreachable) && monitor.Health().Status == healthcheck.Unhealthy
	})
}

// endingHandler calls end for the first record of the loop.
type endingHandler struct {
	slog.Handler
	once *sync.Once
	end  func()
}

func (endingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h endingHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "pool is connected" {
		h.once.Do(h.end)
	}
	return nil
}
func (h endingHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

func TestLogHandler_MayCloseItsMonitorAndShutItDown(t *testing.T) {
	for name, end := range map[string]func(*otelpool.Monitor) error{
		"Close":    (*otelpool.Monitor).Close,
		"Shutdown": func(m *otelpool.Monitor) error { return m.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			var made atomic.Pointer[otelpool.Monitor]
			ended := make(chan error, 1)
			handler := endingHandler{slog.DiscardHandler, new(sync.Once), func() { ended <- end(made.Load()) }}
			pool := newPool(t, configured(t, quiet()...))
			monitor := instrument(t, pool, otelpool.WithLogger(slog.New(handler)))
			made.Store(monitor)
			if err := pool.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(patience):
				t.Fatal("the loop waits for its handler, and the handler for the loop")
			}
			if err := monitor.Close(); err != nil { // it is over now
				t.Error(err)
			}
		})
	}
}
