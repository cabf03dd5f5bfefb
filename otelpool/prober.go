package otelpool

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/telemetry"
)

// prober owns the one connection that otelpool itself may have to the server: outside the pool, at most one, and only while
// the pool is not healthy, is full and about to be called so, or connects in vain. In an outage it tries whether the server
// is back; once connected it asks what the server is doing for our connections. A pool that nobody has asked for a
// connection yet gets its first evidence from it.
type prober struct {
	monitor *Monitor
	on      bool
	config  *pgx.ConnConfig
	prepare func(context.Context, *pgx.ConnConfig) error // the pool's BeforeConnect: it may bring the credentials
	life    context.Context                              // ends with the pool, and every session with it
	abort   context.CancelFunc

	mu     sync.Mutex // guards the rest
	now    probeState
	outage outage
	cancel context.CancelFunc // ends the running session, nil when there is none
	done   chan struct{}      // closed when the latest session has ended, and all before it
}

// probeState is what the prober knows, a value for everybody to keep.
type probeState struct {
	outages           int64
	succeeded, failed int64 // attempts: that found a lost server back, and that failed
	since             time.Time
	past              time.Duration // time spent in outages that are over
	server            *healthcheck.ServerView
	probe             healthcheck.Probe
}

// outage is what there is to tell of the present one when it is over.
type outage struct {
	span     trace.Span        // nil outside one
	cause    healthcheck.Cause // that it began with
	attempts int64             // all attempts when it began
}

// outageTime is the time spent in outages, the present one included.
func (s probeState) outageTime(now time.Time) time.Duration {
	if s.since.IsZero() {
		return s.past
	}
	return s.past + max(0, now.Sub(s.since))
}

// attempts is how often the probe has tried to connect, as far as it mattered.
func (s probeState) attempts() int64 { return s.succeeded + s.failed }

func newProber(m *Monitor, config *pgx.ConnConfig, prepare func(context.Context, *pgx.ConnConfig) error) *prober {
	config = config.Copy()
	config.Tracer = nil
	config.OnNotice, config.OnNotification = nil, nil
	if config.RuntimeParams == nil {
		config.RuntimeParams = make(map[string]string, 1)
	}
	config.RuntimeParams["application_name"] = probeName // poolers refuse most other parameters
	if config.ConnectTimeout <= 0 || config.ConnectTimeout > probeTimeout {
		config.ConnectTimeout = probeTimeout // of each address
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // nothing prepared stays behind in a connection pooler
	config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0
	life, abort := context.WithCancel(context.Background())
	return &prober{monitor: m, on: m.config.serverProbe, config: config, prepare: prepare, life: life, abort: abort}
}

const (
	// probeName is the application_name by which the server's operators recognise the probe.
	probeName    = "otelpool probe"
	probeTimeout = 5 * time.Second
	maxAddresses = 6 // for which one attempt has time
	lazyAfter    = 2 * time.Second
)

func (p *prober) state() probeState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// react starts or ends outage and probe as the report asks, or the pool's attempts in vain to connect. Only the monitor's loop
// calls it.
func (p *prober) react(r *healthcheck.Report, inVain bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	unwell := r.Status == healthcheck.Degraded || r.Status == healthcheck.Unhealthy || doubtful(r) || inVain || p.unasked(r)
	switch {
	case r.Outage && p.now.since.IsZero():
		p.outageBegins(r)
	case !r.Outage && !p.now.since.IsZero() && r.Status != healthcheck.Unknown:
		p.outageEnds(r)
	}
	switch {
	case r.State == healthcheck.ShuttingDown:
		p.endSession()
		p.abort() // whatever a session is doing
	case !unwell:
		p.endSession()
	case p.on && p.cancel == nil:
		p.beginSession()
	}
}

// doubtful says that the pool will be called unwell if the next sample is like this one, and that its holders are to blame:
// whether they wait for locks, or for a server that is gone, only asking it can tell, and the first finding shall be right.
func doubtful(r *healthcheck.Report) bool { return r.Verdict > healthcheck.Healthy && r.Usage >= 1 }

// unasked says that the pool is lazy: it has connected to nothing because nobody wanted anything. Those who wait for it to
// be ready before they send it work would wait for ever.
func (p *prober) unasked(r *healthcheck.Report) bool {
	return r.State == healthcheck.Initializing && r.At.Sub(r.Since) >= lazyAfter
}

func (p *prober) outageBegins(r *healthcheck.Report) {
	tracer := p.monitor.config.tracerProvider.Tracer(telemetry.ScopeName,
		trace.WithInstrumentationVersion(telemetry.Version), trace.WithSchemaURL(semconv.SchemaURL))
	p.outage = outage{cause: r.Findings[0].Cause, attempts: p.now.attempts()}
	_, p.outage.span = tracer.Start(context.Background(), "database outage", trace.WithTimestamp(r.At), trace.WithAttributes(
		semconv.DBClientConnectionPoolName(p.monitor.name), telemetry.KeyCause.String(string(p.outage.cause))))
	p.now.outages++
	p.now.since = r.At
}

func (p *prober) outageEnds(r *healthcheck.Report) {
	lasted := r.At.Sub(p.now.since)
	p.monitor.log.info(telemetry.EventReconnectSucceeded, "pool is served again",
		seconds("outage", lasted), slog.String("status", r.Status.String()),
		slog.String(string(telemetry.KeyCause), string(p.outage.cause)), slog.Int64("attempts", p.now.attempts()-p.outage.attempts))
	p.endSpan(r.At)
	p.now.past += lasted
	p.now.since = time.Time{}
}

// endSpan ends the span of the outage with what became known of it.
func (p *prober) endSpan(at time.Time) {
	span := p.outage.span
	if span == nil {
		return
	}
	p.outage.span = nil
	span.SetAttributes(telemetry.KeyAttempts.Int64(p.now.attempts() - p.outage.attempts))
	if kind := p.now.probe.ErrorType; p.now.probe.ErrorAt.After(p.now.since) {
		span.SetAttributes(semconv.ErrorTypeKey.String(kind))
	}
	span.SetStatus(codes.Error, string(p.outage.cause))
	span.End(trace.WithTimestamp(at))
}

// beginSession starts a session once the one before has hung up: there is at most one connection.
func (p *prober) beginSession() {
	ctx, cancel := context.WithCancel(p.life)
	previous, done := p.done, make(chan struct{})
	p.cancel, p.done = cancel, done
	go func() {
		defer close(done)
		defer cancel()
		if previous != nil {
			<-previous
		}
		p.monitor.guarded("probing the server", func() { p.run(ctx) })
	}()
}

// endSession does not wait: a session may be connecting, or reviving the pool.
func (p *prober) endSession() {
	if p.cancel != nil {
		p.cancel()
		p.cancel = nil
	}
	p.now.server = nil
}

// close ends the probe for good and waits for it.
func (p *prober) close() {
	p.mu.Lock()
	p.on = false
	p.endSession()
	p.abort()
	done := p.done
	p.endSpan(time.Now())
	p.mu.Unlock()
	if done != nil {
		<-done
	}
}
