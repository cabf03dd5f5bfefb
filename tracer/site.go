package tracer

import (
	"math/bits"
	"slices"
	"sync/atomic"

	"github.com/otelpool/pgx/internal/callstack"
)

const (
	// MaxStackDepth is the greatest number of application frames that can be kept.
	MaxStackDepth = 64
	// hiddenFrames is how many frames of pgx, of database/sql and of this package may lie between the hook and the
	// application: twelve for a query through database/sql, with the hook in a tracer that is composed twice.
	hiddenFrames = 16
	// maxSites bounds a table of call paths; it stays at most half full.
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

// sites are the call paths seen so far. They are kept for good, so each kind is bounded, and what is beyond the bounds
// shares a site: to see a path again allocates nothing, however many there are.
type sites struct {
	paths  siteTable // whole paths
	places siteTable // what is beyond those: the application's first frame, whoever called it
	others site      // what is beyond those, without a stack
}

// otherPlaces is the name of sites.others.
const otherPlaces = "other places"

func (s *sites) init() {
	callstack.Prepare()
	s.others.place.Store(&place{name: otherPlaces})
}

// caller returns the call path that leads to the hook, nil at depth 0, and the goroutine that it runs on.
//
//go:noinline
func (s *sites) caller(depth int) (*site, callstack.Origin) {
	if depth == 0 {
		return nil, callstack.Running()
	}
	var buf [MaxStackDepth + hiddenFrames]uintptr
	n, origin := callstack.Callers(buf[:depth+hiddenFrames])
	return s.intern(buf[:n], depth), origin
}

// intern returns the site of a path.
func (s *sites) intern(pcs []uintptr, depth int) *site {
	if found := s.paths.intern(pcs, depth); found != nil {
		return found
	}
	if found := s.places.intern(pcs[:min(len(pcs), hiddenFrames+1)], 1); found != nil {
		return found
	}
	return &s.others
}

// list returns every site with a share in the pool's business.
func (s *sites) list() []*site {
	out := s.places.list(s.paths.list(nil))
	if s.others.holds.Load() > 0 {
		out = append(out, &s.others)
	}
	return out
}

// siteTable interns call paths: open addressing over atomic pointers, filled once, never emptied.
type siteTable struct {
	count   atomic.Int32
	buckets [siteBuckets]atomic.Pointer[site]
}

// intern returns the site of a path, nil for a new one in a full table.
func (st *siteTable) intern(pcs []uintptr, depth int) *site {
	hash := hashPath(pcs)
	for i := hash; ; i++ {
		bucket := &st.buckets[i%siteBuckets]
		s := bucket.Load()
		if s == nil {
			if st.count.Load() >= maxSites {
				return nil
			}
			if st.count.Add(1) > maxSites {
				st.count.Add(-1)
				return nil
			}
			s = &site{hash: hash, pcs: slices.Clone(pcs), depth: depth}
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

// list appends every site to dst.
func (st *siteTable) list(dst []*site) []*site {
	for i := range st.buckets {
		if s := st.buckets[i].Load(); s != nil {
			dst = append(dst, s)
		}
	}
	return dst
}
