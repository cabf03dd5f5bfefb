package tracer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/errtype"
	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/tracer"
)

// What applications and other tracers do wrong must neither break the host nor the counts.

// forgetful is a tracer further out that drops every context: its own Start returns an empty one.
type forgetful struct{ diary }

func (f *forgetful) TraceAcquireStart(context.Context, *pgxpool.Pool, pgxpool.TraceAcquireStartData) context.Context {
	return context.Background()
}

func (f *forgetful) TraceConnectStart(context.Context, pgx.TraceConnectStartData) context.Context {
	return context.Background()
}

// Its acquires lose their waits, which nobody can tell, and are counted once.
func TestAcquire_WhoseContextAnotherTracerDropsIsCountedAndNoWaiterForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := wire.NewServer()
		defer srv.Close()
		srv.SetConnectDelay(3 * time.Second)
		cfg := srv.Config(t, "pool_max_conns=1")
		hook := install(cfg, tracer.Options{StackDepth: 8})
		cfg.ConnConfig.Tracer = multitracer.New(cfg.ConnConfig.Tracer, &forgetful{})
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		fail(t, err)
		defer pool.Close()
		w := &watch{t: t, pool: pool, hook: hook}
		for range 3 {
			w.acquire(t.Context()).Release()
			w.checkRest(0)
		}
		c := hook.Counters()
		if c.Connecting != 0 || c.Counts[counts.Opened] != 1 || c.Counts[counts.Acquired] != 3 {
			t.Errorf("counters %+v", c)
		}
	})
}

// wrapping is a tracer further out that adds a value, as tracers that start spans do.
type wrapping struct{ diary }

func TestAcquire_IsFoundUnderTheValuesOfOtherTracers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := wire.NewServer()
		defer srv.Close()
		cfg := srv.Config(t, "pool_max_conns=1")
		hook := install(cfg, tracer.Options{StackDepth: 8})
		cfg.ConnConfig.Tracer = multitracer.New(cfg.ConnConfig.Tracer, &wrapping{})
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		fail(t, err)
		defer pool.Close()
		w := &watch{t: t, pool: pool, hook: hook}
		conn := w.acquire(t.Context())
		if h := hook.Holders(); len(h) != 1 || len(h[0].Stack) == 0 {
			t.Errorf("holders %+v", h)
		}
		conn.Release()
		w.checkRest(0)
	})
}

func TestAcquire_WithANilContextPanicsAsItDoesWithoutUs(t *testing.T) {
	panics := func(pool *pgxpool.Pool) (what string) {
		defer func() { what = fmt.Sprint(recover()) }()
		//lint:ignore SA1012 on purpose
		conn, err := pool.Acquire(nil)
		t.Errorf("acquired %v, %v", conn, err)
		return ""
	}
	onWire(t, "pool_max_conns=2", suspicious, nil, func(t *testing.T, w *watch) {
		bare, err := pgxpool.NewWithConfig(t.Context(), w.srv.Config(t, ""))
		fail(t, err)
		defer bare.Close()
		if got, want := panics(w.pool), panics(bare); got != want {
			t.Errorf("panics with %q, without us with %q", got, want)
		}
		w.checkRest(0)
		if c := w.hook.Counters(); c.Counts[counts.Failed] != 1 {
			t.Errorf("counters %+v", c)
		}
	})
}

func TestAcquire_WithANilContextLeavesTheListOfWaitersAsItIs(t *testing.T) {
	onWire(t, "pool_max_conns=1", suspicious, nil, func(t *testing.T, w *watch) {
		func() {
			defer func() { _ = recover() }()
			//lint:ignore SA1012 on purpose
			_, _ = w.pool.Acquire(nil)
		}()
		conn := w.acquire(t.Context())
		var waiter sync.WaitGroup
		waiter.Go(func() { w.acquire(t.Context()).Release() })
		synctest.Wait()
		if n := len(w.hook.Waiters()); n != 1 {
			t.Errorf("%d waiters", n)
		}
		conn.Release()
		waiter.Wait()
		w.checkRest(0)
	})
}

// TestAcquire_InWhichAHookOfTheApplicationPanicsHasFailed passes what pgxpool passes when PrepareConn panics: no connection and
// no error. (The pool itself loses that connection for good, so this is not tried on a real one.)
func TestAcquire_InWhichAHookOfTheApplicationPanicsHasFailed(t *testing.T) {
	onWire(t, "", suspicious, nil, func(t *testing.T, w *watch) {
		var r recording
		w.hook.SetRecorder(&r)
		ctx := w.hook.TraceAcquireStart(t.Context(), w.pool, pgxpool.TraceAcquireStartData{})
		w.hook.TraceAcquireEnd(ctx, w.pool, pgxpool.TraceAcquireEndData{})
		if c := w.hook.Counters(); c.Counts[counts.Failed] != 1 || c.Waiting != 0 || c.Counts[counts.Acquired] != 0 {
			t.Errorf("counters %+v", c)
		}
		if r.waits(errtype.Other) != 1 || w.hook.Faults().Acquire.Type != errtype.Other {
			t.Errorf("recorded %v", r.kinds)
		}
		w.checkRest(0)
	})
}

func TestRelease_TwiceIsHarmless(t *testing.T) {
	onWire(t, "pool_max_conns=1", suspicious, nil, func(t *testing.T, w *watch) {
		first := w.acquire(t.Context())
		first.Release()
		second := w.acquire(t.Context())
		first.Release() // while somebody else holds the connection
		if len(w.hook.Holders()) != 1 {
			t.Error("the second holder was forgotten")
		}
		second.Release()
		second.Release()
		w.checkRest(0)
		if c := w.hook.Counters(); c.Counts[counts.Acquired] != 2 || c.Counts[counts.Released] != 2 {
			t.Errorf("counters %+v", c)
		}
	})
}

func TestLost_AreNotThoseThatTheirHolderClosed(t *testing.T) {
	onWire(t, "pool_max_conns=1", suspicious, nil, func(t *testing.T, w *watch) {
		conn := w.acquire(t.Context())
		fail(t, conn.Conn().Close(t.Context()))
		for range 3 {
			if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
				t.Error("a closed connection works")
			}
		}
		conn.Release()
		w.checkRest(0)
		if n := w.count(counts.Lost); n != 0 {
			t.Errorf("%d lost: its holder closed it, nobody lost it", n)
		}
	})
}

func TestLost_IsReportedOnceHoweverManyStatementsFail(t *testing.T) {
	onWire(t, "pool_max_conns=1", suspicious, nil, func(t *testing.T, w *watch) {
		tx, err := w.pool.Begin(t.Context())
		fail(t, err)
		_, _ = tx.Exec(t.Context(), "SELECT die()")
		_, _ = tx.Exec(t.Context(), "SELECT 1")
		_ = tx.Rollback(t.Context())
		w.checkRest(0)
		f := w.hook.Faults().Lost
		if lost := w.eventsOf(tracer.EventConnectionLost); w.count(counts.Lost) != 1 || f.Type != "57P01" || len(lost) != 1 || lost[0].ErrorType != "57P01" || lost[0].PID == 0 {
			t.Errorf("fault %+v, events %+v", f, lost)
		}
	})
}

func TestLost_AreNotThoseThatTheirUserGaveUp(t *testing.T) {
	onWire(t, "pool_max_conns=1", suspicious, nil, func(t *testing.T, w *watch) {
		tx, err := w.pool.Begin(t.Context())
		fail(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := tx.Exec(ctx, "SELECT pg_sleep(60)"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		_ = tx.Rollback(t.Context()) // fails with "conn closed", which says nothing about the server
		w.checkRest(0)
		if n := w.count(counts.Lost); n != 0 {
			t.Errorf("%d lost", n)
		}
	})
}

func TestAcquire_CountsContextsThatEndBeforeDuringAndAfter(t *testing.T) {
	onWire(t, "pool_max_conns=1", suspicious, nil, func(t *testing.T, w *watch) {
		before, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := w.pool.Acquire(before); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		after, cancelAfter := context.WithCancel(t.Context())
		conn := w.acquire(after)
		during, cancelDuring := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancelDuring)
		if _, err := w.pool.Acquire(during); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		late, cancelLate := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancelLate()
		if _, err := w.pool.Acquire(late); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		cancelAfter()
		conn.Release()
		w.checkRest(0)
		c, f := w.hook.Counters(), w.hook.Faults().Acquire
		if c.Counts[counts.Acquired] != 1 || c.Counts[counts.Canceled] != 2 || c.Counts[counts.TimedOut] != 1 || c.Counts[counts.Failed] != 0 || f.Type != errtype.Timeout {
			t.Errorf("counters %+v, fault %+v", c, f)
		}
	})
}

func TestAcquire_IsPrintedWithoutReadingWhatOthersWrite(t *testing.T) {
	configure := func(cfg *pgxpool.Config) {
		cfg.PrepareConn = func(ctx context.Context, _ *pgx.Conn) (bool, error) {
			fmt.Fprintf(io.Discard, "%v %+v %s", ctx, ctx, ctx)
			slog.New(slog.NewTextHandler(io.Discard, nil)).InfoContext(ctx, "prepared", "ctx", ctx)
			return true, nil
		}
	}
	w := onPostgres(t, suspicious, configure)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 50 {
				if conn, err := w.pool.Acquire(t.Context()); err == nil {
					conn.Release()
				}
			}
		})
	}
	for range 50 {
		w.hook.Waiters()
		w.sweep()
	}
	all.Wait()
	w.checkRest(0)
}

func TestStack_DepthsOutOfRangeAreBroughtIntoIt(t *testing.T) {
	for _, depth := range []int{-1000, -1, 0, 1, tracer.MaxStackDepth, tracer.MaxStackDepth + 1, math.MaxInt} {
		onWire(t, "", tracer.Options{StackDepth: depth}, nil, func(t *testing.T, w *watch) {
			conn := w.acquire(t.Context())
			if got := len(w.hook.Holders()[0].Stack); (got > 0) != (depth > 0) {
				t.Errorf("depth %d: %d frames", depth, got)
			}
			conn.Release()
			w.hook.Adjust(tracer.Options{StackDepth: depth})
			w.acquire(t.Context()).Release()
		})
	}
}
