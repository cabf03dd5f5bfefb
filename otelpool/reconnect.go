package otelpool

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/errtype"
	"github.com/otelpool/pgx/internal/redact"
	"github.com/otelpool/pgx/internal/telemetry"
)

// run is one session of the probe: connect, by and by, and then look once a tick, until ctx is done. The judge hears of the
// server's answer only when the pool has been revived: he would call off the session, whose work it is. Reviving ends by
// itself, or with the pool.
func (p *prober) run(ctx context.Context) {
	var schedule healthcheck.Schedule
	for ctx.Err() == nil {
		conn, lost := p.connect(ctx, &schedule)
		if conn == nil {
			return
		}
		if lost {
			p.revive(p.life)
		}
		p.note(func(probe *healthcheck.Probe) { probe.OKAt = time.Now() })
		if p.watch(ctx, conn) {
			schedule.Reset()
		}
		hangUp(conn)
		p.pause(ctx, schedule.Next()) // a server that takes connections only to cut them must not be hammered
	}
}

func (p *prober) pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // whatever became of it, it is gone
}

// connect tries by the schedule until it has a connection. It returns nil when ctx is done, or when trying on is pointless
// and harmful: refused credentials lock accounts. The pool's own attempts will show when they are accepted again. lost says
// that there was something to reconnect.
func (p *prober) connect(ctx context.Context, schedule *healthcheck.Schedule) (conn *pgx.Conn, lost bool) {
	for attempt := 1; ctx.Err() == nil; attempt++ {
		conn, err := p.try(ctx)
		if err != nil && ctx.Err() != nil {
			return nil, false // we gave up, not the server
		}
		lost := p.count(err, attempt-1)
		if err == nil {
			return conn, lost
		}
		kind := errtype.Of(err)
		delay, retry := schedule.Next(), healthcheck.ShouldRetry(kind)
		p.tell(attempt, delay, retry, kind, err)
		if !retry {
			return nil, false
		}
		p.pause(ctx, delay)
	}
	return nil, false
}

// tell logs an attempt that failed.
func (p *prober) tell(attempt int, delay time.Duration, retry bool, kind string, err error) {
	attrs := []slog.Attr{slog.Int("attempt", attempt)}
	message := "server probe was refused and does not try again"
	if retry {
		message = "server probe could not connect"
		attrs = append(attrs, seconds("delay", delay))
	}
	p.monitor.log.warn(telemetry.EventReconnectAttempt, message,
		append(attrs, slog.String(string(semconv.ErrorTypeKey), kind), slog.String("error", redact.Error(err)))...)
}

// try connects once. Each address has its own time; together they may take as many times that.
func (p *prober) try(ctx context.Context) (conn *pgx.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout*time.Duration(min(1+len(p.config.Fallbacks), maxAddresses)))
	defer cancel()
	p.note(func(probe *healthcheck.Probe) { probe.TryingSince = time.Now() })
	defer p.note(func(probe *healthcheck.Probe) { probe.TryingSince = time.Time{} })
	config := p.config.Copy()
	if p.prepare != nil {
		if err := p.prepare(ctx, config); err != nil {
			return nil, err
		}
	}
	return pgx.ConnectConfig(ctx, config)
}

// note changes what the judge is told of the probe.
func (p *prober) note(change func(*healthcheck.Probe)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.now.probe)
}

// count takes note of the outcome of an attempt. A success is a reconnect if something was lost: in an outage, or after
// attempts that failed: lost says so.
func (p *prober) count(err error, failedBefore int) (lost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.now.failed++
		p.now.probe.Error, p.now.probe.ErrorType, p.now.probe.ErrorAt = redact.Error(err), errtype.Of(err), time.Now()
		return true
	}
	lost = !p.now.since.IsZero() || failedBefore > 0
	if lost {
		p.now.succeeded++
	}
	return lost
}

// watch looks at our backends once a tick until ctx is done or the connection breaks. It says whether the server ever
// answered.
func (p *prober) watch(ctx context.Context, conn *pgx.Conn) (answered bool) {
	tick := time.NewTicker(max(time.Second, p.monitor.config.healthInterval))
	defer tick.Stop()
	for {
		view, err := p.look(ctx, conn)
		if err != nil && conn.IsClosed() {
			return answered // anything else is an answer, if not one that we understand
		}
		answered = true
		p.mu.Lock()
		if ctx.Err() == nil {
			p.now.server = view
			p.now.probe.OKAt = time.Now()
		}
		p.mu.Unlock()
		select {
		case <-ctx.Done():
			return answered
		case <-tick.C:
		}
	}
}
