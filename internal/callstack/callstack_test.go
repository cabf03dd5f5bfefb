package callstack

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// maxDepth is more frames than a walk is cut at in earnest.
const maxDepth = 64

// stackOf is what callers and runtime.Callers say of who called it.
//
//go:noinline
func stackOf() (got, want []Frame) {
	var ours, theirs [256]uintptr
	n, _, _ := callers(ours[:], 0, 0)
	m := runtime.Callers(2, theirs[:])
	return Expand(ours[:n]), Expand(theirs[:m])
}

// agreement describes where callers and runtime.Callers differ, "" if they do not.
func agreement() string {
	got, want := stackOf()
	if len(want) < 2 {
		return fmt.Sprintf("runtime.Callers found %d frames", len(want))
	}
	if !slices.Equal(got, want) {
		return fmt.Sprintf("callers:\n%v\nruntime.Callers:\n%v", lines(got), lines(want))
	}
	return ""
}

func lines(frames []Frame) string {
	var b strings.Builder
	for _, f := range frames {
		b.WriteString("\t" + f.String() + "\n")
	}
	return b.String()
}

//go:noinline
func recurse(depth int, f func() string) string {
	if depth == 0 {
		return f()
	}
	var ballast [4]int
	ballast[depth%4] = depth
	return recurse(depth-1, f) + strings.Repeat("", ballast[depth%4])
}

func inlined(f func() string) string { return inlinedAgain(f) }

func inlinedAgain(f func() string) string { return f() }

//go:noinline
func generic[T any](_ T, f func() string) string { return f() }

type walker interface{ walk(f func() string) string }

type byValue struct{ _ [3]int }

func (byValue) walk(f func() string) string { return f() }

type byPointer struct{ n int }

//go:noinline
func (w *byPointer) walk(f func() string) string { w.n++; return f() }

type embedding struct{ walker }

type tower struct {
	*embedding
	_ int
}

// ways are the shapes of call that an acquire can be reached by.
var ways = map[string]func(f func() string) string{
	"a plain call":       func(f func() string) string { return f() },
	"recursion":          func(f func() string) string { return recurse(20, f) },
	"a closure":          func(f func() string) string { n := 1; return func() string { n++; return f() }() },
	"inlined functions":  func(f func() string) string { return inlined(f) },
	"inlined, then deep": func(f func() string) string { return inlined(func() string { return recurse(3, f) }) },
	"generics":           func(f func() string) string { return generic(1, func() string { return generic("", f) }) },
	"a deferred call": func(f func() string) (out string) {
		defer func() { out = f() }()
		return ""
	},
	"a deferred call while panicking": func(f func() string) (out string) {
		defer func() { _ = recover() }()
		defer func() { out = f() }()
		panic("on purpose")
	},
	"after a recovered panic": func(f func() string) (out string) {
		func() {
			defer func() { _ = recover() }()
			recurse(5, func() string { panic("on purpose") })
		}()
		return f()
	},
	"a method by value":           func(f func() string) string { return walker(byValue{}).walk(f) },
	"a method by pointer":         func(f func() string) string { return walker(&byPointer{}).walk(f) },
	"a pointer to a value method": func(f func() string) string { return walker(&byValue{}).walk(f) },
	"an embedded interface":       func(f func() string) string { return walker(embedding{&byPointer{}}).walk(f) },
	"embedded twice":              func(f func() string) string { return walker(tower{embedding: &embedding{byValue{}}}).walk(f) },
	"a method value":              func(f func() string) string { m := (&byPointer{}).walk; return m(f) },
	"an iterator": func(f func() string) (out string) {
		slices.Values([]int{1})(func(int) bool { out = f(); return true })
		return out
	},
	"sync.Once": func(f func() string) (out string) { new(sync.Once).Do(func() { out = f() }); return out },
	"a sort": func(f func() string) (out string) {
		slices.SortFunc([]int{2, 1}, func(a, b int) int { out = f(); return a - b })
		return out
	},
	"the start of a goroutine":     func(f func() string) string { c := make(chan string); go func() { c <- f() }(); return <-c },
	"a goroutine without closure":  func(f func() string) string { c := make(chan string); go send(c, f); return <-c },
	"a method called as goroutine": func(f func() string) string { c := make(chan string); go sender(c).send(f); return <-c },
}

func send(c chan string, f func() string) { c <- f() }

type sender chan string

func (c sender) send(f func() string) { c <- f() }

func TestCallers_AgreeWithTheRuntimeInEveryWayOfCalling(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			if differ := way(agreement); differ != "" {
				t.Error(differ)
			}
		})
	}
}

func TestCallers_AgreeWithTheRuntimeAtEveryDepth(t *testing.T) {
	for depth := range 65 {
		if differ := recurse(depth, agreement); differ != "" {
			t.Errorf("depth %d: %s", depth, differ)
		}
	}
}

func TestCallers_AreCutAtEveryDepthAsTheRuntimeCutsThem(t *testing.T) {
	recurse(80, func() string {
		var whole [128]uintptr
		n, _, _ := callers(whole[:], 0, 0)
		for depth := range maxDepth + 1 {
			var cut [maxDepth + 1]uintptr
			cut[depth] = 42
			m, _, _ := callers(cut[:depth], 0, 0)
			if m != min(depth, n) || !slices.Equal(cut[:m], whole[:m]) {
				t.Errorf("depth %d: %d frames, %x, want a prefix of %x", depth, m, cut[:m], whole[:n])
			}
			if cut[depth] != 42 {
				t.Errorf("depth %d: written past the end", depth)
			}
		}
		return ""
	})
}

// TestCallers_StayRightWhileStacksMove walks while stacks grow and shrink, the collector runs and goroutines are preempted.
func TestCallers_StayRightWhileStacksMove(t *testing.T) {
	const workers, rounds = 8, 300
	var wrong atomic.Pointer[string]
	stop := make(chan struct{})
	var background, all sync.WaitGroup
	background.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	})
	for worker := range workers {
		all.Go(func() {
			for round := range rounds {
				for name, way := range ways {
					depth := (worker*7 + round) % 65
					// A fresh goroutine begins with a small stack, which grows on the way down.
					c := make(chan string)
					go func() {
						c <- recurse(depth, func() string {
							grow(1 + round%16)
							return way(agreement)
						})
					}()
					if differ := <-c; differ != "" {
						differ = name + ": " + differ
						wrong.Store(&differ)
						return
					}
					if testing.Short() || round%10 != 0 {
						break
					}
				}
			}
		})
	}
	all.Wait()
	close(stop)
	background.Wait()
	if p := wrong.Load(); p != nil {
		t.Error(*p)
	}
}

// grow makes the stack of its goroutine grow, which moves it.
//
//go:noinline
func grow(n int) byte {
	var block [2048]byte
	block[n] = byte(n)
	if n == 0 {
		return block[0]
	}
	return block[n] + grow(n-1)
}

// known skips nothing: where the places must be known and are not, it fails.
func known(t *testing.T) bool {
	t.Helper()
	Prepare()
	if numberAt.Load() != 0 && parentAt.Load() != 0 {
		return true
	}
	if runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64" {
		t.Fatalf("the places of the numbers were not found: %d, %d", numberAt.Load(), parentAt.Load())
	}
	if got := Running(); got != (Origin{}) {
		t.Errorf("%+v, where numbers are not known", got)
	}
	return false
}

func TestOrigin_HasTheNumbersThatTheRuntimeGives(t *testing.T) {
	if !known(t) {
		return
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			parent := ownNumber()
			for range 2 {
				all.Go(func() {
					for range 10 {
						if got, want := Running(), (Origin{ownNumber(), parent}); got != want {
							t.Errorf("%+v is called %+v", want, got)
						}
						runtime.Gosched()
					}
				})
			}
		})
	}
	all.Wait()
}

func TestOrigin_KeepsAParentThatHasEnded(t *testing.T) {
	if !known(t) {
		return
	}
	parent, ended, got := make(chan uintptr, 1), make(chan struct{}), make(chan Origin)
	go func() {
		defer close(ended)
		parent <- ownNumber()
		go func() { <-ended; got <- Running() }()
	}()
	if want, got := <-parent, <-got; got.Parent != want {
		t.Errorf("the parent is called %d, want %d", got.Parent, want)
	}
}

func TestCallers_BeginWithTheCallingFunction(t *testing.T) {
	var pcs [8]uintptr
	n, origin := Callers(pcs[:])
	frames := Expand(pcs[:n])
	if len(frames) < 2 || !strings.HasSuffix(frames[0].Function, t.Name()) || origin != Running() {
		t.Errorf("%+v, frames:\n%s", origin, lines(frames))
	}
}
