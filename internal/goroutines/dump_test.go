package goroutines

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/callstack"
)

const example = `goroutine 1 [chan receive, 5 minutes, locked to thread]:
main.main()
	/src/shop/main.go:12 +0x1d

goroutine 34 gp=0xc000102000 m=nil [select (no cases)]:
shop/internal/pay.(*Card[...]).Charge(0xc000010000, {0x1, 0x2}, ...)
	/src/shop/internal/pay/card.go:88 +0x2f
...12 frames elided...
shop.handle(...)
	/src/shop/handle.go:9
created by net/http.(*Server).Serve in goroutine 7
	/go/src/net/http/server.go:3454 +0x485

goroutine 35 [running labels:{"a": "b, 3 minutes"}]:
	goroutine running on other thread; stack unavailable
created by shop.start
	/src/shop/start.go:1 +0x1
`

func TestParse_ReadsWhatTheRuntimeWrites(t *testing.T) {
	d := Parse([]byte(example))
	for id, want := range map[uintptr]Goroutine{
		1:  {ID: 1, State: "chan receive", Blocked: 5 * time.Minute},
		34: {ID: 34, Parent: 7, State: "select"},
		35: {ID: 35, State: "running"},
	} {
		got, _ := d.Find(id)
		if got.stack = nil; got.ID != want.ID || got.Parent != want.Parent || got.State != want.State {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if g, _ := d.Find(1); g.Blocked != 5*time.Minute {
		t.Errorf("blocked for %v", g.Blocked)
	}
	if d.Len() != 3 || !d.HasChild(7) || d.HasChild(34) {
		t.Errorf("%d goroutines, children %t and %t", d.Len(), d.HasChild(7), d.HasChild(34))
	}
	g, _ := d.Find(34)
	want := []callstack.Frame{
		{Function: "shop/internal/pay.(*Card[...]).Charge", File: "/src/shop/internal/pay/card.go", Line: 88},
		{Function: "shop.handle", File: "/src/shop/handle.go", Line: 9},
	}
	got := g.Frames()
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestLook_SeesWhoLivesAndWhoStartedWhom(t *testing.T) {
	callstack.Prepare()
	child, grandchild := make(chan callstack.Origin, 1), make(chan callstack.Origin, 1)
	until := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		child <- callstack.Running()
		all.Go(func() { grandchild <- callstack.Running(); <-until })
		<-until
	})
	first, second := <-child, <-grandchild
	d, err := look(runtime.NumGoroutine())
	if err != nil {
		t.Fatal(err)
	}
	close(until)
	all.Wait()
	for _, want := range []callstack.Origin{first, second} {
		if got, ok := d.Find(want.Goroutine); !ok || got.Parent != want.Parent {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if second.Parent != first.Goroutine {
		t.Errorf("child %+v, grandchild %+v", first, second)
	}
	if d, err = look(runtime.NumGoroutine()); err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Find(first.Goroutine); ok {
		t.Error("a goroutine that has ended is seen")
	}
}

func TestLook_SaysWhyItWasNotTaken(t *testing.T) {
	until := make(chan struct{})
	var all sync.WaitGroup
	for range MaxGoroutines {
		all.Go(func() { <-until })
	}
	time.Sleep(sharedFor) // a look that another test took is shared for so long
	_, err := Look()
	close(until)
	all.Wait()
	if err == nil || !strings.Contains(err.Error(), "more than 500") {
		t.Errorf("got %v", err)
	}
}

func TestLook_IsSharedByThoseWhoAskAtOnce(t *testing.T) {
	first, err := Look()
	if err != nil {
		t.Fatal(err)
	}
	second, err := Look()
	if err != nil {
		t.Fatal(err)
	}
	if second != first && second.Began.Sub(first.Began) < sharedFor {
		t.Errorf("two looks within %v", second.Began.Sub(first.Began))
	}
	runtime.KeepAlive(first)
}

func TestLook_RefusesATraceThatDoesNotFit(t *testing.T) {
	until := make(chan struct{})
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { wait(60, until) })
	}
	runtime.Gosched()
	d, err := look(1)
	close(until)
	all.Wait()
	if err != errDoesNotFit {
		t.Errorf("got %v, %v", d, err)
	}
}

// FuzzParse feeds the parser with anything: it is read while something is wrong already.
func FuzzParse(f *testing.F) {
	f.Add([]byte(example))
	real := make([]byte, 1<<20)
	f.Add(real[:runtime.Stack(real, true)])
	f.Fuzz(func(t *testing.T, text []byte) {
		d := Parse(text)
		for id, g := range d.all {
			if id == 0 || g.ID != id || g.State == "" || g.Blocked < 0 {
				t.Errorf("%+v", g)
			}
			for _, frame := range g.Frames() {
				if frame.Function == "" {
					t.Errorf("a frame without a function: %+v", frame)
				}
			}
			if doing := g.Doing(); doing.String() == "" || doing.Activity == "" {
				t.Errorf("it does nothing: %+v", doing)
			}
		}
	})
}
