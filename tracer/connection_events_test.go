package tracer_test

import (
	"context"
	"reflect"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/tracer"
)

func TestConnectionEvents_AreSentForEachAcquireAndRelease(t *testing.T) {
	onWire(t, "pool_max_conns=1", suspicious, nil, func(t *testing.T, w *watch) {
		var got []tracer.ConnectionEvent
		sink := func(e tracer.ConnectionEvent) { got = append(got, e) }
		w.acquire(t.Context()).Release() // nobody is listening
		w.hook.SetConnectionEvents(sink)
		span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
		ctx := trace.ContextWithSpanContext(t.Context(), span)
		start := time.Now()
		conn := w.acquire(ctx)
		limited, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if _, err := w.pool.Acquire(limited); err == nil {
			t.Error("acquired")
		}
		conn.Release()
		w.hook.SetConnectionEvents(nil)
		w.acquire(ctx).Release()

		want := []tracer.ConnectionEvent{
			{Kind: tracer.ConnectionAcquired, At: start, Span: span},
			{Kind: tracer.ConnectionAcquireFailed, At: start.Add(2 * time.Second), Duration: 2 * time.Second, ErrorType: "timeout", Span: span},
			{Kind: tracer.ConnectionReleased, At: start.Add(2 * time.Second), Duration: 2 * time.Second, Span: span},
		}
		if len(got) != len(want) {
			t.Fatalf("events %+v", got)
		}
		for i, e := range got {
			if off := e.At.Sub(want[i].At); off < 0 || off > time.Microsecond {
				t.Errorf("event %d is %s off", i, off)
			}
			if e.At = want[i].At; !reflect.DeepEqual(e, want[i]) {
				t.Errorf("event %+v, want %+v", e, want[i])
			}
		}
	})
}

func TestConnectionEvents_LoseAnEventToASinkThatPanicsAndNothingElse(t *testing.T) {
	onWire(t, "pool_max_conns=1", suspicious, nil, func(t *testing.T, w *watch) {
		w.hook.SetConnectionEvents(func(tracer.ConnectionEvent) { panic("on purpose") })
		for range 3 {
			w.acquire(t.Context()).Release()
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		_, _ = w.pool.Acquire(gone)
		w.checkRest(0)
	})
}
