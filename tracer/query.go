package tracer

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// The query hooks keep the activity of the hold up to date. A connection is used by one goroutine at a time, so each
// field has one writer; the atomics are for those who read.

// TraceQueryStart notes that a query begins. It returns ctx unchanged.
func (t *Tracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	t.beginQuery(conn, data.SQL)
	return ctx
}

// TraceQueryEnd notes that a query, and the reading of its rows, has ended.
func (t *Tracer) TraceQueryEnd(_ context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	t.endQuery(conn, data.Err, false)
}

// TraceBatchStart notes that a batch begins. It returns ctx unchanged.
func (t *Tracer) TraceBatchStart(ctx context.Context, conn *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	t.beginQuery(conn, "BATCH")
	return ctx
}

// TraceBatchQuery notes the failures of single statements; their time is the batch's.
func (t *Tracer) TraceBatchQuery(_ context.Context, conn *pgx.Conn, data pgx.TraceBatchQueryData) {
	if s := slotIn(conn, t); s != nil && data.Err != nil && !s.gone.Load() {
		t.queryFailed(s, t.now(), data.Err)
	}
}

// TraceBatchEnd notes that the results of a batch were closed. Its error is that of a statement, which was noted.
func (t *Tracer) TraceBatchEnd(_ context.Context, conn *pgx.Conn, data pgx.TraceBatchEndData) {
	t.endQuery(conn, data.Err, true)
}

// TraceCopyFromStart notes that a COPY begins. It returns ctx unchanged.
func (t *Tracer) TraceCopyFromStart(ctx context.Context, conn *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	t.begin(conn, &copyFrom, "")
	return ctx
}

// TraceCopyFromEnd notes that a COPY has ended.
func (t *Tracer) TraceCopyFromEnd(_ context.Context, conn *pgx.Conn, data pgx.TraceCopyFromEndData) {
	t.endQuery(conn, data.Err, false)
}

// TracePrepareStart notes that a statement is being prepared. It returns ctx unchanged.
func (t *Tracer) TracePrepareStart(ctx context.Context, conn *pgx.Conn, _ pgx.TracePrepareStartData) context.Context {
	t.beginQuery(conn, "")
	return ctx
}

// TracePrepareEnd notes that a statement has been prepared.
func (t *Tracer) TracePrepareEnd(_ context.Context, conn *pgx.Conn, data pgx.TracePrepareEndData) {
	t.endQuery(conn, data.Err, false)
}

// copyFrom is the operation of a COPY whose rows the application makes: told from others by its address.
var copyFrom = "COPY"

// beginQuery enters a query. Preparing (sql is "") happens inside queries and is none of its own.
func (t *Tracer) beginQuery(conn *pgx.Conn, sql string) {
	if sql == "" {
		t.begin(conn, nil, "")
		return
	}
	t.begin(conn, operation(sql), sql)
}

func (t *Tracer) begin(conn *pgx.Conn, operation *string, sql string) {
	s := slotIn(conn, t)
	if s == nil {
		return
	}
	if conn.IsClosed() {
		s.gone.Store(true) // before this query, so it is not the query's doing
	}
	a := s.hold.Load()
	if a == nil {
		return // the pool's own ping, or AfterConnect
	}
	act, now := &a.activity, t.now()
	if act.open.Load() == 0 { // no other writer; readers must not meet an old instant with the new count
		act.openSince.Store(now)
	}
	act.open.Add(1)
	act.last.Store(now)
	if operation == nil {
		return
	}
	act.queries.Add(1)
	act.operation.Store(operation)
	if t.opts.Load().SQLText {
		text := *operation
		if sql != "" {
			text = sql
		}
		act.text.Store(&text)
	}
}

// endQuery leaves a query. noted says that its error is that of a statement and was seen there.
func (t *Tracer) endQuery(conn *pgx.Conn, err error, noted bool) {
	s := slotIn(conn, t)
	if s == nil {
		return
	}
	now := t.now()
	if err == nil {
		s.canceledBy = 0
	} else if !s.gone.Load() {
		s.cut(err, now)
		if !noted {
			t.queryFailed(s, now, err)
		}
		if conn.IsClosed() && !s.gone.Swap(true) {
			t.connectionLost(s, now, err)
		}
	}
	if a := s.hold.Load(); a != nil {
		a.activity.end(now)
		a.activity.tx.Store(int32(conn.PgConn().TxStatus()))
	}
}

// end leaves a query. An end without a begin belongs to a query begun before the hold and is ignored.
func (act *activity) end(now int64) {
	act.last.Store(now)
	switch open := act.open.Load(); open {
	case 0:
	case 1:
		act.open.Store(0) // first, so that no reader counts the span twice
		act.queryTime.Add(now - act.openSince.Load())
	default:
		act.open.Store(open - 1)
	}
}

// total is the time spent in queries up to now, an open one included.
func (act *activity) total(now int64) int64 {
	total := act.queryTime.Load()
	if act.open.Load() > 0 {
		total += max(0, now-act.openSince.Load())
	}
	return total
}
