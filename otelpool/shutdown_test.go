package otelpool_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/puddle/v2"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/otelpool"
)

func TestShutdown_OfADrainedPoolIsImmediate(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		take(t, b.pool).Release()
		began := time.Now()
		if err := b.monitor.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("Shutdown took %v", took)
		}
		if h := b.monitor.Health(); h.State != healthcheck.Terminated || h.Status != healthcheck.Unknown {
			t.Errorf("the last report says %s, %s", h.State, h.Status)
		}
		b.log.of(t, "shutdown.started")[0].check(t, "INFO", "closing the pool", "used")
		b.log.of(t, "shutdown.completed")[0].check(t, "INFO", "pool is closed", "took_seconds")
		if n := len(b.log.of(t, "shutdown.waiting")); n != 0 {
			t.Errorf("%d records of waiting", n)
		}
	})
}

func TestShutdown_WaitsForHoldersAndLogsProgress(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		conn := take(t, b.pool)
		time.AfterFunc(2500*time.Millisecond, conn.Release)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		if err := b.monitor.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 2500*time.Millisecond {
			t.Errorf("Shutdown took %v", took)
		}
		waiting := b.log.of(t, "shutdown.waiting")
		if len(waiting) != 2 {
			t.Fatalf("%d records of waiting, want one a second", len(waiting))
		}
		waiting[0].check(t, "INFO", "waiting for 1 connection, 9s left", "holders")
		waiting[1].check(t, "INFO", "waiting for 1 connection, 8s left", "holders")
	})
}

func TestShutdown_EndsWithItsContextAndNamesEveryHolder(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		first, second := take(t, b.pool), take(t, b.pool)
		time.Sleep(3 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		err := b.monitor.Shutdown(ctx)
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("Shutdown took %v", took)
		}
		var blocked *otelpool.ShutdownError
		if !errors.As(err, &blocked) || !errors.Is(err, otelpool.ErrShutdown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if len(blocked.Holders) != 2 || blocked.Held != 2 || len(blocked.Holders[0].Stack) == 0 {
			t.Errorf("holders: %+v", blocked)
		}
		for _, part := range []string{"still held: 2 connections", "backend 1, held for 8s, idle for 8s, taken at", "otelpool_test.take\n\t", "shutdown_test.go:"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q is missing in: %v", part, err)
			}
		}
		if n := strings.Count(err.Error(), "otelpool_test.take\n"); n != 2 {
			t.Errorf("%d holders are named", n)
		}
		b.log.of(t, "shutdown.completed")[0].check(t, "WARN", "gave up waiting for held connections", "used", "holders")
		if b.monitor.Health().State != healthcheck.Terminated {
			t.Error("the last state is not terminated")
		}
		first.Release()
		second.Release() // lets pgxpool's Close finish, and the bubble end
	})
}

func TestShutdown_WithoutTheHookCountsTheHolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := wire.NewServer()
		defer server.Close()
		pool, err := pgxpool.NewWithConfig(t.Context(), server.Config(t, "pool_max_conns=2"))
		if err != nil {
			t.Fatal(err)
		}
		monitor, err := otelpool.Instrument(pool, quiet()...)
		if err != nil {
			t.Fatal(err)
		}
		conn := take(t, pool)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = monitor.Shutdown(ctx)
		if err == nil || !strings.HasSuffix(err.Error(), "still held: 1 connection") {
			t.Errorf("got %v", err)
		}
		conn.Release()
	})
}

// A common mistake, also with http.Server.Shutdown: the context is the one whose end began the shutdown.
func TestShutdown_WithADoneContextStillEndsAnIdlePool(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		take(t, b.pool).Release()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.monitor.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	bubble(t, func(t *testing.T, b *bubbled) {
		conn := take(t, b.pool)
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errors.New("a signal"))
		began := time.Now()
		if err := b.monitor.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "a signal: still held: 1 connection") {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("Shutdown took %v", took)
		}
		conn.Release()
	})
}

func TestShutdown_IsNoChangeOfHealth(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		take(t, b.pool).Release()
		time.Sleep(10 * time.Second)
		before := len(b.log.of(t, "health.changed"))
		conn := take(t, b.pool)
		time.AfterFunc(3*time.Second, conn.Release)
		if err := b.monitor.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if got := b.log.of(t, "health.changed"); len(got) != before {
			t.Errorf("health changed to %v", got[before:])
		}
	})
}

func TestShutdown_EndsReadinessWhenItBeginsNotAtTheNextTick(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		conn := take(t, b.pool)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := b.monitor.Shutdown(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		if state := b.monitor.Health().State; state != healthcheck.ShuttingDown {
			t.Errorf("while draining the state is %s", state)
		}
		if _, err := b.pool.Acquire(t.Context()); !errors.Is(err, puddle.ErrClosedPool) {
			t.Errorf("a draining pool gave a connection: %v", err)
		}
		cancel()
		wg.Wait()
		conn.Release()
	}, otelpool.WithHealthInterval(time.Minute))
}

func TestShutdown_LeavesWaitersToTheirContexts(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		first, second := take(t, b.pool), take(t, b.pool)
		waiting, give := context.WithTimeout(t.Context(), time.Minute)
		defer give()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.pool.Acquire(waiting); err == nil {
				t.Error("a waiter of a closed pool got a connection")
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.monitor.Shutdown(ctx); !errors.Is(err, otelpool.ErrShutdown) {
			t.Errorf("got %v", err)
		}
		first.Release()
		second.Release()
		wg.Wait()
	})
}

func TestShutdown_AndCloseMayBeCalledInAnyOrderAndNumber(t *testing.T) {
	for name, calls := range map[string]func(*pgxpool.Pool, *otelpool.Monitor, context.Context) error{
		"close twice, then shut down": func(_ *pgxpool.Pool, m *otelpool.Monitor, ctx context.Context) error {
			return errors.Join(m.Close(), m.Close(), m.Shutdown(ctx))
		},
		"shut down twice, then close": func(_ *pgxpool.Pool, m *otelpool.Monitor, ctx context.Context) error {
			return errors.Join(m.Shutdown(ctx), m.Shutdown(ctx), m.Close())
		},
		"the pool first": func(p *pgxpool.Pool, m *otelpool.Monitor, ctx context.Context) error {
			p.Close()
			return m.Shutdown(ctx)
		},
		"all at once": func(p *pgxpool.Pool, m *otelpool.Monitor, ctx context.Context) error {
			var wg sync.WaitGroup
			var failures [12]error
			for i := range 4 {
				wg.Go(func() { failures[i] = m.Shutdown(ctx) })
				wg.Go(func() { failures[4+i] = m.Close() })
				wg.Go(p.Close)
			}
			wg.Wait()
			return errors.Join(failures[:]...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, b *bubbled) {
				take(t, b.pool).Release()
				if err := calls(b.pool, b.monitor, t.Context()); err != nil {
					t.Error(err)
				}
				useAll(t, b.monitor)
				if b.monitor.Health().State != healthcheck.Terminated {
					t.Errorf("the state is %s", b.monitor.Health().State)
				}
			})
		})
	}
}

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
			t.Errorf("Shutdown took %v", took)
		}
		b.server.Hang(false)
		conn.Release()
		synctest.Wait()
	}, otelpool.WithLeakThreshold(time.Second))
}
