package bench

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/contrib/bridges/otelslog"
	sdklog "go.opentelemetry.io/otel/sdk/log"

	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

// emitted counts the records that reach the SDK of logs. Like the SDK's batch processor it calls every level enabled.
type emitted struct{ records atomic.Int64 }

func (*emitted) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (e *emitted) OnEmit(context.Context, *sdklog.Record) error         { e.records.Add(1); return nil }
func (*emitted) Shutdown(context.Context) error                         { return nil }
func (*emitted) ForceFlush(context.Context) error                       { return nil }

// bridge is the logger that the README recommends: no level is set on it.
func bridge(to sdklog.Processor) *slog.Logger {
	return otelslog.NewLogger("bench", otelslog.WithLoggerProvider(sdklog.NewLoggerProvider(sdklog.WithProcessor(to))))
}

func TestBridge_GetsFewRecordsOfManyCycles(t *testing.T) {
	const cycles, fewer = 100_000, 50
	cfg := pgtest.Config(t)
	var e emitted
	if err := otelpool.Configure(cfg, otelpool.WithLogger(bridge(&e))); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	monitor, err := otelpool.Instrument(pool)
	if err != nil {
		t.Fatal(err)
	}
	for range cycles {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn.Release()
	}
	if err := monitor.Close(); err != nil { // which writes what is left
		t.Fatal(err)
	}
	if n := e.records.Load(); n == 0 || n >= fewer {
		t.Errorf("%d records of %d cycles, want some, and fewer than %d", n, cycles, fewer)
	}
}

// loggers are what otelpool may write to.
var loggers = []struct {
	name string
	to   *slog.Logger
}{
	{"text", slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelInfo}))},
	{"bridge", bridge(new(emitted))},
}

// BenchmarkLogged is a cycle with each of them.
func BenchmarkLogged(b *testing.B) {
	for _, l := range loggers {
		b.Run("logger="+l.name, func(b *testing.B) {
			pool := implementation{"", withOtelpool(otelpool.WithLogger(l.to))}.open(b, 4)
			b.ReportAllocs()
			for b.Loop() {
				cycle(b, context.Background(), pool)
			}
		})
	}
}
