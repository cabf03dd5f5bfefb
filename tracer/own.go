package tracer

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/internal/counts"
)

// A pool's configuration makes other connections, too: a program listens on one of its own, looks at a replica, builds a second
// pool. They carry the hook and are none of this pool's business. Two things tell its own connects: only pools call
// BeforeConnect, which marks them, and a pool knows how many connections it is making.

// poolConnectMarker is a tracer that is there for one connect of the pool, composed with the others.
type poolConnectMarker struct {
	owner            *Tracer
	began            int64 // when the pool began with the connect: before its BeforeConnect
	others, composed pgx.QueryTracer
	config           *pgx.ConnConfig // the connect's
}

// TraceQueryStart is there because pgx takes nothing else for a tracer.
func (m *poolConnectMarker) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd does nothing either.
func (m *poolConnectMarker) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceConnectStart tells the owner, who comes later, that the connect is the pool's. Then its work is done: pgx has yet to look
// who traces queries, and is left with the others.
func (m *poolConnectMarker) TraceConnectStart(ctx context.Context, data pgx.TraceConnectStartData) context.Context {
	m.config = data.ConnConfig
	m.owner.marks.Store(m.config, m.began)
	if m.config != nil && m.config.Tracer == m.composed {
		m.config.Tracer = m.others
	}
	return ctx
}

// TraceConnectEnd forgets the connect.
func (m *poolConnectMarker) TraceConnectEnd(context.Context, pgx.TraceConnectEndData) {
	m.owner.marks.Delete(m.config)
}

// owns reports whether a connect with config, the connect's own copy, is the pool's, and when it began. Where a BeforeConnect that
// was set later has replaced the one that marks, it only knows which are not.
func (t *Tracer) owns(config *pgx.ConnConfig) (began int64, ours bool) {
	if began, marked := t.marks.Load(config); marked {
		return began.(int64), true
	}
	return t.now(), !t.hooked.Load() && t.mayConnect()
}

// mayConnect reports whether the pool is making a connection at the moment, or is not known yet.
func (t *Tracer) mayConnect() bool {
	pool := t.pool.Load()
	return pool == nil || pool.Stat().ConstructingConns() > 0
}

// forgetForeignConn takes a connection off the books that turns out to be another pool's, whose owner calls. It was taken for this
// pool's because that was making one at the same time.
func (t *Tracer) forgetForeignConn(conn *pgx.Conn) {
	if slotIn(conn, t) == nil {
		return
	}
	delete(conn.PgConn().CustomData(), t.slotKey)
	t.conns.drop(conn)
	t.counters.add(counts.ClosedDiscarded, 1)
}

// WrapBeforeConnect returns a BeforeConnect hook that calls next, which may be nil, and marks the connect as the pool's. The
// failures of next are noted, for which pgxpool fires no connect event, and its time is part of the connect's, which the pool waits
// for alike.
func (t *Tracer) WrapBeforeConnect(next func(context.Context, *pgx.ConnConfig) error) func(context.Context, *pgx.ConnConfig) error {
	return func(ctx context.Context, config *pgx.ConnConfig) error {
		if !t.mayConnect() {
			if next == nil {
				return nil
			}
			return next(ctx, config)
		}
		t.hooked.Store(true)
		began := t.now()
		if next != nil {
			if err := t.beforeConnect(ctx, config, next); err != nil {
				return err
			}
		}
		if config != nil && config.Tracer != nil {
			m := &poolConnectMarker{owner: t, began: began, others: config.Tracer}
			m.composed = Compose(config.Tracer, m)
			config.Tracer = m.composed
		}
		return nil
	}
}

func (t *Tracer) beforeConnect(ctx context.Context, config *pgx.ConnConfig, next func(context.Context, *pgx.ConnConfig) error) error {
	t.counters.connecting.Add(1)
	defer t.counters.connecting.Add(-1)
	err := next(ctx, config)
	if err != nil {
		t.connectFailed(t.now(), err)
	}
	return err
}
