package otelpool_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool"
)

// leak is the call site that the records of leaks must name.
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
	suspected.check(t, "WARN", "connection may be leaked, taken at leaks_test.go:", append([]string{"code.stacktrace"}, leakKeys...)...)
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
	recovered.check(t, "INFO", "suspected leak came back: leaks_test.go:", leakKeys...)
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

func TestLeak_IsSuspectedAfterTheDefaultThreshold(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		conn := take(t, b.pool)
		time.Sleep(29500 * time.Millisecond)
		if n := len(b.log.of(t, "leak.suspected")); n != 0 {
			t.Errorf("%d suspicions before 30 s", n)
		}
		time.Sleep(2 * time.Second)
		if n := len(b.log.of(t, "leak.suspected")); n != 1 {
			t.Errorf("%d suspicions after 30 s", n)
		}
		conn.Release()
		if err := b.monitor.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLeakThreshold_OfZeroLooksForNoLeaks(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		conn := take(t, b.pool)
		time.Sleep(time.Hour)
		if n := len(b.log.of(t, "leak.suspected")); n != 0 || b.monitor.Health().Status != healthcheck.Healthy {
			t.Errorf("%d leaks are suspected, %+v", n, b.monitor.Health().Findings)
		}
		conn.Release()
	}, otelpool.WithLeakThreshold(0))
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
