package tracer

import (
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/otelpool/pgx/internal/counts"
)

// slotKeys is where connections keep their slots, in pgconn's map for such things. The name follows its advice, the
// package's import path; each tracer adds a number, so that two of them may look at one pool.
const slotKeys = "github.com/otelpool/pgx/tracer#"

var lastTracer atomic.Int64

func newSlotKey() string { return slotKeys + strconv.FormatInt(lastTracer.Add(1), 10) }

// slot is what the hook knows of one connection. It lives in the connection, so finding it costs a map look-up and
// no allocation, and it goes when the connection goes.
type slot struct {
	conn      weak.Pointer[pgx.Conn] // only to compare: the connection belongs to whoever holds it
	pid       uint32                 // of the server's backend
	connected int64
	wire      *wire // nil when the connection was not made through TraceConnectStart

	hold   atomic.Pointer[acquire] // nil while nobody has acquired the connection
	listed atomic.Bool             // in the slotTable
	gone   atomic.Bool             // the hook has seen that it is closed, or was hijacked

	// For whoever owns the connection.
	released  int64           // when it last went back to the pool
	counted   *pgconn.PgError // the last error of a statement that was counted
	destroyed counts.Name     // why the pool destroys it after its release, as a count of closes; 0 if it does not

	canceledBy    cut   // what ended the last query, if its caller did
	canceledAfter int64 // how long that query had run
}

// slotIn returns the slot that t keeps in conn, nil if there is none. The caller must own conn.
func slotIn(conn *pgx.Conn, t *Tracer) *slot {
	if conn == nil {
		return nil
	}
	if s := t.conns.slot(conn); s != nil {
		return s
	}
	s, _ := conn.PgConn().CustomData()[t.slotKey].(*slot)
	return s
}

// slotOf returns the slot that t keeps in conn, making it for a connection whose birth the hook did not see, or did not take for
// the pool's: one made by a BeforeConnect that replaced the tracer.
func (t *Tracer) slotOf(conn *pgx.Conn) *slot {
	if s := slotIn(conn, t); s != nil {
		return s
	}
	t.counters.add(counts.Opened, 1)
	return t.newSlot(conn, nil)
}

func (t *Tracer) newSlot(conn *pgx.Conn, w *wire) *slot {
	s := &slot{conn: weak.Make(conn), pid: conn.PgConn().PID(), connected: t.now(), wire: w}
	conn.PgConn().CustomData()[t.slotKey] = s
	return s
}

// slotTable lists the slots that may be held, so that readers find them without touching a connection.
//
// An acquirer publishes its hold and then looks at listed; the pruner clears listed and then looks at the hold. Atomics
// are sequentially consistent, so at least one of the two sees the other, and no held slot is ever missing.
type slotTable struct {
	mu    sync.Mutex // guards the rest; taken on a connection's first acquire, by readers, and by the pruner
	slots map[*slot]struct{}
	limit int // how many are listed before the list prunes itself: nobody may be sweeping
}

func (st *slotTable) list(s *slot) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.slots == nil {
		st.slots = make(map[*slot]struct{})
	}
	st.slots[s] = struct{}{}
	s.listed.Store(true)
	if len(st.slots) > max(st.limit, 2*pruneAbove) {
		st.pruneLocked(s)
		st.limit = 2 * len(st.slots)
	}
}

// held appends to dst every slot that is held now.
func (st *slotTable) held(dst []heldSlot) []heldSlot {
	st.mu.Lock()
	defer st.mu.Unlock()
	dst = slices.Grow(dst, len(st.slots))
	for s := range st.slots {
		if a := s.hold.Load(); a != nil {
			dst = append(dst, heldSlot{s, a, a.held})
		}
	}
	return dst
}

// prune forgets the slots that nobody holds once there are more of them than keep. Those still alive come back with
// their next acquire; those of closed connections do not.
func (st *slotTable) prune(keep int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.slots) > keep {
		st.pruneLocked(nil)
	}
}

// pruneLocked forgets them, but not the one that is being listed. The caller holds mu.
func (st *slotTable) pruneLocked(except *slot) {
	for s := range st.slots {
		s.listed.Store(false)
		if s == except || s.hold.Load() != nil {
			s.listed.Store(true)
			continue
		}
		delete(st.slots, s)
	}
}

// heldSlot is a slot together with the hold it had when it was looked at.
type heldSlot struct {
	slot  *slot
	hold  *acquire
	since int64 // when the hold began: here, so that sorting thousands follows no pointers
}
