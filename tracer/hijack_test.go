package tracer_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/tracer"
)

// TestAHijackedConnectionIsNoLeakThoughOthersAreBeingAcquired: between the pool's acquire and its end, in a hook, a connection
// counts as acquired and nobody holds it.
func TestAHijackedConnectionIsNoLeakThoughOthersAreBeingAcquired(t *testing.T) {
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

func TestHijacksWithinATickRaiseThePeakNoHigherThanThePoolIs(t *testing.T) {
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
