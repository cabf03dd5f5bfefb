package tracer

import (
	"sync"
	"testing"
)

// path makes a path that only its number tells from others.
func path(n int) []uintptr { return []uintptr{uintptr(n + 1), 1000, 2000} }

func TestAPathIsInternedOnce(t *testing.T) {
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
	if got := len(st.list()); got != 200 || st.count.Load() != 200 {
		t.Errorf("%d sites, counted %d, want 200", got, st.count.Load())
	}
}

func TestSitesAreBoundedAndPathsBeyondTheBoundKeepTheirStacks(t *testing.T) {
	var st siteTable
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for n := range 4 * maxSites {
				s := st.intern(path(n*8+worker), 8)
				if len(s.pcs) != 3 || s.pcs[0] != uintptr(n*8+worker+1) {
					t.Errorf("path %d: %v", n, s.pcs)
				}
			}
		})
	}
	all.Wait()
	if got := len(st.list()); got > maxSites || got < maxSites-8 {
		t.Errorf("%d sites", got)
	}
	known := st.list()[0]
	if st.intern(known.pcs, 8) != known {
		t.Error("a full table does not find what it has")
	}
	if a, b := st.intern(path(1<<30), 8), st.intern(path(1<<30), 8); a == b {
		t.Error("a full table took another path")
	}
}

func TestInternedPathsDoNotAliasTheCallersBuffer(t *testing.T) {
	var st siteTable
	buf := path(7)
	s := st.intern(buf, 8)
	buf[0] = 42
	if s.pcs[0] != 8 {
		t.Error("the site changed with its caller's buffer")
	}
}

func TestOfTwoPathsThatCollideBothAreFound(t *testing.T) {
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

func TestAPathOfLibrariesOnlyIsShownWhole(t *testing.T) {
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

func TestFewerThanNoSitesAreNone(t *testing.T) {
	tr := New(Options{StackDepth: 4})
	tr.sites.caller(4)
	for n, want := range map[int]int{-1: 0, 0: 0, 1: 1, 9: 1} {
		if got := tr.Sites(n); len(got) != want {
			t.Errorf("Sites(%d): %+v", n, got)
		}
	}
}
