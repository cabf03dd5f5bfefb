// Package logs writes what views and events say to an slog.Logger, as the catalogue in package telemetry lists it. It does so
// on a goroutine of its own: a handler that is slow, blocks, panics or uses the pool delays only the log.
package logs

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/otelpool/internal/guard"
	"github.com/otelpool/pgx/otelpool/internal/mailbox"
	"github.com/otelpool/pgx/otelpool/internal/view"
	"github.com/otelpool/pgx/tracer"
)

// Config is where an Outlet writes.
type Config struct {
	Logger       *slog.Logger
	Pool         string
	Interval     time.Duration // between views
	UsageWarning float64       // the share of use above which it is called high
	UsageJudged  bool          // the policy judges by it
	Guard        *guard.Guard
}

// Outlet is the log. Give it views by Put and events by Post.
type Outlet struct {
	*mailbox.Mailbox
	config Config
	logger *slog.Logger

	previous *view.View // of the mailbox's goroutine, as is what follows
	state    logState
}

// logState is what the log has said already, so that it says it once.
type logState struct {
	initialized bool
	failed      bool
	usage       bool      // an episode of high usage is on
	exhausted   bool      // an episode of exhaustion is on
	statistics  time.Time // when they were written last
	dropped     int64     // of the hook's events
	leaks       leakLimit
}

// New starts to write.
func New(c Config) *Outlet {
	pool := slog.String(string(semconv.DBClientConnectionPoolNameKey), c.Pool)
	o := &Outlet{config: c, logger: slog.New(guardedHandler{c.Logger.Handler()}).With(pool)}
	o.Mailbox = mailbox.New("writing the log", c.Guard, o.write)
	return o
}

// write is called with what has come since the last call.
func (o *Outlet) write(b mailbox.Batch) {
	o.logEvents(b.Events)
	o.logDropped(b)
	if b.View != nil {
		o.logView(b.View)
	}
	if b.Last {
		o.state.leaks.report(o)
	}
}

// logView writes what a view adds to the one before it, which is nil for the first.
func (o *Outlet) logView(v *view.View) {
	before := o.previous
	o.previous = v
	o.logStart(v)
	o.logUsage(v)
	o.logExhaustion(before, v)
	o.logHealth(before, v)
	o.logStatistics(v)
	o.state.leaks.close(o, v.At)
}

// logEvents writes events in their order. Those of one look that say the same of several connections become one record.
func (o *Outlet) logEvents(events []view.Event) {
	var hook []tracer.Event
	for _, e := range events {
		switch e := e.(type) {
		case tracer.Event:
			hook = append(hook, e)
		case tracer.ConnectionEvent:
			o.logConnection(e)
		case view.Attempt:
			o.logAttempt(e)
		case view.OutageEnded:
			o.logOutage(e)
		case view.NoticeRaised:
			o.logNotice(e)
		case view.Drain:
			o.logDrain(e)
		case view.Renamed:
			o.warn(telemetry.EventRenamed, "another live pool has this pool's name: it was numbered, choose one by WithPoolName",
				slog.String("derived", e.Derived))
		case view.StatOnly:
			o.warn(telemetry.EventStatOnly, "pool was built without the hook: waits, holds, leaks and causes cannot be seen; "+
				"call otelpool.Configure(cfg), as the last change of cfg, before pgxpool.NewWithConfig(ctx, cfg)")
		case view.Panicked:
			o.emit(context.Background(), slog.LevelError, telemetry.EventPanicked, "a panic was caught while "+e.While,
				slog.String("panic", e.Value), slog.String("stack", e.Stack))
		}
	}
	o.logLeaks(hook)
	o.logLost(hook)
}

// logDropped says how many events were lost on their way to the log.
func (o *Outlet) logDropped(b mailbox.Batch) {
	lost := b.Dropped
	if b.View != nil {
		lost += b.View.Hook.Dropped - o.state.dropped
		o.state.dropped = b.View.Hook.Dropped
	}
	if lost > 0 {
		o.warn(telemetry.EventDropped, "events were lost: the log handler is slower than what it has to write",
			slog.Int64("dropped", lost))
	}
}

func (o *Outlet) emit(ctx context.Context, level slog.Level, event, message string, attrs ...slog.Attr) {
	if !o.logger.Enabled(ctx, level) {
		return
	}
	attrs = append([]slog.Attr{slog.String(telemetry.KeyEventName, event)}, attrs...)
	o.logger.LogAttrs(ctx, level, message, attrs...)
}

func (o *Outlet) info(event, message string, attrs ...slog.Attr) {
	o.emit(context.Background(), slog.LevelInfo, event, message, attrs...)
}

func (o *Outlet) warn(event, message string, attrs ...slog.Attr) {
	o.emit(context.Background(), slog.LevelWarn, event, message, attrs...)
}

// withSpan is a context with the span of a request, so that a bridge to OpenTelemetry correlates the record with it.
func withSpan(sc trace.SpanContext) context.Context {
	return trace.ContextWithSpanContext(context.Background(), sc)
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
