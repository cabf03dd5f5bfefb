package logs

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/otelpool/internal/view"
	"github.com/otelpool/pgx/tracer"
)

// leaksPerMinute bounds the suspicions that are written in a minute; the rest are counted.
const leaksPerMinute = 20

// leakLimit counts the suspicions of one minute.
type leakLimit struct {
	minute     time.Time // its start
	written    int
	suppressed int
}

// take says whether a group of suspicions may be written.
func (l *leakLimit) take(o *Outlet, at time.Time, count int) bool {
	l.close(o, at)
	if l.written >= leaksPerMinute {
		l.suppressed += count
		return false
	}
	l.written++
	return true
}

// close says at the end of a minute how many were not written.
func (l *leakLimit) close(o *Outlet, at time.Time) {
	if at.Sub(l.minute) < time.Minute {
		return
	}
	l.report(o)
	l.minute, l.written = at, 0
}

func (l *leakLimit) report(o *Outlet) {
	if l.suppressed > 0 {
		o.warn(telemetry.EventLeakSuspected, "more leaks than are written out", slog.Int("suppressed", l.suppressed))
	}
	l.suppressed = 0
}

// logLeaks reports suspicions and recoveries, one record for each place.
func (o *Outlet) logLeaks(events []tracer.Event) {
	for _, g := range groupLeaks(events) {
		if g.first.Kind == tracer.EventLeakRecovered || o.state.leaks.take(o, g.first.At, g.count) {
			o.logLeak(g)
		}
	}
}

// leakGroup is the leaks of one kind that were taken at one place.
type leakGroup struct {
	first tracer.Event
	count int
}

// groupLeaks joins the events that share call site, kind and evidence, in the order of their first.
func groupLeaks(events []tracer.Event) []leakGroup {
	type key struct {
		kind     tracer.EventKind
		evidence tracer.LeakEvidence
		site     string
	}
	var groups []leakGroup
	index := make(map[key]int)
	for _, e := range events {
		if e.Kind == tracer.EventConnectionLost {
			continue
		}
		k := key{e.Kind, e.Holder.Evidence, e.Holder.Site}
		i, known := index[k]
		if !known {
			i = len(groups)
			index[k] = i
			groups = append(groups, leakGroup{first: e})
		}
		groups[i].count++
	}
	return groups
}

func (o *Outlet) logLeak(g leakGroup) {
	h := &g.first.Holder
	ctx := withSpan(view.SpanContext(h.TraceID, h.SpanID))
	attrs := append(holderAttrs(h), slog.Int("connections", g.count), slog.String(string(telemetry.KeyEvidence), h.Evidence.String()))
	if g.first.Kind == tracer.EventLeakRecovered {
		o.emit(ctx, slog.LevelInfo, telemetry.EventLeakRecovered, "suspected leak came back: "+h.Site, attrs...)
		return
	}
	attrs = append(attrs, slog.String(string(semconv.CodeStacktraceKey), view.FormatStack(h.Stack)))
	message := "connection may be leaked, taken at " + h.Site
	if h.Doing != "" {
		message += "; its goroutine " + h.Doing
	}
	o.emit(ctx, slog.LevelWarn, telemetry.EventLeakSuspected, message, attrs...)
}

// holderAttrs is a holder as log attributes. The place has the conventions' names.
func holderAttrs(h *tracer.Holder) []slog.Attr {
	attrs := []slog.Attr{
		seconds("age", h.Age), seconds("idle", h.Idle), slog.Uint64("backend_pid", uint64(h.PID)),
		slog.Bool("in_transaction", h.InTx), slog.Int64("queries", h.Queries),
	}
	if h.Operation != "" {
		attrs = append(attrs, slog.String(string(semconv.DBOperationNameKey), h.Operation))
	}
	if h.SQL != "" {
		attrs = append(attrs, slog.String(string(semconv.DBQueryTextKey), h.SQL))
	}
	if h.Context != "" {
		attrs = append(attrs, slog.String("context", h.Context))
	}
	if h.TraceID != "" {
		attrs = append(attrs, slog.String("trace_id", h.TraceID), slog.String("span_id", h.SpanID))
	}
	if len(h.Stack) > 0 {
		attrs = append(attrs, slog.String(string(semconv.CodeFunctionNameKey), h.Stack[0].Function),
			slog.String(string(semconv.CodeFilePathKey), h.Stack[0].File),
			slog.Int(string(semconv.CodeLineNumberKey), h.Stack[0].Line))
	}
	return attrs
}

// logLost reports lost connections by what ended them: a server that goes takes all of them at once.
func (o *Outlet) logLost(events []tracer.Event) {
	pids := make(map[string][]uint32)
	for _, e := range events {
		if e.Kind == tracer.EventConnectionLost {
			pids[e.ErrorType] = append(pids[e.ErrorType], e.PID)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(pids)) {
		o.warn(telemetry.EventConnectionLost, "connections lost under queries", slog.Int("connections", len(pids[kind])),
			slog.String(string(semconv.ErrorTypeKey), kind), slog.Any("backend_pids", pids[kind]))
	}
}

// logConnection reports one acquire or release.
func (o *Outlet) logConnection(e tracer.ConnectionEvent) {
	var attrs []slog.Attr
	if e.Span.IsValid() {
		attrs = append(attrs, slog.String("trace_id", e.Span.TraceID().String()), slog.String("span_id", e.Span.SpanID().String()))
	}
	ctx := withSpan(e.Span)
	switch e.Kind {
	case tracer.ConnectionReleased:
		o.emit(ctx, slog.LevelInfo, telemetry.EventReleased, "connection released", append(attrs, seconds("held", e.Duration))...)
	case tracer.ConnectionAcquireFailed:
		o.emit(ctx, slog.LevelInfo, telemetry.EventAcquired, "acquire failed",
			append(attrs, seconds("wait", e.Duration), slog.String(string(semconv.ErrorTypeKey), e.ErrorType))...)
	default:
		o.emit(ctx, slog.LevelInfo, telemetry.EventAcquired, "connection acquired", append(attrs, seconds("wait", e.Duration))...)
	}
}
