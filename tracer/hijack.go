package tracer

import (
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/poolstate"
)

// pgxpool tells nobody that a connection was hijacked: it just stops being the pool's. So the sweep compares the holds with the
// pool's own list of connections when there are more holds than the pool has connections acquired, and before it suspects
// anybody. Should pgxpool change what package poolstate reads, hijacks are not seen, and its tests fail.

// heldNow lists the holds of the pool's own connections, oldest first, and takes the hijacked ones off the table. Whoever was
// held before the pool's count was read, and still is, was in that count or is no longer the pool's: a surplus proves
// a hijack. There may be hijacks without a surplus, since the count has connections that nobody holds yet.
func (t *Tracer) heldNow(used func() int) (held []heldSlot, now int64) {
	before := t.now()
	count := used()
	held, now = t.held(), t.now()
	old := slices.IndexFunc(held, func(h heldSlot) bool { return h.since > before })
	if old < 0 {
		old = len(held)
	}
	since := t.sweep.resumed.Load()
	if old <= count && !slices.ContainsFunc(held, func(h heldSlot) bool { return t.newSuspect(h, now, since) }) {
		return held, now
	}
	// A release takes its hold away before the pool gives the connection up. Who is held and not on a later list was hijacked.
	members, known := poolstate.Members(t.pool.Load(), t.sweep.members)
	if !known {
		return held, now
	}
	held = t.dismissHijacked(held, members)
	clear(members) // or they would live as long as we do
	t.sweep.members = members[:0]
	return held, now
}

// dismissHijacked takes those off the table whose connections are not members of the pool. It returns the others.
func (t *Tracer) dismissHijacked(held []heldSlot, members []*pgx.Conn) []heldSlot {
	ours := make(map[*pgx.Conn]struct{}, len(members))
	for _, conn := range members {
		ours[conn] = struct{}{}
	}
	return slices.DeleteFunc(held, func(h heldSlot) bool {
		conn := h.slot.conn.Value()
		if _, member := ours[conn]; member {
			return h.slot.hold.Load() != h.hold // it was released meanwhile
		}
		if h.slot.hold.CompareAndSwap(h.hold, nil) {
			h.slot.gone.Store(true) // what becomes of it is no business of the pool's
			t.conns.drop(conn)
			t.counters.add(counts.Hijacked, 1)
			t.sweep.suspected = slices.DeleteFunc(t.sweep.suspected, func(s heldSlot) bool { return s == h })
		}
		return true
	})
}
