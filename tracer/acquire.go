package tracer

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/internal/callstack"
	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/errtype"
)

// acquire is one call of Pool.Acquire, and after it succeeded the hold of its connection. It is the context that pgx
// carries from TraceAcquireStart to TraceAcquireEnd: the one allocation of a cycle.
//
// Each part is written by one party before it is handed on by an atomic operation, and constant after.
type acquire struct {
	// Written before it joins the ring of waiters.
	context.Context // the caller's
	owner           *Tracer
	start           int64
	site            *site            // nil without stacks
	origin          callstack.Origin // the calling goroutine; zero where unknown
	place           int16            // in the ring of waiters
	flags           trace.TraceFlags // of the caller's span; here and below, where they take no space

	reported atomic.Int32 // the LeakEvidence with which a sweep has reported the hold

	// Likewise. What others may want to know of the caller's context is read here, by the caller: some frameworks use their
	// contexts again for the next request, and have no lock for that.
	traceID  trace.TraceID // of the caller's span; zero without one
	spanID   trace.SpanID
	expected *string         // why a long hold is expected; nil if it is not
	done     <-chan struct{} // closed when the request is over; nil if that never shows
	deadline atomic.Int64    // of the request, 0 without one; see contextErr

	// Written before it is published as the holder of its connection.
	held int64 // when the connection was obtained

	// Written by the holder, read by anybody.
	activity activity
}

// acquireKey finds the acquire of one tracer among the values of a context.
type acquireKey struct{ owner *Tracer }

// Value makes the acquire visible to connects made on its behalf.
func (a *acquire) Value(key any) any {
	if k, ok := key.(acquireKey); ok && k.owner == a.owner {
		return a
	}
	return a.Context.Value(key)
}

// String keeps whoever prints the context from reading what others write.
func (a *acquire) String() string { return "otelpool acquire" }

// TraceAcquireStart notes the caller, its stack and the time. The returned context is the caller's with one value more.
func (t *Tracer) TraceAcquireStart(ctx context.Context, pool *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	if !t.observes(pool) {
		return ctx
	}
	if _, is := ctx.(untracked); is {
		return untrackedAcquire{ctx, t}
	}
	if ctx == nil { // pgx is about to panic: let it
		t.counters.add(counts.Started, 1)
		return ctx
	}
	a := &acquire{Context: ctx, owner: t}
	a.captureContext()
	a.site, a.origin = t.sites.caller(t.opts.Load().StackDepth)
	a.start = t.now()
	t.waiters.add(a, t.counters.add(counts.Started, 1))
	return a
}

// TraceAcquireEnd counts the outcome and, on success, enters the connection into the table of held ones.
func (t *Tracer) TraceAcquireEnd(ctx context.Context, pool *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	if !t.observes(pool) {
		t.forgetForeignConn(data.Conn)
		return
	}
	a := t.acquireFrom(ctx)
	if a == nil {
		return
	}
	t.waiters.remove(a)
	now := t.now()
	if data.Err != nil || data.Conn == nil {
		t.acquireFailed(a, now, data.Err)
		return
	}
	a.held = now
	t.hold(data.Conn, a)
	t.counters.acquired()
	wait := now - a.start
	t.waited(a, wait)
	t.connectionEvent(ConnectionAcquired, a, now, wait, "")
}

// captureContext takes down what the context says. The caller is in its own request.
func (a *acquire) captureContext() {
	if sc := trace.SpanContextFromContext(a.Context); sc.IsValid() {
		a.traceID, a.spanID, a.flags = sc.TraceID(), sc.SpanID(), sc.TraceFlags()
	}
	a.expected = expectedLongHold(a.Context)
	if a.done = a.Done(); a.done == nil {
		return
	}
	if deadline, limited := a.Deadline(); limited {
		a.deadline.Store(int64(deadline.Sub(a.owner.base)))
	}
}

// contextErr says why the request has ended, as its context would; "" while it has not. Who first looks after the end sees whether
// it came before the deadline, and says so to those who look later.
func (a *acquire) contextErr() string {
	select {
	case <-a.done:
	default:
		return ""
	}
	deadline := a.deadline.Load()
	if deadline != 0 && a.owner.now() >= deadline {
		return context.DeadlineExceeded.Error()
	}
	a.deadline.Store(0)
	return context.Canceled.Error()
}

// span is the caller's, invalid without one.
func (a *acquire) span() trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: a.traceID, SpanID: a.spanID, TraceFlags: a.flags})
}

// acquireFrom finds what TraceAcquireStart returned, which a tracer further out may have wrapped. One that drops contexts loses
// the wait time and the stack of the acquire, but not the count: see waiterRing.giveUp. It is nil for one that is not to be
// tracked.
func (t *Tracer) acquireFrom(ctx context.Context) *acquire {
	if a, ok := ctx.(*acquire); ok && a.owner == t {
		return a
	}
	if ctx == nil { // see TraceAcquireStart
		return t.acquireWithoutStart(context.Background())
	}
	switch found := ctx.Value(acquireKey{t}).(type) {
	case untrackedAcquire:
		return nil
	case *acquire:
		return found
	}
	t.waiters.giveUp()
	return t.acquireWithoutStart(ctx)
}

// acquireWithoutStart stands for one of which only the end is known.
func (t *Tracer) acquireWithoutStart(ctx context.Context) *acquire {
	a := &acquire{Context: ctx, owner: t, start: t.now(), place: notWaiting}
	a.captureContext()
	return a
}

func (t *Tracer) acquireFailed(a *acquire, now int64, err error) {
	kind := errtype.Of(err)
	if kind == "" { // no connection and no error: a hook of the application panicked
		kind = errtype.Other
	}
	switch kind {
	case errtype.Timeout:
		t.counters.add(counts.TimedOut, 1)
	case errtype.Canceled:
		t.counters.add(counts.Canceled, 1)
	default:
		t.counters.add(counts.Failed, 1)
	}
	if kind != errtype.Canceled { // the caller's own choice is no fault of the pool
		t.faults.acquire.note(now, kind, err)
	}
	wait := now - a.start
	t.failed(a, wait, kind)
	t.connectionEvent(ConnectionAcquireFailed, a, now, wait, kind)
}

// hold publishes a as the holder of conn. The caller owns conn at this moment.
func (t *Tracer) hold(conn *pgx.Conn, a *acquire) {
	s := t.conns.slot(conn)
	if s == nil {
		s = t.slotOf(conn)
		t.conns.add(conn, s)
	}
	if previous := s.hold.Swap(a); previous != nil {
		t.counters.add(counts.Hijacked, 1) // only a release that never reached us can leave one behind
	}
	if !s.listed.Load() {
		t.slots.list(s)
	}
}

// activity is what a hold has done with its connection so far.
type activity struct {
	open      atomic.Int32 // queries, batches, copies begun and not ended; they nest
	tx        atomic.Int32 // transaction status byte as of the last query
	openSince atomic.Int64 // when open left 0
	last      atomic.Int64 // when a query last began or ended; 0 if never
	queryTime atomic.Int64 // nanoseconds with open > 0, ended spans only
	queries   atomic.Int64
	operation atomic.Pointer[string] // keyword of the last statement
	text      atomic.Pointer[string] // its text, by option
}
