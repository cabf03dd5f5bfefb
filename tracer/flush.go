package tracer

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Recorder receives durations: most from [Tracer.Flush], failures and those above 0.5 ms of sampled requests at once, on the
// goroutine of the caller concerned and with its context, so that exemplars lead to their traces. It must be safe for
// concurrent use, return at once and not call back into the pool.
type Recorder interface {
	// RecordWait is told of n acquires that ended after wait. errorType is "" for success, else a value of package
	// internal/errtype. replayed is true from Flush: it did not happen just now.
	RecordWait(ctx context.Context, wait time.Duration, errorType string, n int, replayed bool)
	// RecordUse is likewise told of n held connections that were released after use.
	RecordUse(ctx context.Context, use time.Duration, n int, replayed bool)
	// RecordCreate is told of a connection that was established. Of its context only the span is left.
	RecordCreate(ctx context.Context, create time.Duration)
}

// SetRecorder names the receiver of durations; nil drops them. What was counted before is kept for it.
func (t *Tracer) SetRecorder(r Recorder) {
	if r == nil {
		t.recorder.Store(nil)
		return
	}
	t.recorder.Store(&r)
}

// SetDirect has every duration go to the [Recorder] at once, as for a log of each event. It costs what the recorder costs.
func (t *Tracer) SetDirect(on bool) { t.direct.Store(on) }

// exemplarFrom is the least duration worth an exemplar, the first bound that people see: nobody follows the trace of a wait
// that was none.
const exemplarFrom = 500 * time.Microsecond

// directly returns the recorder if a duration of a's request is to go there at once, nil if it is to be counted.
func (t *Tracer) directly(a *acquire, d int64) Recorder {
	r := t.recorder.Load()
	switch {
	case r == nil:
		return nil
	case t.direct.Load():
		return *r
	case d <= int64(exemplarFrom) || !a.flags.IsSampled():
		return nil
	}
	return *r
}

// Flush replays to the [Recorder] what has been counted since the last flush. Call it once a tick, and before metrics are
// collected. Without a recorder it leaves all for the one to come.
func (t *Tracer) Flush() {
	t.flushMu.Lock()
	defer t.flushMu.Unlock()
	t.flush()
}

// TryFlush is Flush unless one is under way already, maybe by whoever calls: a log handler may ask for statistics.
func (t *Tracer) TryFlush() {
	if t.flushMu.TryLock() {
		defer t.flushMu.Unlock()
		t.flush()
	}
}

// flush is done under flushMu.
func (t *Tracer) flush() {
	p := t.recorder.Load()
	if p == nil {
		return
	}
	r, ctx := *p, context.Background()
	least, most := t.waits.replay(func(v time.Duration, n int) { r.RecordWait(ctx, v, "", n, true) })
	t.window.least, t.window.most = min(t.window.least, least), max(t.window.most, most)
	raise(&t.counters.maxWait, most)
	t.uses.replay(func(v time.Duration, n int) { r.RecordUse(ctx, v, n, true) })
	for _, f := range t.failures.take() {
		r.RecordWait(ctx, time.Duration(f.wait), f.kind, 1, true)
	}
	for _, c := range t.creates.take() {
		r.RecordCreate(trace.ContextWithSpanContext(ctx, c.span), time.Duration(c.took))
	}
}

// window is the extremes of waits since the last sweep, however many flushes it had. It is guarded by Tracer.flushMu.
type window struct{ least, most int64 }

// create is a connection that was established. It keeps no context: that of a request ends with it, and holds its memory.
type create struct {
	span trace.SpanContext // in which it was; invalid without one
	took int64
}

// failure is an acquire that failed while nobody was listening.
type failure struct {
	wait int64
	kind string
}

// backlog keeps what a flush has to tell one by one: pools connect, and fail to, before anybody can be listening.
type backlog[T any] struct {
	mu   sync.Mutex // guards list
	list []T
}

// maxBacklog bounds a backlog: with nobody flushing, the first ones are the ones worth keeping.
const maxBacklog = 1024

func (l *backlog[T]) push(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) < maxBacklog {
		l.list = append(l.list, v)
	}
}

func (l *backlog[T]) take() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.list
	l.list = nil
	return list
}
