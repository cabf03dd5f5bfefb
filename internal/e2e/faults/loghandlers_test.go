package faults

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// hostileHandler is a log handler that harms whoever calls it. It wants records of every level, as the handlers of log bridges do.
type hostileHandler struct {
	name   string
	harm   func(ctx context.Context, b *bench)
	bench  *bench
	called *atomic.Int64

	ctx    context.Context // of what blocks
	relent func()          // ends it
}

func (h hostileHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h hostileHandler) Handle(context.Context, slog.Record) error {
	h.called.Add(1)
	h.harm(h.ctx, h.bench)
	return nil
}

func (h hostileHandler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h hostileHandler) WithGroup(string) slog.Handler      { return h }

// of returns the handler for one bench, which logs to it. It stops blocking by itself in the end: a call that hangs in it would
// keep every other scenario from being reported.
func (h hostileHandler) of(b *bench) hostileHandler {
	h.bench, h.called = b, new(atomic.Int64)
	ctx, cancel := context.WithCancel(context.Background())
	atLast := time.AfterFunc(2*patience, func() {
		b.t.Errorf("something still waits for the log handler after %v", 2*patience)
		cancel()
	})
	h.ctx, h.relent = ctx, func() { atLast.Stop(); cancel() }
	b.log = h
	return h
}

// hostileHandlers are the ways in which handlers of users have been seen to misbehave.
var hostileHandlers = []hostileHandler{
	{name: "blocks for 10 s", harm: func(ctx context.Context, _ *bench) { sleep(ctx, 10*time.Second) }},
	{name: "blocks for ever", harm: func(ctx context.Context, _ *bench) { <-ctx.Done() }},
	{name: "panics", harm: func(context.Context, *bench) { panic("a log handler panics") }},
	{name: "acquires from the pool", harm: func(ctx context.Context, b *bench) {
		if !b.opened.Load() {
			return
		}
		if conn, err := b.pool.Acquire(ctx); err == nil {
			conn.Release()
		}
	}},
	{name: "asks the monitor", harm: func(_ context.Context, b *bench) {
		if b.opened.Load() {
			b.monitor.Stats()
			b.monitor.Health()
			b.monitor.Holders()
		}
	}},
}

// prompt bounds what must not wait for a log handler: far more than it takes on a busy machine, and less than a handler blocks.
const prompt = 8 * time.Second

// within reports that f does not return in time, and then has the log handler let go, so that f can.
func (b *bench) within(limit time.Duration, what string, f func()) {
	b.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return
	case <-time.After(limit):
		b.t.Errorf("%s has not come after %v", what, limit)
	}
	if h, ok := b.log.(hostileHandler); ok {
		h.relent()
	}
	<-done
}

// answers asks the monitor all that must be there at once, whatever goes on.
func (b *bench) answers() {
	b.t.Helper()
	b.within(prompt, "an answer of the monitor", func() {
		b.monitor.Stats()
		b.monitor.Health()
		b.monitor.Holders()
	})
}
