package tracer

import (
	"math"
	"sync"
	"testing"
)

// path makes a path that only its number tells from others.
func path(n int) []uintptr { return []uintptr{uintptr(n + 1), 1000, 2000} }

func TestSites_InternAPathOnce(t *testing.T) {
	var st siteTable
	const workers = 16
	found := make([][]*site, workers)
	var all sync.WaitGroup
	for worker := range workers {
		found[worker] = make([]*site, 200)
		all.Go(func() {
			for i := range 200 {
				n := (i + worker*13) % 200
				found[worker][n] = st.intern(path(n), 8)
			}
		})
	}
	all.Wait()
	for n := range 200 {
		for worker := range workers {
			if found[worker][n] != found[0][n] {
				t.Fatalf("path %d has two sites", n)
			}
		}
	}
	if got := len(st.list(nil)); got != 200 || st.count.Load() != 200 {
		t.Errorf("%d sites, counted %d, want 200", got, st.count.Load())
	}
}

// deepPath makes a path to a place from a caller beyond the frames by which places are told apart.
func deepPath(place, caller int) []uintptr {
	pcs := make([]uintptr, hiddenFrames+8)
	for i := range pcs {
		pcs[i] = uintptr(1000 + i)
	}
	pcs[hiddenFrames], pcs[len(pcs)-1] = uintptr(place+1), uintptr(caller+1)
	return pcs
}

func TestSites_BeyondTheBoundKeepTheirPlaceAndThenShareOne(t *testing.T) {
	var all sync.WaitGroup
	var s sites
	s.init()
	for worker := range 8 {
		all.Go(func() {
			for n := range maxSites {
				s.intern(deepPath(0, n*8+worker), 8)
			}
		})
	}
	all.Wait()
	if n := len(s.paths.list(nil)); n != maxSites {
		t.Errorf("%d paths", n)
	}
	known := s.paths.list(nil)[0]
	if s.intern(known.pcs, 8) != known {
		t.Error("a full table does not find what it has")
	}
	one, same, another := s.intern(deepPath(1, 1<<30), 8), s.intern(deepPath(1, 1<<29), 8), s.intern(deepPath(2, 1<<30), 8)
	if one != same || one == another || one == &s.others || len(one.pcs) != hiddenFrames+1 || one.depth != 1 {
		t.Errorf("places %+v, %+v, %+v", one, same, another)
	}
	for n := range 2 * maxSites {
		s.intern(deepPath(n, 1<<30), 8)
	}
	if got := s.intern(deepPath(1<<30, 1<<30), 8); got != &s.others || got.where().name != otherPlaces {
		t.Errorf("site %+v", got)
	}
	if n := len(s.list()); n != 2*maxSites {
		t.Errorf("%d sites", n)
	}
}

func TestSites_BeyondTheBoundAllocateNothing(t *testing.T) {
	var s sites
	s.init()
	n := 0
	visit := func() {
		n++
		var pcs [hiddenFrames + 8]uintptr
		pcs[0], pcs[len(pcs)-1] = uintptr(n), uintptr(n)
		s.intern(pcs[:], 8).released(1, 1)
	}
	for range 2 * maxSites {
		visit()
	}
	if allocs := testing.AllocsPerRun(1000, visit); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestSites_LeaveNoHoldOut(t *testing.T) {
	const paths = 3 * maxSites
	tr := New(Options{})
	for n := range paths {
		tr.sites.intern(deepPath(n, n), 8).released(1e9, 5e8)
	}
	var holds int64
	var use, query float64
	for _, s := range tr.Sites(math.MaxInt) {
		holds, use, query = holds+s.Holds, use+s.UseSeconds, query+s.QuerySeconds
	}
	if holds != paths || use != paths || query != paths/2 {
		t.Errorf("%d holds, %v s, %v s, want %d of 1 s", holds, use, query, paths)
	}
}

func TestSites_DoNotAliasTheCallersBuffer(t *testing.T) {
	var st siteTable
	buf := path(7)
	s := st.intern(buf, 8)
	buf[0] = 42
	if s.pcs[0] != 8 {
		t.Error("the site changed with its caller's buffer")
	}
}

func TestSites_FindBothOfTwoPathsThatCollide(t *testing.T) {
	var st siteTable
	a, b := path(1), path(2)
	first := st.intern(a, 8)
	// Put b where a lies, with a's hash: the addresses must decide.
	impostor := &site{hash: hashPath(b), pcs: path(3), depth: 8}
	st.buckets[hashPath(b)%siteBuckets].Store(impostor)
	second := st.intern(b, 8)
	if first == second || second == impostor || st.intern(b, 8) != second || st.intern(a, 8) != first {
		t.Error("paths were confused")
	}
}

func TestSites_ShowAPathOfLibrariesWhole(t *testing.T) {
	tr := New(Options{StackDepth: 4})
	s, _ := tr.sites.caller(1)
	if p := symbolise(s.pcs[:1], 4); len(p.frames) == 0 || p.name == "" {
		t.Errorf("place %+v", p)
	}
	if p := (*site)(nil).where(); p == nil || p.name != "" {
		t.Errorf("no site is at %+v", p)
	}
	if name := (Frame{}).String(); name != "" {
		t.Errorf("no frame is %q", name)
	}
}

func TestSites_FewerThanNoneAreNone(t *testing.T) {
	tr := New(Options{StackDepth: 4})
	tr.sites.caller(4)
	for n, want := range map[int]int{-1: 0, 0: 0, 1: 1, 9: 1} {
		if got := tr.Sites(n); len(got) != want {
			t.Errorf("Sites(%d): %+v", n, got)
		}
	}
}
