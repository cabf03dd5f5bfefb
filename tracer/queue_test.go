package tracer_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelpool/pgx/tracer"
)

func TestWaiters_AreCountedExactlyAndTheOldestShownFirst(t *testing.T) {
	const waiting = 1300
	onWire(t, "pool_max_conns=1", tracer.Options{StackDepth: 4}, nil, func(t *testing.T, w *watch) {
		conn := w.acquire(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range waiting {
			all.Go(func() {
				if _, err := w.pool.Acquire(ctx); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			time.Sleep(time.Second)
		}
		snap := w.sweep()
		if snap.Counters.Waiting != waiting || len(snap.Waiters) != 512 || snap.Waiters[0].Age != waiting*time.Second {
			t.Errorf("%d waiting, %d described, the oldest for %s", snap.Counters.Waiting, len(snap.Waiters), snap.Waiters[0].Age)
		}
		if !slices.IsSortedFunc(snap.Waiters, func(a, b tracer.Waiter) int { return int(b.Age - a.Age) }) {
			t.Error("waiters are not sorted by age")
		}
		if len(snap.Waiters[0].Stack) == 0 {
			t.Error("the oldest waiter has no stack")
		}
		cancel()
		all.Wait()
		conn.Release()
		w.checkRest(0)
	})
}

func TestWaiters_ShowTheOldestAfterAllBeforeItWereServed(t *testing.T) {
	onWire(t, "pool_max_conns=1", tracer.Options{}, nil, func(t *testing.T, w *watch) {
		conn := w.acquire(t.Context())
		var all sync.WaitGroup
		last := make(chan struct{})
		for i := range 600 {
			all.Go(func() {
				c, err := w.pool.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				if i == 512 { // found its place in the ring taken
					<-last
				}
				c.Release()
			})
			synctest.Wait()
		}
		conn.Release()
		synctest.Wait()
		snap := w.sweep()
		if snap.Counters.Waiting != 87 || len(snap.Waiters) != 87 {
			t.Errorf("%d waiting, %d listed, want 87", snap.Counters.Waiting, len(snap.Waiters))
		}
		close(last)
		all.Wait()
		w.checkRest(0)
	})
}

func TestNestedAcquire_IsRecognised(t *testing.T) {
	for name, ctxs := range map[string]func(ctx context.Context) (outer, inner context.Context, cancel func()){
		"one context": func(ctx context.Context) (context.Context, context.Context, func()) { return ctx, ctx, func() {} },
		"two contexts": func(ctx context.Context) (context.Context, context.Context, func()) {
			outer, cancel := context.WithTimeout(ctx, time.Hour)
			inner, cancelInner := context.WithTimeout(ctx, time.Hour)
			return outer, inner, func() { cancel(); cancelInner() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			onWire(t, "pool_max_conns=1", tracer.Options{StackDepth: 4}, nil, func(t *testing.T, w *watch) {
				base, cancel := context.WithCancel(t.Context())
				var all sync.WaitGroup
				all.Go(func() {
					outer, inner, cancel := ctxs(base)
					defer cancel()
					conn := w.acquire(outer)
					defer conn.Release()
					_, _ = w.pool.Acquire(inner)
				})
				synctest.Wait()
				snap := w.sweep()
				if len(snap.Holders) != 1 || !snap.Holders[0].NestedAcquire || len(snap.Waiters) != 1 || !snap.Waiters[0].NestedAcquire {
					t.Errorf("holders %+v, waiters %+v", snap.Holders, snap.Waiters)
				}
				if !w.hook.Holders()[0].NestedAcquire || !w.hook.Waiters()[0].NestedAcquire {
					t.Error("the tables do not say what the sweep says")
				}
				cancel()
				all.Wait()
				w.checkRest(0)
			})
		})
	}
}

func TestNestedAcquire_IsNotTwoGoroutinesThatShareAContext(t *testing.T) {
	onWire(t, "pool_max_conns=1", tracer.Options{}, nil, func(t *testing.T, w *watch) {
		ctx, cancel := context.WithCancel(t.Context())
		conn := w.acquire(ctx)
		var all sync.WaitGroup
		all.Go(func() { w.waitUntil(ctx) })
		synctest.Wait()
		w.checkNotNested()
		cancel()
		all.Wait()
		conn.Release()
	})
}

// TestNestedAcquire_IsNotALaterGoroutineBehindALeak: the runtime reuses the descriptors of goroutines that have ended, first
// thing. A leak and a queue behind it must not look like a request that waits for itself.
func TestNestedAcquire_IsNotALaterGoroutineBehindALeak(t *testing.T) {
	onWire(t, "pool_max_conns=1", tracer.Options{}, nil, func(t *testing.T, w *watch) {
		for range 20 {
			var all sync.WaitGroup
			taken := make(chan func(), 1)
			all.Go(func() { taken <- w.acquire(t.Context()).Release }) // and ends
			all.Wait()
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			for range 20 {
				all.Go(func() { w.waitUntil(ctx) })
			}
			synctest.Wait()
			w.checkNotNested()
			cancel()
			all.Wait()
			(<-taken)()
		}
		w.checkRest(0)
	})
}

func (w *watch) checkNotNested() {
	w.t.Helper()
	snap := w.sweep()
	if len(snap.Holders) != 1 || len(snap.Waiters) == 0 || snap.Holders[0].NestedAcquire {
		w.t.Errorf("holders %+v, %d waiters", snap.Holders, len(snap.Waiters))
	}
	for _, waiter := range snap.Waiters {
		if waiter.NestedAcquire {
			w.t.Errorf("waiter %+v", waiter)
		}
	}
}
