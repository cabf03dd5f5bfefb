package otelpool_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/otelpool"
)

// unremarkable is what a configuration needs so that there is no notice of it. The timeout is pgxpool's own.
const unremarkable = "pool_max_conn_lifetime_jitter=15m connect_timeout=120 application_name=test"

// bubble runs f in fake time with a server in memory, a pool of two connections to it, and a Monitor. It closes what f leaves
// open.
func bubble(t *testing.T, f func(*testing.T, *bubbled), opts ...otelpool.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubbled{server: wire.NewServer()}
		defer b.server.Close()
		cfg := b.server.Config(t, "pool_max_conns=2 "+unremarkable)
		opts := append([]otelpool.Option{
			otelpool.WithLogger(b.log.logger(slog.LevelInfo)), otelpool.WithMeterProvider(noop.NewMeterProvider()),
		}, opts...)
		if err := otelpool.Configure(cfg, opts...); err != nil {
			t.Fatal(err)
		}
		var err error
		if b.pool, err = pgxpool.NewWithConfig(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		defer b.pool.Close()
		if b.monitor, err = otelpool.Instrument(b.pool); err != nil {
			t.Fatal(err)
		}
		defer b.monitor.Close()
		f(t, b)
	})
}

type bubbled struct {
	server  *wire.Server
	pool    *pgxpool.Pool
	monitor *otelpool.Monitor
	log     journal
}

func take(t *testing.T, pool *pgxpool.Pool) *pgxpool.Conn {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// lose makes the server unreachable by how, and waits until the pool is unhealthy.
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

// nimble is a policy under which a pool recovers at once.
func nimble() healthcheck.Policy {
	p := healthcheck.Evidence()
	p.MinStateDuration, p.RecoveryGrace, p.ErrorWindow = 0, 0, time.Second
	return p
}

// bubbleOf is bubble with a connection string and changes to server and configuration.
func bubbleOf(t *testing.T, dsn string, change func(*wire.Server, *pgxpool.Config), f func(*testing.T, *bubbled)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubbled{server: wire.NewServer()}
		defer b.server.Close()
		cfg := b.server.Config(t, dsn)
		change(b.server, cfg)
		if err := otelpool.Configure(cfg, quiet(otelpool.WithLogger(b.log.logger(slog.LevelInfo)))...); err != nil {
			t.Fatal(err)
		}
		var err error
		if b.pool, err = pgxpool.NewWithConfig(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		defer b.pool.Close()
		b.monitor = instrument(t, b.pool)
		f(t, b)
	})
}

func (b *bubbled) ready(t *testing.T) int {
	t.Helper()
	w := httptest.NewRecorder()
	b.monitor.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	return w.Code
}
