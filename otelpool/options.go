package otelpool

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/exaring/otelpgx"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/tracer"
)

// Option changes a default of [Configure], [Instrument] or [Open]. Later options win. What Configure was given holds for
// Instrument too, which may override it; only [WithQuerySpans], what concerns its spans, and [WithApplicationName] must be known before the pool exists.
type Option func(*config)

// WithMeterProvider sets where metrics go. The default is the global provider at the time of the call.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(c *config) {
		if isNil(p) {
			c.reject("WithMeterProvider", "nil", "a MeterProvider", nil)
			return
		}
		c.meterProvider = p
	}
}

// WithTracerProvider sets where spans go: those of outages, and of queries with [WithQuerySpans]. The default is the
// global provider at the time of the call.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(c *config) {
		if isNil(p) {
			c.reject("WithTracerProvider", "nil", "a TracerProvider", nil)
			return
		}
		c.tracerProvider = p
	}
}

// WithLogger sets where log records go. The default is [slog.Default] at the time of the call. A handler that filters
// silences events by level: see docs/metrics.md for the catalogue.
//
// Records are written on a goroutine of their own. A handler that is slow, blocks, panics or uses the pool delays no acquire
// and no judgement. Up to 1,024 events wait for it; what is beyond is counted, and the count is logged as observer.dropped.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) {
		if l == nil || l.Handler() == nil {
			c.reject("WithLogger", "nil", "a *slog.Logger made by slog.New", nil)
			return
		}
		c.logger = l
	}
}

// WithPoolName names the pool in all telemetry (db.client.connection.pool.name). Without it the name is the one that the
// semantic conventions ask for, server.address:server.port/db.namespace, numbered if a live pool has it already. A chosen
// name that a live pool has is an error, since the SDK would add the two up silently.
func WithPoolName(name string) Option {
	return func(c *config) {
		if !acceptedName(name) {
			c.reject("WithPoolName", quotedName(name), acceptName, nil)
			return
		}
		c.poolName = name
	}
}

// WithApplicationName sets the connections' application_name, by which the server's operators know whose they are, if the
// configuration has none. Like [WithQuerySpans] it must be known before the pool exists.
func WithApplicationName(name string) Option {
	return func(c *config) {
		if !acceptedApplication(name) {
			c.reject("WithApplicationName", quotedName(name), acceptApplication, nil)
			return
		}
		c.applicationName, c.applicationBy = name, "WithApplicationName"
	}
}

// WithLeakThreshold sets how long a connection may be held without working before it is suspected of being leaked.
// The default is 30 s; 1 ms to 24 h are accepted, and 0, which turns the search for leaks off.
func WithLeakThreshold(d time.Duration) Option {
	return func(c *config) { c.leakThreshold = d }
}

// WithPolicy sets by which rules health is judged. The default is [healthcheck.Evidence].
func WithPolicy(p healthcheck.Policy) Option {
	return func(c *config) { c.policy = p }
}

// WithHealthInterval sets how often the pool is looked at. The default is 1 s; 10 ms to 1 min are accepted.
func WithHealthInterval(d time.Duration) Option {
	return func(c *config) { c.healthInterval = d }
}

// WithStackDepth sets how many frames of each acquirer are kept, from the application's first frame outwards.
// The default is 32, 64 the most; 0 turns stacks off, and leaks will have no place.
func WithStackDepth(frames int) Option {
	return func(c *config) { c.stackDepth = frames }
}

// WithServerProbe turns the connection of our own on or off that tries whether the server is back and asks it what it is doing
// for us. It exists only while the pool is not healthy, or full and about to be called so. The default is on.
func WithServerProbe(on bool) Option {
	return func(c *config) { c.serverProbe = on }
}

// WithSQLText keeps the text of each holder's last statement, never its arguments, and shows its first 2 KiB wherever the
// holder is shown. The default is off: statements built by hand may quote data. Then only the keyword is kept.
func WithSQLText(on bool) Option {
	return func(c *config) { c.sqlText = on }
}

// WithQuerySpans has otelpgx add spans for the queries, prepares and connects of requests that are being traced to the
// configured TracerProvider, and its metric db.client.operation.duration to the MeterProvider, both as they are when Configure
// is called. Its acquire span and metric are off, since otelpool measures acquires itself; set otelpgx's tracer in the
// configuration before Configure to have both. The text of statements is on the spans only with [WithSQLText]; an error is
// there as PostgreSQL words it, which may quote a value.
func WithQuerySpans(opts ...otelpgx.Option) Option {
	return func(c *config) {
		for i, opt := range opts {
			if opt == nil {
				c.reject("WithQuerySpans", fmt.Sprintf("nil as option %d", i+1), "options of otelpgx", nil)
				return
			}
		}
		c.querySpans, c.querySpansBy = append([]otelpgx.Option{}, opts...), "WithQuerySpans"
	}
}

// WithConnectionEvents writes a log record for each acquire and each release, connection.acquired and connection.released,
// at level INFO. The default is off, and no log level turns it on. A busy pool acquires more often than any log can bear: use
// it where acquires are rare, or to find out what a test does. A handler that uses the pool itself makes records of its own
// acquires, and so never comes to an end.
func WithConnectionEvents(on bool) Option {
	return func(c *config) { c.connectionEvents = on }
}

// WithGoroutineLook turns the look at all goroutines on or off. While callers have waited for a full pool for 100 ms, or a
// connection is about to be reported as leaked, it tells what the holders are doing, whose goroutine has ended, and who waits for
// a goroutine that waits for a connection. It stops the process for a few milliseconds, at most once in 10 s and never with
// more than 500 goroutines: docs/performance.md has the figures. A pool that is well is never looked at. The default is on.
func WithGoroutineLook(on bool) Option {
	return func(c *config) { c.goroutineLook = on }
}

// WithEnv reads the variables OTELPOOL_*, one for each option that has a textual value. An unknown one is an error. Give it
// last to let whoever runs the program override whoever wrote it.
func WithEnv() Option { return (*config).readEnv }

// ExpectLongHold returns a context for acquires that are meant to last: a LISTEN worker, a batch job, a session lock.
// Connections acquired with it are never suspected of being leaked; why is shown wherever the holder is.
func ExpectLongHold(ctx context.Context, why string) context.Context {
	return tracer.ExpectLongHold(ctx, why)
}
