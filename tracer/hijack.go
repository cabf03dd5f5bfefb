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

// findHijacked takes the hijacked holds off the table and out of the scene, before which, at the instant before, the pool had used
// connections acquired. Whoever was held before, and still is, was in that count or is no longer the pool's: a surplus
// proves a hijack. There may be hijacks without a surplus, since the count has connections that nobody holds yet.
func (s *scene) findHijacked(before int64, used int) {
	t := s.t
	old := slices.IndexFunc(s.held, func(h heldSlot) bool { return h.since > before })
	if old < 0 {
		old = len(s.held)
	}
	if old <= used && !slices.ContainsFunc(s.held, s.newSuspect) {
		return
	}
	// A release takes its hold away before the pool gives the connection up. Who is held and not on a later list was hijacked.
	members, known := poolstate.Members(t.pool.Load(), t.sweep.members)
	if !known {
		return
	}
	s.held = t.dismissHijacked(s.held, members)
	clear(members) // or they would live as long as we do
	t.sweep.members = members[:0]
	s.relate()
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
