package tracer

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"
)

// TraceRelease ends a hold. It runs before the connection is back in the pool, so the next acquire of the same
// connection cannot overtake it. A release without an acquire (AcquireAllIdle sends them) or a second one is only counted.
func (t *Tracer) TraceRelease(pool *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	if !t.observes(pool) {
		return
	}
	s := slotIn(data.Conn, t)
	if s == nil {
		t.counters.unpaired.Add(1)
		return
	}
	a, now := s.hold.Swap(nil), t.now()
	doomed := s.foretell(data.Conn, now)
	if a == nil {
		t.counters.unpaired.Add(1)
		return
	}
	use := now - a.held
	if doomed != nil {
		t.counters.doomed[reasonIndex(*doomed)].Add(1)
	}
	query := min(a.activity.total(now), use)
	if query != 0 {
		t.counters.queryTime.Add(query)
	}
	if a.site != nil {
		a.site.released(use, query)
	}
	if t.endSuspicion(s, a, now) || a.expected != nil {
		t.counters.asideTime.Add(use)
	}
	t.counters.releases.Add(1)
	if r := t.directly(a, use); r != nil {
		t.uses.addTold(use)
		r.RecordUse(trace.ContextWithSpanContext(context.Background(), a.span()), time.Duration(use), 1, false)
		return
	}
	t.uses.add(use)
}

// Reason says why a connection was closed, or is about to be.
type Reason string

// The reasons of a close. The first three are certain: pgxpool destroys a connection that comes back in such a state.
const (
	ReasonBroken        Reason = "broken"         // it came back closed: an error, a timeout or its holder closed it
	ReasonBusy          Reason = "busy"           // it came back with a query still running
	ReasonInTransaction Reason = "in_transaction" // it came back inside a transaction
	ReasonLifetime      Reason = "lifetime"       // it reached MaxConnLifetime
	ReasonIdle          Reason = "idle"           // it was idle for MaxConnIdleTime
	ReasonDiscarded     Reason = "discarded"      // Reset, a closing pool, or a hook that refused it
)

// Reasons lists every reason, in the order of [Counters.Closed].
var Reasons = [...]Reason{ReasonBroken, ReasonBusy, ReasonInTransaction, ReasonLifetime, ReasonIdle, ReasonDiscarded}

// reasonIndex finds r in Reasons.
func reasonIndex(r Reason) int {
	for i, reason := range Reasons {
		if reason == r {
			return i
		}
	}
	return len(Reasons) - 1
}

// foretell returns the reason for which pgxpool is going to destroy a connection that is being released, nil if it will
// be kept. It repeats the pool's own test, on the goroutine that owns the connection.
func (s *slot) foretell(conn *pgx.Conn, now int64) *Reason {
	s.released.Store(now)
	var reason *Reason
	switch {
	case conn.IsClosed():
		reason = &Reasons[0]
	case conn.PgConn().IsBusy():
		reason = &Reasons[1]
	case conn.PgConn().TxStatus() != 'I':
		reason = &Reasons[2]
	default:
		return nil
	}
	s.reason.Store(reason)
	return reason
}
