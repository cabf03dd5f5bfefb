package tracer_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/tracer"
)

// TestHijack_IsNoLeakThoughOthersAreBeingAcquired: between the pool's acquire and its end, in a hook, a connection
// counts as acquired and nobody holds it.
func TestHijack_IsNoLeakThoughOthersAreBeingAcquired(t *testing.T) {
	var slow time.Duration
	configure := func(cfg *pgxpool.Config) {
		cfg.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) {
			time.Sleep(slow)
			return true, nil
		}
	}
	onWire(t, "pool_max_conns=4", suspicious, configure, func(t *testing.T, w *watch) {
		leaked := w.acquire(t.Context())
		conn := w.acquire(t.Context()).Hijack()
		slow = time.Hour
		var all sync.WaitGroup
		all.Go(func() { w.acquire(context.Background()).Release() })
		synctest.Wait()
		if used := w.used(); used != 2 {
			t.Fatalf("%d used: nothing hides the hijack", used)
		}
		w.pass(2 * threshold)
		if told := w.eventsOf(tracer.EventLeakSuspected); len(told) != 1 || told[0].Holder.PID != leaked.Conn().PgConn().PID() {
			t.Errorf("told %+v", told)
		}
		if c := w.hook.Counters(); c.Counts[counts.Hijacked] != 1 || len(w.hook.Holders()) != 1 {
			t.Errorf("%d hijacked, holders %+v", c.Counts[counts.Hijacked], w.hook.Holders())
		}
		all.Wait()
		leaked.Release()
		w.checkRest(0)
		_ = conn.Close(t.Context())
	})
}

func TestHijack_RaisesThePeakNoHigherThanThePoolIs(t *testing.T) {
	onWire(t, "pool_max_conns=2", suspicious, nil, func(t *testing.T, w *watch) {
		for range 5 {
			conn := w.acquire(t.Context()).Hijack()
			defer func() { _ = conn.Close(context.Background()) }()
		}
		if c := w.sweep().Counters; c.MaxHeld != 2 || c.Counts[counts.Hijacked] != 5 {
			t.Errorf("at most %d of 2 held, %d hijacked", c.MaxHeld, c.Counts[counts.Hijacked])
		}
	})
}

func TestHijack_SendsNoReleaseAndIsReconciled(t *testing.T) {
	onWire(t, "pool_max_conns=4", suspicious, nil, func(t *testing.T, w *watch) {
		c := w.acquire(t.Context())
		w.sweep()
		conn := c.Hijack()
		if got := w.sweep().Counters.Counts[counts.Hijacked]; got != 1 {
			t.Errorf("%d hijacked one sweep later, want 1", got)
		}
		exec(t, conn, "SELECT 1")
		w.pass(time.Hour)
		w.checkRest(0)
		w.checkNoReports()
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
			t.Error("a closed connection works")
		}
		w.checkRest(0)
	})
}

func TestHijack_IsDistinguishedFromOtherHolders(t *testing.T) {
	onWire(t, "pool_max_conns=9", suspicious, nil, func(t *testing.T, w *watch) {
		// Any of nine may be the one: the oldest, the youngest, one between; taken before a sweep or after.
		for i := range 9 {
			var conns []*pgxpool.Conn
			for range 9 {
				conns = append(conns, w.acquire(t.Context()))
				time.Sleep(time.Second)
				if i%2 == 0 {
					w.sweep()
				}
			}
			pid := conns[i].Conn().PgConn().PID()
			taken := conns[i].Hijack()
			w.sweep()
			for _, h := range w.sweep().Holders {
				if h.PID == pid {
					t.Errorf("%d: the hijacked connection is still among the holders", i)
				}
			}
			if n := w.hook.Counters().Counts[counts.Hijacked]; n != int64(i+1) {
				t.Errorf("%d hijacked, want %d", n, i+1)
			}
			w.checkRest(8)
			for _, conn := range slices.Delete(conns, i, i+1) {
				conn.Release()
			}
			if err := taken.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		w.checkRest(0)
		w.checkNoReports()
	})
}

func TestAcquireAllIdle_ReleasesWithoutAcquires(t *testing.T) {
	onWire(t, "pool_max_conns=4", suspicious, nil, func(t *testing.T, w *watch) {
		taken := w.acquire(t.Context())
		w.acquire(t.Context()).Release()
		idle := w.pool.AcquireAllIdle(t.Context())
		if len(idle) != 1 {
			t.Fatalf("%d idle", len(idle))
		}
		exec(t, idle[0], "SELECT 1")
		w.pass(time.Minute)
		if n := len(w.hook.Holders()); n != 1 {
			t.Errorf("%d holders: who takes what is idle is not one", n)
		}
		idle[0].Release()
		taken.Release()
		w.checkRest(0)
		if c := w.hook.Counters(); c.Counts[counts.Unpaired] != 1 || c.Counts[counts.Hijacked] != 0 || c.Counts[counts.Acquired] != 2 {
			t.Errorf("counters %+v", c)
		}
	})
}

func TestHijack_IsFoundAlthoughAcquireAllIdleInflatesTheCount(t *testing.T) {
	onWire(t, "pool_max_conns=4", suspicious, nil, func(t *testing.T, w *watch) {
		taken, spare := w.acquire(t.Context()), w.acquire(t.Context())
		spare.Release()
		conn := taken.Hijack()
		idle := w.pool.AcquireAllIdle(t.Context()) // AcquiredConns is 1 again
		w.sweep()
		for _, c := range idle {
			c.Release()
		}
		w.checkRest(0)
		if c := w.hook.Counters(); c.Counts[counts.Hijacked] != 1 {
			t.Errorf("%d hijacked", c.Counts[counts.Hijacked])
		}
		_ = conn.Close(t.Context())
	})
}
