package tracer

import (
	"time"

	"go.opentelemetry.io/otel/trace"
)

// ConnectionEventKind says what a [ConnectionEvent] is about.
type ConnectionEventKind string

// What can happen to a connection, as the application sees it.
const (
	ConnectionAcquired      ConnectionEventKind = "acquired"
	ConnectionAcquireFailed ConnectionEventKind = "acquire_failed"
	ConnectionReleased      ConnectionEventKind = "released"
)

// ConnectionEvent is one acquire that ended, or one release.
type ConnectionEvent struct {
	Kind      ConnectionEventKind
	At        time.Time
	Duration  time.Duration     // of the wait; of the use in a release
	ErrorType string            // of an acquire that failed: a value of package internal/errtype
	Span      trace.SpanContext // of the request; invalid without one
}

// SetConnectionEvents has sink called for each acquire that ends and each release, on the goroutine of the caller: it must
// return at once. nil turns it off, which it is at first. A panic of sink loses the event and nothing else.
func (t *Tracer) SetConnectionEvents(sink func(ConnectionEvent)) {
	if sink == nil {
		t.connectionEvents.Store(nil)
		return
	}
	t.connectionEvents.Store(&sink)
}

// connectionEvent passes an event of a on, if anybody wants it. It is small enough to be inlined.
func (t *Tracer) connectionEvent(kind ConnectionEventKind, a *acquire, at, duration int64, errorType string) {
	if sink := t.connectionEvents.Load(); sink != nil {
		t.sendConnectionEvent(*sink, kind, a, at, duration, errorType)
	}
}

func (t *Tracer) sendConnectionEvent(sink func(ConnectionEvent), kind ConnectionEventKind, a *acquire, at, duration int64, errorType string) {
	guard(func() {
		sink(ConnectionEvent{Kind: kind, At: t.wall(at), Duration: time.Duration(duration), ErrorType: errorType, Span: a.span()})
	})
}
