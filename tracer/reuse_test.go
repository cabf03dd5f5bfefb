package tracer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/tracer"
)

// reused is a context whose framework uses it again for the next request, without a lock, and which does not care to be asked
// by anybody but the request.
type reused struct {
	context.Context
	t      *testing.T
	values map[any]any
	over   bool // the request; read and written without a lock, as frameworks do
}

func (c *reused) asked(what string) {
	if c.over {
		c.t.Errorf("%s was asked after its request", what)
	}
}

func (c *reused) Value(key any) any {
	c.asked("Value")
	if v, ok := c.values[key]; ok {
		return v
	}
	return c.Context.Value(key)
}

func (c *reused) Err() error {
	c.asked("Err")
	return c.Context.Err()
}

func (c *reused) Done() <-chan struct{} {
	c.asked("Done")
	return c.Context.Done()
}

func (c *reused) Deadline() (time.Time, bool) {
	c.asked("Deadline")
	return c.Context.Deadline()
}

// curious is a recorder that looks at the contexts it gets, as exemplars do.
type curious struct{}

func (curious) RecordWait(ctx context.Context, _ time.Duration, _ string, _ int) { look(ctx) }
func (curious) RecordUse(ctx context.Context, _ time.Duration, _ int)            { look(ctx) }
func (curious) RecordCreate(ctx context.Context, _ time.Duration)                { look(ctx) }

func look(ctx context.Context) { _, _ = ctx.Value("span"), ctx.Err() }

// TestReusedContext_IsAskedNothingAfterItsAcquire needs the race detector to fail as it should; without, it is the
// context that complains.
func TestReusedContext_IsAskedNothingAfterItsAcquire(t *testing.T) {
	for _, stacks := range []int{0, 8} {
		w := onPostgres(t, tracer.Options{StackDepth: stacks, LeakThreshold: time.Nanosecond, SQLText: true}, nil)
		w.hook.SetRecorder(curious{})
		parent, cancel := context.WithTimeout(t.Context(), time.Hour)
		ctx := &reused{Context: parent, t: t, values: make(map[any]any)}
		conn := w.acquire(ctx)
		w.sweep() // suspects it
		swept := make(chan struct{})
		go func() {
			defer close(swept)
			for range 100 {
				w.hook.Sweep(w.used, 0)
				w.hook.Holders()
			}
		}()
		ctx.over = true
		cancel()
		for i := range 100 {
			ctx.values[i] = i
		}
		<-swept
		if held := w.hook.Holders(); len(held) != 1 || held[0].Evidence != tracer.EvidenceOrphaned || held[0].Context != "context canceled" {
			t.Errorf("holders: %+v", held)
		}
		conn.Release()
		w.hook.Flush()
		w.sweep()
		if n := w.hook.Counters().Counts[counts.Released]; n != 1 || len(w.eventsOf(tracer.EventLeakRecovered)) != 1 {
			t.Errorf("%d releases, events %+v", n, w.events)
		}
	}
}

func TestReusedContext_LeavesWhyALongHoldIsExpected(t *testing.T) {
	w := onPostgres(t, tracer.Options{}, nil)
	ctx := &reused{Context: tracer.ExpectLongHold(t.Context(), "a batch"), t: t}
	conn := w.acquire(ctx)
	ctx.over = true
	if held := w.hook.Holders(); len(held) != 1 || held[0].Expected != "a batch" {
		t.Errorf("holders: %+v", held)
	}
	conn.Release()
}

// TestReusedContext_IsNotAskedByWhoeverLooksAtWaiters: it may stop waiting, and be used again, while somebody looks.
func TestReusedContext_IsNotAskedByWhoeverLooksAtWaiters(t *testing.T) {
	onWire(t, "pool_max_conns=1", tracer.Options{}, nil, func(t *testing.T, w *watch) {
		defer w.acquire(t.Context()).Release()
		parent, cancel := context.WithCancel(t.Context())
		ctx := &reused{Context: parent, t: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = w.pool.Acquire(ctx)
		}()
		synctest.Wait()
		ctx.over = true
		w.sweep()
		if n := len(w.hook.Waiters()); n != 1 {
			t.Errorf("%d waiters", n)
		}
		ctx.over = false
		cancel()
		<-done
	})
}

func TestHolder_SaysWhetherItsRequestWasCancelledOrTimedOut(t *testing.T) {
	for _, test := range []struct {
		ends time.Duration
		want error
	}{{10 * time.Second, context.Canceled}, {time.Minute, context.DeadlineExceeded}} {
		onWire(t, "pool_max_conns=1", suspicious, nil, func(t *testing.T, w *watch) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			time.AfterFunc(test.ends, cancel)
			conn := w.acquire(ctx)
			w.pass(2 * time.Hour)
			if h := w.hook.Holders()[0]; h.Context != test.want.Error() || h.Evidence != tracer.EvidenceOrphaned {
				t.Errorf("ends after %s: %q, %s", test.ends, h.Context, h.Evidence)
			}
			conn.Release()
		})
	}
}
