package otelpool_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/otelpool"
)

// flawless is a configuration that there is no notice of.
func flawless(t *testing.T) *pgxpool.Config {
	cfg := parse(t, dsnOf(t)+"&pool_max_conns=4&pool_max_conn_lifetime_jitter=15m&connect_timeout=5&application_name=test")
	cfg.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { return nil }
	cfg.AfterConnect = func(context.Context, *pgx.Conn) error { return nil }
	cfg.BeforeClose = func(*pgx.Conn) {}
	return cfg
}

func hasNotice(m *otelpool.Monitor, kind healthcheck.NoticeKind) bool {
	r := m.Health()
	return r.HasNotice(kind)
}

func TestNotices_NameTheHookThatWasReplacedAfterConfigure(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*pgxpool.Config)
		want   string
	}{
		"none": {func(*pgxpool.Config) {}, ""},
		"wrapped": {func(cfg *pgxpool.Config) {
			connect, connected, close := cfg.BeforeConnect, cfg.AfterConnect, cfg.BeforeClose
			cfg.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error { return connect(ctx, c) }
			cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error { return connected(ctx, c) }
			cfg.BeforeClose = func(c *pgx.Conn) { close(c) }
		}, ""},
		"Tracer": {func(cfg *pgxpool.Config) { cfg.ConnConfig.Tracer = &everyTracer{} }, "Tracer"},
		"BeforeConnect": {func(cfg *pgxpool.Config) {
			cfg.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { return nil }
		}, "BeforeConnect"},
		"AfterConnect": {func(cfg *pgxpool.Config) {
			cfg.AfterConnect = func(context.Context, *pgx.Conn) error { return nil }
		}, "AfterConnect"},
		"BeforeClose": {func(cfg *pgxpool.Config) { cfg.BeforeClose = func(*pgx.Conn) {} }, "BeforeClose"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := flawless(t)
			if err := otelpool.Configure(cfg, quiet()...); err != nil {
				t.Fatal(err)
			}
			tt.change(cfg)
			pool := newPool(t, cfg)
			monitor := instrument(t, pool, quiet()...)
			conn := acquire(t, t.Context(), pool)
			_ = conn.Conn().Close(t.Context()) // so that the pool closes one
			conn.Release()
			acquire(t, t.Context(), pool).Release()
			if tt.want == "" {
				after := monitor.Stats().LastHealthCheck
				eventually(t, "the pool is looked at some more", func() bool {
					return monitor.Stats().LastHealthCheck.Sub(after) > 200*time.Millisecond
				})
				if r := monitor.Health(); len(r.Notices) > 0 {
					t.Errorf("%+v", r.Notices)
				}
				return
			}
			eventually(t, "the notice is raised", func() bool { return hasNotice(monitor, healthcheck.NoticeHooksReplaced) })
			r := monitor.Health()
			if i := slices.IndexFunc(r.Notices, func(n healthcheck.Notice) bool {
				return n.Summary == "A hook that Configure had installed was replaced afterwards: "+tt.want+"."
			}); i < 0 || r.Status > healthcheck.Healthy {
				t.Errorf("%s: %+v", r.Status, r.Notices)
			}
		})
	}
}

func TestNotices_DoNotTakeAConfigureThatComesTooLateForAReplacedHook(t *testing.T) {
	cfg := flawless(t)
	pool := newPool(t, cfg)
	if err := otelpool.Configure(cfg, quiet()...); err != nil {
		t.Fatal(err)
	}
	monitor := instrument(t, pool, quiet()...)
	acquire(t, t.Context(), pool).Release()
	if r := monitor.Health(); len(r.Notices) > 0 {
		t.Errorf("%+v", r.Notices)
	}
}

// While a pool is not well, here for a leak, the probe asks the server for its limits too. What it said is remembered.
func TestNotices_CompareTheConfigurationWithTheServer(t *testing.T) {
	cfg := flawless(t)
	cfg.ConnConfig.RuntimeParams["idle_session_timeout"] = "60000"
	if err := otelpool.Configure(cfg, quiet(otelpool.WithLeakThreshold(50*time.Millisecond))...); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, cfg)
	monitor := instrument(t, pool)
	conn := acquire(t, t.Context(), pool)
	eventually(t, "the server was asked", func() bool { return hasNotice(monitor, healthcheck.NoticeIdleAboveServer) })
	conn.Release()
	eventually(t, "the pool is healthy", func() bool { return monitor.Health().Status == healthcheck.Healthy })
	if r := monitor.Health(); len(r.Notices) != 1 ||
		!slices.Equal(r.Notices[0].Evidence, []string{"MaxConnIdleTime is 30m0s, idle_session_timeout 1m0s"}) {
		t.Errorf("%+v", r.Notices)
	}
}

// A notice goes from the hook through the report to every outlet.
func TestNotices_FromTrafficReachEveryOutlet(t *testing.T) {
	var log journal
	reader := sdkmetric.NewManualReader()
	cfg := flawless(t)
	cfg.ConnConfig.RuntimeParams["statement_timeout"] = "10"
	if err := otelpool.Configure(cfg, quiet(otelpool.WithLogger(log.logger(slog.LevelInfo)),
		otelpool.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))...); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, cfg)
	monitor := instrument(t, pool)
	for range 3 {
		conn := acquire(t, t.Context(), pool)
		if _, err := conn.Exec(t.Context(), "SELECT pg_sleep(10)"); err == nil {
			t.Fatal("the server did not end it")
		}
		conn.Release()
	}
	eventually(t, "the log has it", func() bool { return len(log.of(t, telemetry.EventNoticeRaised)) > 0 })
	written := log.of(t, telemetry.EventNoticeRaised)[0]
	place, _ := written["evidence"].([]any)
	if written["otelpool.notice"] != "statement_timeouts" || written["level"] != "INFO" || len(place) != 2 ||
		!strings.Contains(place[1].(string), "main_test.go:") {
		t.Errorf("%v", written)
	}
	if r := monitor.Health(); r.Status != healthcheck.Healthy || len(r.Notices) != 1 {
		t.Errorf("%s: %+v", r.Status, r.Notices)
	}
	got := collect(t, reader)
	for _, name := range []string{"otelpool.health.notice", "otelpool.notices"} {
		if n := sum(t, got, name, "otelpool.notice", "statement_timeouts"); n != 1 {
			t.Errorf("%s is %v", name, n)
		}
	}
	answer := httptest.NewRecorder()
	monitor.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/health/database", nil))
	if !strings.Contains(answer.Body.String(), `"kind":"statement_timeouts"`) && !strings.Contains(answer.Body.String(), `"kind": "statement_timeouts"`) {
		t.Errorf("%s", answer.Body)
	}
}

func TestNotices_CountHoldsWithoutADeadline(t *testing.T) {
	cfg := flawless(t)
	if err := otelpool.Configure(cfg, quiet()...); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, cfg)
	monitor := instrument(t, pool)
	eventually(t, "the notice is raised", func() bool {
		conn := acquire(t, context.Background(), pool)
		defer conn.Release()
		looked := monitor.Stats().LastHealthCheck
		eventually(t, "the hold is seen", func() bool { return monitor.Stats().LastHealthCheck.After(looked) })
		return hasNotice(monitor, healthcheck.NoticeNoDeadline)
	})
	r := monitor.Health()
	if evidence := r.Notices[0].Evidence; len(r.Notices) != 1 || len(evidence) != 2 || !strings.Contains(evidence[1], "main_test.go:") {
		t.Errorf("%+v", r.Notices)
	}
}
