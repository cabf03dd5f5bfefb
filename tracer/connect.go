package tracer

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/errtype"
)

// connecting is one attempt to connect, carried from TraceConnectStart to TraceConnectEnd.
type connecting struct {
	start int64             // of BeforeConnect, where it is known
	span  trace.SpanContext // of whom it is for, who may be gone at the end
	wire  *wire
}

type connectKey struct{ owner *Tracer }

// TraceConnectStart notes the time of a connect of the pool's; others are ignored. It also has the connection's reads watched (see
// wire): pgx hands its own copy of the configuration to the tracer before it is used, so nobody else's is changed.
func (t *Tracer) TraceConnectStart(ctx context.Context, data pgx.TraceConnectStartData) context.Context {
	began, ours := t.owns(data.ConnConfig)
	if !ours {
		return context.WithValue(ctx, connectKey{t}, (*connecting)(nil))
	}
	c := &connecting{start: began, span: trace.SpanContextFromContext(ctx), wire: &wire{owner: t}}
	if data.ConnConfig != nil {
		data.ConnConfig.BuildFrontend = c.wire.watch(data.ConnConfig.BuildFrontend)
	}
	t.counters.connecting.Add(1)
	return context.WithValue(ctx, connectKey{t}, c)
}

// TraceConnectEnd counts the outcome. It is the only place where the failures of the pool's background connects show.
func (t *Tracer) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	now := t.now()
	c, known := ctx.Value(connectKey{t}).(*connecting)
	switch {
	case known && c == nil, !known && t.counters.connecting.Load() == 0:
		return // not the pool's
	case known:
		c.wire.connectDone.Store(true)
	default: // a tracer further out dropped the context: the duration is lost, but not the count
		c = &connecting{start: now}
	}
	t.counters.connecting.Add(-1)
	if data.Err != nil || data.Conn == nil {
		t.connectFailed(now, data.Err)
		return
	}
	t.newSlot(data.Conn, c.wire)
	took := now - c.start
	t.counters.add(counts.Opened, 1)
	t.counters.lastOpenedAt.Store(now)
	if !known {
		return
	}
	t.counters.add(counts.CreateTime, took)
	t.counters.lastCreate.Store(took)
	t.creates.push(create{c.span, took})
}

// connectFailed notes a failed attempt. When one of several background connects fails, pgxpool cancels its siblings:
// that is no failure of theirs.
func (t *Tracer) connectFailed(now int64, err error) {
	kind := errtype.Of(err)
	switch kind {
	case errtype.Canceled:
		return
	case "": // no connection and no error: a hook of the application panicked
		kind = errtype.Other
	}
	t.counters.add(counts.ConnectFailures, 1)
	t.faults.connect.note(now, kind, err)
	t.faults.countConnect(kind)
}

// WrapBeforeClose returns a BeforeClose hook that counts the close of a connection that was counted as opened, and then calls
// next, which may be nil.
func (t *Tracer) WrapBeforeClose(next func(*pgx.Conn)) func(*pgx.Conn) {
	return func(conn *pgx.Conn) {
		if s := slotIn(conn, t); s != nil {
			t.counters.add(t.whyClosed(conn, s), 1)
		}
		if next != nil {
			next(conn)
		}
		t.conns.drop(conn)
	}
}

// whyClosed says why the pool is about to close conn, which it owns at this moment.
func (t *Tracer) whyClosed(conn *pgx.Conn, s *slot) counts.Name {
	if s.destroyed != 0 {
		return s.destroyed
	}
	now := t.now()
	expired := now-s.connected >= t.maxLifetime.Load()
	idled := now-max(s.connected, s.released) >= t.maxIdleTime.Load()
	switch {
	case conn.IsClosed():
		return counts.ClosedBroken
	case expired && t.destroyed(&t.expiries, (*pgxpool.Stat).MaxLifetimeDestroyCount):
		return counts.ClosedLifetime
	case idled && t.destroyed(&t.idlings, (*pgxpool.Stat).MaxIdleDestroyCount):
		return counts.ClosedIdle
	}
	return counts.ClosedDiscarded
}

// destroyed reports whether the pool counts one more destruction than have been explained, and explains that one. A connection's
// age alone is no proof: a pool may spread lifetimes, and be reset meanwhile.
func (t *Tracer) destroyed(explained *atomic.Int64, count func(*pgxpool.Stat) int64) bool {
	pool := t.pool.Load()
	if pool == nil {
		return false
	}
	for all, n := count(pool.Stat()), explained.Load(); n < all; n = explained.Load() {
		if explained.CompareAndSwap(n, n+1) {
			return true
		}
	}
	return false
}

// SetLimits tells the tracer the pool's MaxConnLifetime and MaxConnIdleTime, by which it explains closes.
func (t *Tracer) SetLimits(maxLifetime, maxIdleTime time.Duration) {
	t.maxLifetime.Store(int64(maxLifetime))
	t.maxIdleTime.Store(int64(maxIdleTime))
}
