package otelpool

import (
	"context"
	"log/slog"
	"sync"
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
// itself, or with life.
func (p *prober) run(ctx, life context.Context) {
	for ctx.Err() == nil {
		conn, lost := p.connect(ctx)
		if conn == nil {
			return
		}
		if lost {
			p.revive(life)
		}
		p.note(func(probe *healthcheck.Probe) { probe.OKAt = time.Now() })
		p.watch(ctx, conn)
		hangUp(conn)
		select { // a server that takes connections only to cut them must not be hammered
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // whatever became of it, it is gone
}

// connect tries until it has a connection. It returns nil when ctx is done, or when trying on is pointless and harmful:
// refused credentials lock accounts. The pool's own attempts will show when they are accepted again. lost says that there
// was something to reconnect.
func (p *prober) connect(ctx context.Context) (conn *pgx.Conn, lost bool) {
	var schedule healthcheck.Schedule
	for {
		conn, err := p.try(ctx)
		if err != nil && ctx.Err() != nil {
			return nil, false // we gave up, not the server
		}
		lost := p.count(err, schedule.Attempts())
		if err == nil {
			return conn, lost
		}
		kind := errtype.Of(err)
		if !healthcheck.ShouldRetry(kind) {
			return nil, false
		}
		delay := schedule.Next()
		p.monitor.log.warn(telemetry.EventReconnectAttempt, "server probe could not connect",
			slog.Int("attempt", schedule.Attempts()), seconds("delay", delay),
			slog.String(string(semconv.ErrorTypeKey), kind), slog.String("error", redact.Error(err)))
		select {
		case <-ctx.Done():
			return nil, false
		case <-time.After(delay):
		}
	}
}

func (p *prober) try(ctx context.Context) (conn *pgx.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
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

// revive has the pool notice that its server is back, which pgxpool would do only when somebody asks, or within a minute:
// idle connections are pinged, broken ones replaced, and what is missing of MinConns, at least one, is built.
func (p *prober) revive(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	pool := p.monitor.pool
	for _, conn := range pool.AcquireAllIdle(ctx) {
		_ = conn.Ping(ctx) // a broken one is destroyed by its release
		conn.Release()
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for range max(1, p.monitor.limits.minConns-pool.Stat().IdleConns()-pool.Stat().AcquiredConns()) {
		wg.Go(func() {
			if conn, err := pool.Acquire(ctx); err == nil {
				_ = conn.Ping(ctx)
				conn.Release()
			}
		})
	}
}

// watch looks at our backends once a tick until ctx is done or the connection breaks.
func (p *prober) watch(ctx context.Context, conn *pgx.Conn) {
	tick := time.NewTicker(max(time.Second, p.monitor.config.healthInterval))
	defer tick.Stop()
	for {
		view, err := p.look(ctx, conn)
		if err != nil && conn.IsClosed() {
			return // anything else is an answer, if not one that we understand
		}
		p.mu.Lock()
		if ctx.Err() == nil {
			p.now.server = view
			p.now.probe.OKAt = time.Now()
		}
		p.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
