package otelpool

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/tracer"
)

// eventLog writes the catalogue of log events. Every record has the event's name and the pool's; what concerns one request
// is written with that request's span in the context, so that a bridge to OpenTelemetry correlates it, and with the IDs as
// attributes for everybody else.
type eventLog struct {
	logger *slog.Logger
	told   told // of the monitor's loop
}

func newEventLog(logger *slog.Logger, pool string) *eventLog {
	return &eventLog{logger: slog.New(guardedHandler{logger.Handler()}).With(slog.String(string(semconv.DBClientConnectionPoolNameKey), pool))}
}

func (l *eventLog) emit(ctx context.Context, level slog.Level, event, message string, attrs ...slog.Attr) {
	if !l.logger.Enabled(ctx, level) {
		return
	}
	attrs = append([]slog.Attr{slog.String(telemetry.KeyEventName, event)}, attrs...)
	l.logger.LogAttrs(ctx, level, message, attrs...)
}

func (l *eventLog) info(event, message string, attrs ...slog.Attr) {
	l.emit(context.Background(), slog.LevelInfo, event, message, attrs...)
}

func (l *eventLog) warn(event, message string, attrs ...slog.Attr) {
	l.emit(context.Background(), slog.LevelWarn, event, message, attrs...)
}

// eachEvent reports whether acquires and releases are logged one by one.
func (l *eventLog) eachEvent() bool { return l.logger.Enabled(context.Background(), slog.LevelDebug) }

// connectionSink writes acquires and releases at debug level; nil while nobody wants them.
func (l *eventLog) connectionSink() func(tracer.ConnectionEvent) {
	if !l.eachEvent() {
		return nil
	}
	return l.connectionEvent
}

// connectionEvent tells, at debug level, of one acquire that ended or one release. What a log handler itself takes from the pool
// is not told: it would tell of that in turn, and so on for ever.
func (l *eventLog) connectionEvent(e tracer.ConnectionEvent) {
	ctx := trace.ContextWithSpanContext(context.Background(), e.Span)
	if !l.logger.Enabled(ctx, slog.LevelDebug) || inHandler() {
		return
	}
	attrs := spanAttrs(e.Span)
	switch e.Kind {
	case tracer.ConnectionAcquired:
		l.emit(ctx, slog.LevelDebug, telemetry.EventAcquired, "connection acquired", append(attrs, seconds("wait", e.Duration))...)
	case tracer.ConnectionAcquireFailed:
		l.emit(ctx, slog.LevelDebug, telemetry.EventAcquired, "acquire failed",
			append(attrs, seconds("wait", e.Duration), slog.String(string(semconv.ErrorTypeKey), e.ErrorType))...)
	case tracer.ConnectionReleased:
		l.emit(ctx, slog.LevelDebug, telemetry.EventReleased, "connection released", append(attrs, seconds("held", e.Duration))...)
	}
}

func spanAttrs(sc trace.SpanContext) []slog.Attr {
	if !sc.IsValid() {
		return nil
	}
	return []slog.Attr{slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String())}
}

// spanContext returns a context with the span that the hexadecimal IDs name.
func spanContext(traceID, spanID string) context.Context {
	var sc trace.SpanContextConfig
	var err1, err2 error
	sc.TraceID, err1 = trace.TraceIDFromHex(traceID)
	sc.SpanID, err2 = trace.SpanIDFromHex(spanID)
	if err1 != nil || err2 != nil {
		return context.Background()
	}
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(sc))
}

// seconds is a duration as an attribute: a number with its unit in the name, which every backend can compare.
func seconds(name string, d time.Duration) slog.Attr {
	return slog.Float64(name+"_seconds", d.Round(time.Microsecond).Seconds())
}

// sentences are an array to whoever can carry one, and to the others separated: slog's text would run them together.
type sentences []string

// MarshalText implements [encoding.TextMarshaler], which slog's TextHandler asks for.
func (s sentences) MarshalText() ([]byte, error) { return []byte(strings.Join(s, "; ")), nil }

// MarshalJSON implements [json.Marshaler], which goes before.
func (s sentences) MarshalJSON() ([]byte, error) { return json.Marshal([]string(s)) }
