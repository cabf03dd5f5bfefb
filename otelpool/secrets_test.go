package otelpool_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

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
		t.Errorf("want the SQLSTATE and not the argument in: %s", text)
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

// showHealth returns the document of /health/database.
func showHealth(monitor *otelpool.Monitor) string {
	recorder := httptest.NewRecorder()
	monitor.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/health/database", nil))
	return recorder.Body.String()
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
