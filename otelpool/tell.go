package otelpool

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/tracer"
)

const (
	statisticsEvery = time.Minute
	usageLow        = 0.9 // share of Policy.UsageWarning below which high use may be told again
	leaksPerMinute  = 20  // suspicions written out a minute; the rest are counted
)

// told is what the log has said already, so that it says it once.
type told struct {
	initialized bool
	failed      bool
	usage       bool // an episode of high usage is on
	exhausted   bool // an episode of exhaustion is on
	statistics  time.Time
	minute      time.Time // start of the minute that leaks counts
	leaks       int
	suppressed  int
}

// tell logs what the observation o adds to the one before it, which is nil for the first.
func (l *eventLog) tell(before, o *observation, m *Monitor) {
	l.tellStart(o, m)
	l.tellEvents(o)
	l.tellUsage(o, m.config.policy.UsageWarning)
	l.tellExhaustion(before, o, m)
	if before != nil && before.report.Status != o.report.Status && o.report.State != healthcheck.ShuttingDown {
		l.tellHealth(before.report, o.report) // of a shutdown its own events tell
	}
	if o.at.Sub(l.told.statistics) >= statisticsEvery {
		if !l.told.statistics.IsZero() {
			l.tellStatistics(o)
		}
		l.told.statistics = o.at
	}
}

// tellStart reports the first connection, and the first failure to get one.
func (l *eventLog) tellStart(o *observation, m *Monitor) {
	switch {
	case l.told.initialized:
	case o.stat.IdleConns()+o.stat.AcquiredConns() > 0:
		l.told.initialized = true
		l.info(telemetry.EventInitialized, "pool is connected",
			slog.Int("max_connections", int(o.stat.MaxConns())), slog.Int("min_connections", int(m.limits.minConns)))
	case !l.told.failed && o.snap.Counters.Counts[counts.ConnectFailures] > 0:
		l.told.failed = true
		l.emit(context.Background(), slog.LevelError, telemetry.EventInitialized, "pool cannot connect",
			slog.String(string(semconv.ErrorTypeKey), o.snap.Faults.Connect.Type),
			slog.String("error", o.snap.Faults.Connect.Text))
	}
}

func (l *eventLog) tellEvents(o *observation) {
	if o.at.Sub(l.told.minute) >= time.Minute {
		l.tellSuppressed()
		l.told.minute, l.told.leaks = o.at, 0
	}
	for _, group := range groupLeaks(o.snap.Events) {
		if group.first.Kind == tracer.EventLeakSuspected {
			if l.told.leaks >= leaksPerMinute {
				l.told.suppressed += group.count
				continue
			}
			l.told.leaks++
		}
		l.tellLeak(group)
	}
	l.tellLost(o.snap.Events)
}

// tellSuppressed says how many suspicions were not written out: at the end of a minute, and of the Monitor.
func (l *eventLog) tellSuppressed() {
	if l.told.suppressed > 0 {
		l.warn(telemetry.EventLeakSuspected, "more leaks than are written out", slog.Int("suppressed", l.told.suppressed))
	}
	l.told.suppressed = 0
}

// tellLost reports the connections lost in one tick, by what ended them: a server that goes takes all of them at once.
func (l *eventLog) tellLost(events []tracer.Event) {
	pids := make(map[string][]uint32)
	for _, e := range events {
		if e.Kind == tracer.EventConnectionLost {
			pids[e.ErrorType] = append(pids[e.ErrorType], e.PID)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(pids)) {
		l.warn(telemetry.EventConnectionLost, "connections lost under queries", slog.Int("connections", len(pids[kind])),
			slog.String(string(semconv.ErrorTypeKey), kind), slog.Any("backend_pids", pids[kind]))
	}
}

// leakGroup is the leaks of one kind that were taken at one place.
type leakGroup struct {
	first tracer.Event
	count int
}

// groupLeaks joins the events of one tick that share call site, kind and tier, in the order of their first.
func groupLeaks(events []tracer.Event) []leakGroup {
	var groups []leakGroup
	index := make(map[string]int)
	for _, e := range events {
		if e.Kind == tracer.EventConnectionLost {
			continue
		}
		key := string(e.Kind) + e.Holder.Evidence.String() + e.Holder.Site
		i, known := index[key]
		if !known {
			i = len(groups)
			index[key] = i
			groups = append(groups, leakGroup{first: e})
		}
		groups[i].count++
	}
	return groups
}

func (l *eventLog) tellLeak(g leakGroup) {
	h := g.first.Holder
	ctx := spanContext(h.TraceID, h.SpanID)
	attrs := append(holderAttrs(h), slog.Int("connections", g.count), slog.String(string(telemetry.KeyTier), h.Evidence.String()))
	if g.first.Kind == tracer.EventLeakRecovered {
		l.emit(ctx, slog.LevelInfo, telemetry.EventLeakRecovered, "suspected leak came back: "+h.Site, attrs...)
		return
	}
	attrs = append(attrs, slog.String(string(semconv.CodeStacktraceKey), stackText(h.Stack)))
	l.emit(ctx, slog.LevelWarn, telemetry.EventLeakSuspected, "connection may be leaked, taken at "+h.Site, attrs...)
}

// holderAttrs is a holder as log attributes. The place has the conventions' names.
func holderAttrs(h tracer.Holder) []slog.Attr {
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

// stackText is a stack as Go prints it.
func stackText(frames []tracer.Frame) string {
	var b strings.Builder
	for _, f := range frames {
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return b.String()
}

func (l *eventLog) tellUsage(o *observation, warning float64) {
	switch usage := o.usage(); {
	case !l.told.usage && o.report.UsageHigh:
		l.told.usage = true
		l.warn(telemetry.EventUsageHigh, "most connections are in use", slog.Float64("usage", usage),
			slog.Int("active", int(o.stat.AcquiredConns())), slog.Int("max_connections", int(o.stat.MaxConns())))
	case l.told.usage && usage < usageLow*warning:
		l.told.usage = false
	}
}

func (l *eventLog) tellStatistics(o *observation) {
	c := &o.snap.Counters
	l.info(telemetry.EventStatistics, "pool statistics",
		slog.Int("total", int(o.stat.TotalConns())), slog.Int("idle", int(o.stat.IdleConns())),
		slog.Int("active", int(o.stat.AcquiredConns())), slog.Int("max_connections", int(o.stat.MaxConns())),
		slog.Int64("waiting", c.Waiting), slog.Int64("acquires", c.Counts[counts.Acquired]), slog.Int64("releases", c.Counts[counts.Released]),
		slog.Int64("timeouts", c.Counts[counts.TimedOut]), seconds("longest_wait", c.MaxWait),
		slog.String("status", o.report.Status.String()))
}

// tellHealth reports a change of status, at the level that the new one deserves, with its likeliest cause.
func (l *eventLog) tellHealth(before, now *healthcheck.Report) {
	level := slog.LevelInfo
	switch now.Status {
	case healthcheck.Degraded:
		level = slog.LevelWarn
	case healthcheck.Unhealthy:
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("status", now.Status.String()), slog.String("previous", before.Status.String()),
		slog.String(string(telemetry.KeyState), string(now.State)),
	}
	message := "pool is " + now.Status.String()
	if len(now.Findings) > 0 {
		f := now.Findings[0]
		message += ": " + f.Summary
		attrs = append(attrs, slog.String(string(telemetry.KeyCause), string(f.Cause)),
			slog.Any("evidence", sentences(f.Evidence)), slog.String("advice", f.Advice), slog.String("runbook", f.Runbook))
	}
	l.emit(context.Background(), level, telemetry.EventHealthChanged, message, attrs...)
}
