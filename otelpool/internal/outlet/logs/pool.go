package logs

import (
	"context"
	"log/slog"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

const (
	statisticsEvery = time.Minute
	usageLow        = 0.9 // share of the warning below which an episode of high usage is over
)

// logStart reports the first connection, and the first failure to get one.
func (o *Outlet) logStart(v *view.View) {
	switch {
	case o.state.initialized:
	case v.Stat.Idle+v.Stat.Used > 0:
		o.state.initialized = true
		o.info(telemetry.EventInitialized, "pool is connected",
			slog.Int("max_connections", v.Stat.Max), slog.Int("min_connections", v.Limits.MinConns))
	case !o.state.failed && !v.Hook.Faults.Connect.At.IsZero():
		o.state.failed = true
		o.emit(context.Background(), slog.LevelError, telemetry.EventInitialized, "pool cannot connect",
			slog.String(string(semconv.ErrorTypeKey), v.Hook.Faults.Connect.Type),
			slog.String("error", v.Hook.Faults.Connect.Text))
	}
}

// logUsage reports high usage once an episode. It is a warning only where the policy judges by it: to the default policy a
// busy pool is not a broken one.
func (o *Outlet) logUsage(v *view.View) {
	switch usage := v.Stat.Usage(); {
	case !o.state.usage && v.Report.UsageHigh:
		o.state.usage = true
		level := slog.LevelInfo
		if o.config.UsageJudged {
			level = slog.LevelWarn
		}
		o.emit(context.Background(), level, telemetry.EventUsageHigh, "most connections are in use", slog.Float64("usage", usage),
			slog.Int("used", v.Stat.Used), slog.Int("max_connections", v.Stat.Max))
	case o.state.usage && usage < usageLow*o.config.UsageWarning:
		o.state.usage = false
	}
}

func (o *Outlet) logStatistics(v *view.View) {
	last := o.state.statistics
	if v.At.Sub(last) < statisticsEvery {
		return
	}
	o.state.statistics = v.At
	if last.IsZero() {
		return
	}
	c := &v.Hook.Counters
	o.info(telemetry.EventStatistics, "pool statistics",
		slog.Int("total", v.Stat.Total), slog.Int("idle", v.Stat.Idle),
		slog.Int("used", v.Stat.Used), slog.Int("max_connections", v.Stat.Max),
		slog.Int("waiting", v.Waiting()), slog.Int64("acquires", c.Counts[counts.Acquired]), slog.Int64("releases", c.Counts[counts.Released]),
		slog.Int64("timeouts", c.Counts[counts.TimedOut]), seconds("longest_wait", c.MaxWait),
		slog.String("status", v.Report.Status.String()))
}

// logHealth reports a change of status, at the level that the new one deserves, with its likeliest cause. A shutdown has
// events of its own.
func (o *Outlet) logHealth(before, v *view.View) {
	if before == nil || before.Report.Status == v.Report.Status || v.Health.Draining() {
		return
	}
	r, level := v.Report, slog.LevelInfo
	switch r.Status {
	case healthcheck.Degraded:
		level = slog.LevelWarn
	case healthcheck.Unhealthy:
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("status", r.Status.String()), slog.String("previous", before.Report.Status.String()),
		slog.String(string(telemetry.KeyState), string(r.State)),
	}
	message := "pool is " + r.Status.String()
	if len(r.Findings) > 0 {
		f := r.Findings[0]
		message += ": " + f.Summary
		attrs = append(attrs, slog.String(string(telemetry.KeyCause), string(f.Cause)),
			slog.Any("evidence", sentences(f.Evidence)), slog.String("advice", f.Advice), slog.String("runbook", f.Runbook))
	}
	o.emit(context.Background(), level, telemetry.EventHealthChanged, message, attrs...)
}

// logAttempt reports an attempt of the probe that failed.
func (o *Outlet) logAttempt(a view.Attempt) {
	attrs := []slog.Attr{slog.Int("attempt", a.Number)}
	message := "server probe was refused and does not try again"
	if !a.GaveUp {
		message = "server probe could not connect"
		attrs = append(attrs, seconds("delay", a.Delay))
	}
	o.warn(telemetry.EventReconnectAttempt, message,
		append(attrs, slog.String(string(semconv.ErrorTypeKey), a.ErrorType), slog.String("error", a.Error))...)
}

// logOutage reports the end of an outage, unless observing ended before it.
func (o *Outlet) logOutage(e view.OutageEnded) {
	if !e.Served {
		return
	}
	o.info(telemetry.EventReconnectSucceeded, "pool is served again",
		seconds("outage", e.At.Sub(e.Since)), slog.String("status", e.Status.String()),
		slog.String(string(telemetry.KeyCause), string(e.Cause)), slog.Int64("attempts", e.Attempts))
}
