package tracer_test

import (
	"context"
	"testing"
	"time"

	"github.com/otelpool/pgx/tracer"
)

// reused is a context whose framework uses it again for the next request, without a lock, and which does not care to be asked
// by anybody but the request.
type reused struct {
	context.Context
	values map[any]any
	over   bool // the request; read and written without a lock, as frameworks do
}

func (c *reused) Value(key any) any {
	if c.over {
		panic("asked after its request")
	}
	if v, ok := c.values[key]; ok {
		return v
	}
	return c.Context.Value(key)
}

// TestAContextThatIsUsedAgainIsAskedNothingAfterItsAcquire needs the race detector to fail as it should; without, it is the
// context that complains.
func TestAContextThatIsUsedAgainIsAskedNothingAfterItsAcquire(t *testing.T) {
	w := onPostgres(t, tracer.Options{StackDepth: 8, LeakThreshold: time.Nanosecond, SQLText: true}, nil)
	ctx := &reused{Context: tracer.ExpectLongHold(t.Context(), "a batch"), values: make(map[any]any)}
	conn := w.acquire(ctx)
	swept := make(chan struct{})
	go func() {
		defer close(swept)
		for range 100 {
			w.hook.Sweep(w.used, 0)
			w.hook.Holders()
		}
	}()
	ctx.over = true
	for i := range 100 {
		ctx.values[i] = i
	}
	<-swept
	if held := w.hook.Holders(); len(held) != 1 || held[0].Expected != "a batch" {
		t.Errorf("holders: %+v", held)
	}
	conn.Release()
	if n := w.hook.Counters().Releases; n != 1 {
		t.Errorf("%d releases", n)
	}
}
