package view

import (
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/tracer"
)

// Event is something that happened once, which a listener must not miss although it may miss views. It is one of
// [tracer.Event], [tracer.ConnectionEvent] and the types of this file.
type Event any

// Attempt is a failed attempt of the probe to reach the server.
type Attempt struct {
	At        time.Time
	Number    int           // within its run of attempts, from 1
	Delay     time.Duration // before the next attempt
	GaveUp    bool          // there is no next attempt
	ErrorType string
	Error     string // text without secrets
}

// OutageEnded is an outage from its beginning to its end.
type OutageEnded struct {
	Outage
	At     time.Time
	Served bool               // the pool is served again; false when observing ended first
	Status healthcheck.Status // after it
}

// NoticeRaised is the beginning of a notice's episode.
type NoticeRaised struct {
	At     time.Time
	Notice healthcheck.Notice
}

// Drain is a step on a pool's way to being closed.
type Drain struct {
	Step     DrainStep
	ByHost   bool // the application closes the pool itself
	Held     int  // connections in use
	Holders  []tracer.Holder
	Left     time.Duration // until the caller gives up; 0 without a deadline
	Took     time.Duration
	TimedOut bool // of DrainCompleted: connections were still held
}

// DrainStep says how far a pool is on its way to being closed.
type DrainStep int

// The steps, in their order.
const (
	DrainStarted DrainStep = iota
	DrainWaiting
	DrainCompleted
)

// Panicked is a panic that was caught. Work of the named kind was cut short.
type Panicked struct{ While, Value, Stack string }

// Renamed says that the pool's derived name was taken and has been numbered.
type Renamed struct{ Derived string }

// StatOnly says that the pool has no hook.
type StatOnly struct{}

// Outage is one time without a server.
type Outage struct {
	Since     time.Time // zero while there is none
	Cause     healthcheck.Cause
	Attempts  int64  // of the probe, since it began
	ErrorType string // of the last one that failed
}

// Outages are the present outage and the sums over those before.
type Outages struct {
	Now   Outage
	Count int64         // the present one included
	Past  time.Duration // spent in those that are over
}

// Duration is the time spent in outages until now, the present one included.
func (o *Outages) Duration(now time.Time) time.Duration {
	if o.Now.Since.IsZero() {
		return o.Past
	}
	return o.Past + max(0, now.Sub(o.Now.Since))
}

// Probe is what the probe knows.
type Probe struct {
	healthcheck.Probe
	Server            *healthcheck.ServerView // what the server said about our backends; nil while nobody asks
	Succeeded, Failed int64                   // attempts: that found a lost server back, and that failed

	// Pooled says that the server knew the probe by another PID than the one that was given to it. Asked is false until it was asked.
	Pooled, Asked bool
}

// Attempts is how often the probe has tried to connect, as far as it mattered.
func (p *Probe) Attempts() int64 { return p.Succeeded + p.Failed }

// SpanContext is the span that hexadecimal IDs name, invalid if they name none.
func SpanContext(traceID, spanID string) trace.SpanContext {
	var config trace.SpanContextConfig
	var err1, err2 error
	config.TraceID, err1 = trace.TraceIDFromHex(traceID)
	config.SpanID, err2 = trace.SpanIDFromHex(spanID)
	if err1 != nil || err2 != nil {
		return trace.SpanContext{}
	}
	return trace.NewSpanContext(config)
}
