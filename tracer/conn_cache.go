package tracer

import (
	"sync/atomic"
	"unsafe"

	"github.com/jackc/pgx/v5"
)

// connCache finds the slots of connections that were acquired faster than the connections' own maps do. It holds connections until
// they are dropped: so an address in it is never another connection's. A connection whose place is taken is looked up in its
// map. Where nobody calls BeforeClose, as many closed connections as there are places stay in memory, and no more.
type connCache [connCacheSize]atomic.Pointer[cachedConn]

const (
	connCacheBits = 7
	connCacheSize = 1 << connCacheBits
)

type cachedConn struct {
	conn *pgx.Conn
	slot *slot
}

func (c *connCache) place(conn *pgx.Conn) *atomic.Pointer[cachedConn] {
	const golden = 0x9e3779b97f4a7c15 // spreads addresses, of which the lowest bits are alike
	return &c[uint64(uintptr(unsafe.Pointer(conn)))*golden>>(64-connCacheBits)]
}

// slot returns the slot of conn, nil if it is not here.
func (c *connCache) slot(conn *pgx.Conn) *slot {
	if cached := c.place(conn).Load(); cached != nil && cached.conn == conn {
		return cached.slot
	}
	return nil
}

// add enters conn unless its place is taken.
func (c *connCache) add(conn *pgx.Conn, s *slot) {
	if place := c.place(conn); place.Load() == nil {
		place.CompareAndSwap(nil, &cachedConn{conn, s})
	}
}

// drop lets go of conn.
func (c *connCache) drop(conn *pgx.Conn) {
	place := c.place(conn)
	if cached := place.Load(); cached != nil && cached.conn == conn {
		place.CompareAndSwap(cached, nil)
	}
}
