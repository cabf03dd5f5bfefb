package tracer

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Recorder receives durations: most from [Tracer.Flush], and those that may become exemplars at once, on the goroutine of
// the caller concerned and with its context: failures, and what took more than 0.5 ms of a sampled request. It must be safe
// for concurrent use, return at once and not call back into the pool.
type Recorder interface {
	// RecordWait records n acquires that ended after wait. errorType is "" for success, else a value of package
	// internal/errtype.
	RecordWait(ctx context.Context, wait time.Duration, errorType string, n int)
	// RecordUse records n connections that were released after use.
	RecordUse(ctx context.Context, use time.Duration, n int)
	// RecordCreate records a connection that was established. Of its context only the span is left.
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

// exemplarFrom is the least duration worth an exemplar, the first bound that people see: nobody follows the trace of a wait
// that was none.
const exemplarFrom = 500 * time.Microsecond

// exemplary reports whether a duration of a's request is to go to the recorder at once, if there is one.
func exemplary(a *acquire, d int64) bool { return d > int64(exemplarFrom) && a.flags.IsSampled() }

// waited counts the wait of an acquire that succeeded.
func (t *Tracer) waited(a *acquire, wait int64) {
	if !exemplary(a, wait) || !t.recordWait(a, wait, "") {
		t.waits.add(wait)
	}
}

// failed counts the wait of an acquire that failed.
func (t *Tracer) failed(a *acquire, wait int64, kind string) {
	if !t.recordWait(a, wait, kind) {
		t.waits.addRecorded(wait) // as it will be, one by one
		t.failures.push(failure{wait, kind})
	}
}

// used counts the duration of a hold.
func (t *Tracer) used(a *acquire, use int64) {
	if !exemplary(a, use) || !t.recordUse(a, use) {
		t.uses.add(use)
	}
}

// recordWait passes a wait to the recorder at once, unless there is none.
func (t *Tracer) recordWait(a *acquire, wait int64, kind string) bool {
	r := t.recorder.Load()
	if r == nil {
		return false
	}
	t.waits.addRecorded(wait)
	guard(func() { (*r).RecordWait(a.Context, time.Duration(wait), kind, 1) })
	return true
}

// recordUse passes the duration of a hold to the recorder at once, unless there is none.
func (t *Tracer) recordUse(a *acquire, use int64) bool {
	r := t.recorder.Load()
	if r == nil {
		return false
	}
	t.uses.addRecorded(use)
	ctx := trace.ContextWithSpanContext(context.Background(), a.span())
	guard(func() { (*r).RecordUse(ctx, time.Duration(use), 1) })
	return true
}

// guard keeps a panic of foreign code from the host, whose acquire or release it would break.
func guard(f func()) {
	defer func() { _ = recover() }()
	f()
}

// Flush replays to the [Recorder] what has been counted since the last flush. Call it once a tick, and before metrics are
// collected, on a goroutine that may wait: a flush waits for the one before it. Nothing else does, so a recorder that blocks holds
// up nobody but those who flush. If the recorder panics, so does Flush; what was not replayed by then is left to the next
// one. Without a recorder it leaves all for the one to come.
func (t *Tracer) Flush() {
	p := t.recorder.Load()
	if p == nil {
		return
	}
	t.flushMu.Lock()
	defer t.flushMu.Unlock()
	r, ctx := *p, context.Background()
	t.waits.replay(func(v time.Duration, n int) { r.RecordWait(ctx, v, "", n) })
	t.uses.replay(func(v time.Duration, n int) { r.RecordUse(ctx, v, n) })
	for f, some := t.failures.pop(); some; f, some = t.failures.pop() {
		r.RecordWait(ctx, time.Duration(f.wait), f.kind, 1)
	}
	for c, some := t.creates.pop(); some; c, some = t.creates.pop() {
		r.RecordCreate(trace.ContextWithSpanContext(ctx, c.span), time.Duration(c.took))
	}
}

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

// backlog keeps what a flush has to record one by one: pools connect, and fail to, before anybody can be listening.
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

// pop takes the oldest.
func (l *backlog[T]) pop() (oldest T, some bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) == 0 {
		return oldest, false
	}
	oldest, l.list = l.list[0], l.list[1:]
	if len(l.list) == 0 {
		l.list = nil
	}
	return oldest, true
}
