package tracer

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
)

// TraceRelease ends a hold. It runs before the connection is back in the pool, so the next acquire of the same
// connection cannot overtake it. A release without an acquire (AcquireAllIdle sends them) or a second one is only counted.
func (t *Tracer) TraceRelease(pool *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	if !t.observes(pool) {
		return
	}
	s := slotIn(data.Conn, t)
	if s == nil {
		t.counters.add(counts.Unpaired, 1)
		return
	}
	a, now := s.hold.Swap(nil), t.now()
	s.released, s.destroyed = now, destroyReason(data.Conn, s)
	if a == nil {
		t.counters.add(counts.Unpaired, 1)
		return
	}
	if s.destroyed != 0 {
		t.counters.add(counts.DestroyedBroken+s.destroyed-counts.ClosedBroken, 1)
	}
	if s.destroyed == counts.ClosedCanceled {
		t.canceled.note(canceledHold{at: now, site: a.site, query: s.canceledAfter, deadline: s.canceledBy == cutByDeadline})
	}
	t.endHold(a, now)
}

// endHold counts a hold that has ended by a release.
func (t *Tracer) endHold(a *acquire, now int64) {
	use := now - a.held
	query := min(a.activity.total(now), use)
	if query != 0 {
		t.counters.add(counts.QueryTime, query)
	}
	if a.site != nil {
		a.site.released(use, query)
	}
	if a.expected != nil || a.reportedWith() != EvidenceNone {
		t.counters.add(counts.ExcludedUseTime, use)
	}
	t.counters.add(counts.Released, 1)
	t.used(a, use)
	t.connectionEvent(ConnectionReleased, a, now, use, "")
}

// Reason says why a connection was closed, or is about to be.
type Reason string

// The reasons of a close. The first four are certain: pgxpool destroys a connection that comes back in such a state.
const (
	ReasonBroken        Reason = "broken"         // it came back closed: an error or its holder closed it
	ReasonBusy          Reason = "busy"           // it came back with a query still running
	ReasonInTransaction Reason = "in_transaction" // it came back inside a transaction
	ReasonCanceled      Reason = "canceled"       // it came back closed: pgx closed it, because the context of its last query ended
	ReasonLifetime      Reason = "lifetime"       // it reached MaxConnLifetime
	ReasonIdle          Reason = "idle"           // it was idle for MaxConnIdleTime
	ReasonDiscarded     Reason = "discarded"      // Reset, a closing pool, or a hook that refused it
)

// Reasons lists every reason. That of index i is counted by [counts.ClosedBroken] + i; the first four, by which a release
// destroys its connection, also by [counts.DestroyedBroken] + i.
var Reasons = [counts.Len - counts.ClosedBroken]Reason{
	ReasonBroken, ReasonBusy, ReasonInTransaction, ReasonCanceled, ReasonLifetime, ReasonIdle, ReasonDiscarded,
}

// destroyReason says why pgxpool is going to destroy a connection that is being released, as a count of closes; 0 if it will
// be kept. It repeats the pool's own test, on the goroutine that owns the connection.
func destroyReason(conn *pgx.Conn, s *slot) counts.Name {
	switch {
	case conn.IsClosed() && s.canceledBy != 0:
		return counts.ClosedCanceled
	case conn.IsClosed():
		return counts.ClosedBroken
	case conn.PgConn().IsBusy():
		return counts.ClosedBusy
	case conn.PgConn().TxStatus() != 'I':
		return counts.ClosedInTransaction
	}
	return 0
}
