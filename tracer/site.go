package tracer

import (
	"math/bits"
	"slices"
	"sync/atomic"
)

const (
	// MaxStackDepth is the greatest number of application frames that can be kept.
	MaxStackDepth = 64
	// hiddenFrames is how many frames of pgx, of database/sql and of this package may lie between the hook and the
	// application: twelve for a query through database/sql, with the hook in a tracer that is composed twice.
	hiddenFrames = 16
	// maxSites bounds the call paths remembered for one pool; the table stays at most half full.
	maxSites    = 256
	siteBuckets = 2 * maxSites
)

// site is one call path by which connections are acquired. The addresses are constant; the sums are the pool's business
// along this path.
type site struct {
	hash  uint64
	pcs   []uintptr
	depth int // how many of the application's frames are wanted

	place atomic.Pointer[place] // symbolised on first look

	holds     atomic.Int64
	useTime   atomic.Int64 // nanoseconds held
	queryTime atomic.Int64 // the part of it with a query open
}

func (s *site) released(use, query int64) {
	s.holds.Add(1)
	s.useTime.Add(use)
	if query != 0 {
		s.queryTime.Add(query)
	}
}

// siteTable interns call paths: open addressing over atomic pointers, filled once, never emptied. A path that finds it
// full still gets its stack, in a site of its own that the table does not count.
type siteTable struct {
	numberAt uintptr // see the function of that name; constant
	count    atomic.Int32
	buckets  [siteBuckets]atomic.Pointer[site]
}

// caller returns the call path that leads to the hook, nil at depth 0, and the number of the goroutine that it runs on, 0
// where that is not known.
//
//go:noinline
func (st *siteTable) caller(depth int) (*site, uintptr) {
	if depth == 0 {
		return nil, st.goroutine()
	}
	var buf [MaxStackDepth + hiddenFrames]uintptr
	n, number := callers(buf[:depth+hiddenFrames], st.numberAt)
	if st.numberAt == 0 {
		number = 0
	}
	return st.intern(buf[:n], depth), number
}

// goroutine is the number of the running goroutine, 0 where that is not known.
func (st *siteTable) goroutine() uintptr {
	if st.numberAt == 0 {
		return 0
	}
	_, number := callers(nil, st.numberAt)
	return number
}

func (st *siteTable) intern(pcs []uintptr, depth int) *site {
	hash := hashPath(pcs)
	for i := hash; ; i++ {
		bucket := &st.buckets[i%siteBuckets]
		s := bucket.Load()
		if s == nil {
			s = &site{hash: hash, pcs: slices.Clone(pcs), depth: depth}
			if st.count.Add(1) > maxSites {
				st.count.Add(-1)
				return s
			}
			if bucket.CompareAndSwap(nil, s) {
				return s
			}
			st.count.Add(-1)
			s = bucket.Load()
		}
		if s.hash == hash && s.depth == depth && slices.Equal(s.pcs, pcs) {
			return s
		}
	}
}

// hashPath mixes the addresses; one rotation, one xor and one addition a frame, and a multiplication at the end.
func hashPath(pcs []uintptr) uint64 {
	h := uint64(len(pcs))
	for _, pc := range pcs {
		h = bits.RotateLeft64(h, 9) + (h ^ uint64(pc))
	}
	h ^= h >> 29
	h *= 0x9e3779b97f4a7c15
	return h ^ h>>32
}

// list returns every interned site.
func (st *siteTable) list() []*site {
	out := make([]*site, 0, st.count.Load())
	for i := range st.buckets {
		if s := st.buckets[i].Load(); s != nil {
			out = append(out, s)
		}
	}
	return out
}
