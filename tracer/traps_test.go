package tracer_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/errtype"
	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/tracer"
)

// The traps that pgx sets for its tracers.

func TestCounts_PairAcquiresAndReleasesWhileConnectionsArePassedOn(t *testing.T) {
	w := onPostgres(t, tracer.Options{StackDepth: 4}, func(cfg *pgxpool.Config) { cfg.MaxConns = 2 })
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 300 {
				conn, err := w.pool.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				conn.Release()
			}
		})
	}
	all.Wait()
	w.checkRest(0)
	if c := w.hook.Counters(); c.Counts[counts.Acquired] != 16*300 || c.Counts[counts.Released] != c.Counts[counts.Acquired] || c.Counts[counts.Unpaired] != 0 || c.MaxHeld > 2 {
		t.Errorf("counters %+v", c)
	}
}

func TestCounts_AreRightWhereStatIsNot(t *testing.T) {
	var refuse atomic.Int32
	configure := func(cfg *pgxpool.Config) {
		cfg.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { return refuse.Add(-1) < 0, nil }
	}
	onWire(t, "pool_max_conns=2", tracer.Options{}, configure, func(t *testing.T, w *watch) {
		w.srv.RefuseDial(syscall.ECONNREFUSED)
		for range 3 {
			if _, err := w.pool.Acquire(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatal(err)
			}
		}
		c, stat := w.hook.Counters(), w.pool.Stat()
		if stat.NewConnsCount() != 3 || c.Counts[counts.Opened] != 0 || c.Counts[counts.ConnectFailures] != 3 {
			t.Errorf("Stat calls %d attempts connections; the hook has %d opened, %d failed", stat.NewConnsCount(), c.Counts[counts.Opened], c.Counts[counts.ConnectFailures])
		}
		if stat.AcquireCount()+stat.CanceledAcquireCount() != 0 || c.Counts[counts.Failed] != 3 || c.Counts[counts.Started] != 3 {
			t.Errorf("failed acquires: Stat counts %d, the hook %d of %d", stat.AcquireCount(), c.Counts[counts.Failed], c.Counts[counts.Started])
		}
		w.srv.Accept()
		refuse.Store(1) // the first connection is refused by a hook and another taken
		w.acquire(t.Context()).Release()
		c, stat = w.hook.Counters(), w.pool.Stat()
		if stat.AcquireCount() != 2 || c.Counts[counts.Acquired] != 1 {
			t.Errorf("a retry: Stat counts %d acquires, the hook %d, want 2 and 1", stat.AcquireCount(), c.Counts[counts.Acquired])
		}
		w.checkRest(0)
	})
}

// TestReaders_NeverTouchAConnection lets the race detector look: readers read while holders work.
func TestReaders_NeverTouchAConnection(t *testing.T) {
	w := onPostgres(t, tracer.Options{StackDepth: 8, LeakThreshold: time.Nanosecond, SQLText: true}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				conn, err := w.pool.Acquire(ctx)
				if err != nil {
					return
				}
				_, _ = conn.Exec(ctx, "SELECT 1")
				tx, err := conn.Begin(ctx)
				if err == nil {
					_, _ = tx.Exec(ctx, "SELECT 2")
					_ = tx.Rollback(context.Background())
				}
				conn.Release()
			}
		})
	}
	for range 300 {
		w.hook.Holders()
		w.hook.Waiters()
		w.sweep()
		w.hook.Sites(10)
		w.hook.Flush()
	}
	cancel()
	all.Wait()
	w.checkRest(0)
}

func TestClose_WakesNoWaiterAndTheWaiterStaysInView(t *testing.T) {
	onWire(t, "pool_max_conns=1", tracer.Options{StackDepth: 8}, nil, func(t *testing.T, w *watch) {
		leaked := w.acquire(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := w.pool.Acquire(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		all.Go(w.pool.Close)
		time.Sleep(time.Hour)
		if waiters := w.hook.Waiters(); len(waiters) != 1 || waiters[0].Age < time.Hour || len(w.hook.Holders()) != 1 {
			t.Errorf("waiters %+v", waiters)
		}
		cancel()
		leaked.Release()
		all.Wait()
		w.checkRest(0)
		if _, err := w.pool.Acquire(t.Context()); err == nil {
			t.Error("a closed pool gave a connection")
		}
		if f := w.hook.Faults().Acquire; f.Type != errtype.PoolClosed || w.count(counts.Failed) != 1 {
			t.Errorf("fault %+v", f)
		}
		w.checkRest(0)
	})
}

func TestBind_IgnoresASecondPoolOnOneConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := wire.NewServer()
		defer srv.Close()
		cfg := srv.Config(t, "pool_max_conns=4")
		w := open(t, cfg, suspicious)
		defer w.pool.Close()
		second, err := pgxpool.NewWithConfig(t.Context(), cfg)
		fail(t, err)
		defer second.Close()
		w.acquire(t.Context()).Release()
		leaked, err := second.Acquire(t.Context())
		fail(t, err)
		exec(t, leaked, "SELECT 1")
		w.pass(time.Hour)
		w.checkRest(0)
		w.checkNoReports()
		leaked.Release()
		w.checkRest(0)
		if c := w.hook.Counters(); c.Counts[counts.Started] != 1 || c.Counts[counts.Released] != 1 || c.Counts[counts.Unpaired] != 0 {
			t.Errorf("counters %+v", c)
		}
		if w.hook.Bind(second) != w.pool {
			t.Error("the second pool was bound")
		}
	})
}

func TestSlot_IsOneForEachOfTwoHooksOnOnePool(t *testing.T) {
	other := tracer.New(suspicious)
	configure := func(cfg *pgxpool.Config) { cfg.ConnConfig.Tracer = other }
	onWire(t, "pool_max_conns=2", suspicious, configure, func(t *testing.T, w *watch) {
		for range 3 {
			conn := w.acquire(t.Context())
			exec(t, conn, "SELECT 1")
			for _, hook := range []*tracer.Tracer{w.hook, other} {
				if h := hook.Holders(); len(h) != 1 || h[0].Queries != 1 {
					t.Errorf("holders %+v", h)
				}
			}
			conn.Release()
		}
		for _, hook := range []*tracer.Tracer{w.hook, other} {
			if c := hook.Counters(); c.Counts[counts.Acquired] != 3 || c.Counts[counts.Released] != 3 || c.Counts[counts.Unpaired] != 0 || c.Counts[counts.Hijacked] != 0 {
				t.Errorf("counters %+v", c)
			}
		}
	})
}
