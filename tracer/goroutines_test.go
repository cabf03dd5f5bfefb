package tracer_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/tracer"
)

// looking never suspects by time: what it finds, it finds by a look.
var looking = tracer.Options{StackDepth: 16, LeakThreshold: time.Hour, GoroutineLook: true}

// onOneConnection is a pool of one connection on a real server.
func onOneConnection(t *testing.T, opts tracer.Options) *watch {
	return onPostgres(t, opts, func(cfg *pgxpool.Config) { cfg.MaxConns = 1 })
}

// until sweeps until a snapshot satisfies ok, or says that none did.
func (w *watch) until(ok func(tracer.Snapshot) bool) (last tracer.Snapshot) {
	w.t.Helper()
	for start := time.Now(); time.Since(start) < 20*time.Second; time.Sleep(10 * time.Millisecond) {
		if last = w.sweep(); ok(last) {
			return last
		}
	}
	w.t.Errorf("never seen; at last holders %+v, waiters %+v, skipped %q", last.Holders, last.Waiters, last.LookSkipped)
	return last
}

func looked(snap tracer.Snapshot) bool { return snap.LookTook > 0 }

// family is how the goroutine that holds and those that wait are related. hold runs on a goroutine of its own with a connection,
// and returns when quit is closed; wait acquires another.
type family struct {
	name   string
	nested bool
	opts   tracer.Options
	rows   bool // the connection has rows open
	hold   func(all *sync.WaitGroup, wait func(), quit <-chan struct{})
}

var families = []family{
	{"a child", true, looking, false, func(all *sync.WaitGroup, wait func(), _ <-chan struct{}) {
		var children sync.WaitGroup
		children.Go(wait)
		children.Wait()
	}},
	{"a grandchild", true, looking, false, func(all *sync.WaitGroup, wait func(), _ <-chan struct{}) {
		done := make(chan struct{})
		all.Go(func() {
			defer close(done)
			var children sync.WaitGroup
			children.Go(wait)
			children.Wait()
		})
		<-done
	}},
	{"a child, while the holder looks at its rows now and then", true, looking, true, func(all *sync.WaitGroup, wait func(), quit <-chan struct{}) {
		all.Go(wait)
		for {
			select {
			case <-quit:
				return
			default:
				time.Sleep(time.Millisecond)
			}
		}
	}},
	{"a child, with rows open and no look", true, tracer.Options{StackDepth: 16}, true, func(all *sync.WaitGroup, wait func(), quit <-chan struct{}) {
		all.Go(wait)
		<-quit
	}},
	{"a child that nobody waits for", false, looking, false, func(all *sync.WaitGroup, wait func(), quit <-chan struct{}) {
		all.Go(wait)
		for {
			select {
			case <-quit:
				return
			default:
				time.Sleep(time.Millisecond)
			}
		}
	}},
	{"a handler of a server that the holder has started", false, looking, false, func(all *sync.WaitGroup, wait func(), quit <-chan struct{}) {
		server, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return
		}
		all.Go(func() {
			for {
				conn, err := server.Accept()
				if err != nil {
					return
				}
				all.Go(func() { defer conn.Close(); wait() })
			}
		})
		if client, err := net.Dial("tcp", server.Addr().String()); err == nil {
			defer client.Close()
		}
		<-quit
		server.Close()
	}},
}

func TestNestedAcquire_ReachesAcrossGoroutinesThatWaitForEachOther(t *testing.T) {
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			w := onOneConnection(t, f.opts)
			var all sync.WaitGroup
			quit := make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			all.Go(func() {
				conn, err := w.pool.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Release()
				if f.rows {
					rows, err := conn.Query(t.Context(), "SELECT generate_series(1, 1000)")
					if err != nil {
						t.Error(err)
						return
					}
					defer rows.Close()
				}
				f.hold(&all, func() { _, _ = w.pool.Acquire(ctx) }, quit)
			})
			snap := w.until(func(snap tracer.Snapshot) bool {
				if len(snap.Holders) != 1 || len(snap.Waiters) != 1 {
					return false
				}
				return snap.Holders[0].NestedAcquire || !f.nested && looked(snap)
			})
			if snap.Holders[0].NestedAcquire != f.nested || snap.Waiters[0].NestedAcquire != f.nested {
				t.Errorf("holders %+v, waiters %+v", snap.Holders, snap.Waiters)
			}
			close(quit)
			cancel()
			all.Wait()
		})
	}
}

// Two workers of one request wait for nothing of each other, whatever trace and context they share.
func TestNestedAcquire_IsNotTwoWorkersOfOneRequest(t *testing.T) {
	w := onOneConnection(t, looking)
	ctx, cancel := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	for range 3 {
		workers.Go(func() {
			if conn, err := w.pool.Acquire(ctx); err == nil {
				<-ctx.Done()
				conn.Release()
			}
		})
	}
	snap := w.until(looked)
	for _, h := range snap.Holders {
		if h.NestedAcquire || !strings.HasPrefix(h.Doing, "waits (chan receive), goroutines_test.go:") || h.Activity != "channel" {
			t.Errorf("%+v", h)
		}
	}
	cancel()
	workers.Wait()
}

func TestNestedAcquire_IsNoLeak(t *testing.T) {
	opts := looking
	opts.LeakThreshold = time.Nanosecond
	w := onOneConnection(t, opts)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	waits := make(chan struct{})
	all.Go(func() {
		conn, err := w.pool.Acquire(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Release()
		var child sync.WaitGroup
		child.Go(func() { close(waits); _, _ = w.pool.Acquire(ctx) })
		child.Wait()
	})
	<-waits
	snap := w.hook.Waiters()
	for len(snap) == 0 || snap[0].Age < 150*time.Millisecond {
		time.Sleep(time.Millisecond)
		snap = w.hook.Waiters()
	}
	for range 5 {
		if snap := w.sweep(); snap.Active != 0 || !snap.Holders[0].NestedAcquire || snap.Holders[0].Evidence != tracer.EvidenceSlowHold {
			t.Errorf("%d active, %+v", snap.Active, snap.Holders)
		}
	}
	w.checkNoReports()
	cancel()
	all.Wait()
}

func TestLeak_OfAGoroutineThatHasEndedNeedsNoThreshold(t *testing.T) {
	w := onOneConnection(t, looking)
	taken := make(chan *pgxpool.Conn, 1)
	go func() { taken <- w.acquire(t.Context()) }()
	conn := <-taken
	ctx, cancel := context.WithCancel(t.Context())
	var waiter sync.WaitGroup
	waiter.Go(func() { _, _ = w.pool.Acquire(ctx) })
	snap := w.until(func(snap tracer.Snapshot) bool { return snap.Active == 1 })
	if h := snap.Holders[0]; h.Evidence != tracer.EvidenceOrphaned || h.Doing != "has ended" || h.Idle < time.Second {
		t.Errorf("%+v", h)
	}
	exec(t, conn, "SELECT 1") // it was handed to us after all
	if snap := w.sweep(); snap.Active != 0 {
		t.Errorf("it is used: %+v", snap.Holders)
	}
	cancel()
	waiter.Wait()
	conn.Release()
	w.sweep()
	if len(w.eventsOf(tracer.EventLeakSuspected)) != 1 || len(w.eventsOf(tracer.EventLeakRecovered)) != 1 {
		t.Errorf("events %+v", w.events)
	}
}

// The goroutines of net/http live on for the next request.
func TestLeak_OfAHandlerThatHasReturnedNeedsNoThreshold(t *testing.T) {
	w := onOneConnection(t, looking)
	taken := make(chan *pgxpool.Conn, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { taken <- w.acquire(t.Context()) }))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	fail(t, err)
	fail(t, response.Body.Close())
	conn := <-taken
	ctx, cancel := context.WithCancel(t.Context())
	var waiter sync.WaitGroup
	waiter.Go(func() { _, _ = w.pool.Acquire(ctx) })
	snap := w.until(func(snap tracer.Snapshot) bool { return snap.Active == 1 })
	if h := snap.Holders[0]; h.Evidence != tracer.EvidenceOrphaned || h.Doing != "has left the code that took the connection" || h.Activity != "ended" {
		t.Errorf("%+v", h)
	}
	cancel()
	waiter.Wait()
	conn.Release()
}

// A goroutine that takes a connection may leave it to one that it has started.
func TestLeak_IsNotAConnectionLeftToAChild(t *testing.T) {
	w := onOneConnection(t, looking)
	quit, left := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		defer close(left)
		conn := w.acquire(t.Context())
		all.Go(func() { <-quit; conn.Release() })
	})
	<-left
	ctx, cancel := context.WithCancel(t.Context())
	all.Go(func() { _, _ = w.pool.Acquire(ctx) })
	snap := w.until(func(snap tracer.Snapshot) bool {
		return len(snap.Holders) == 1 && snap.Holders[0].Doing != "" && snap.Holders[0].Idle > 1500*time.Millisecond
	})
	if h := snap.Holders[0]; h.Evidence != tracer.EvidenceNone {
		t.Errorf("%+v", h)
	}
	close(quit)
	cancel()
	all.Wait()
}

func TestLook_IsNotTakenInAPoolThatIsWell(t *testing.T) {
	w := onPostgres(t, looking, func(cfg *pgxpool.Config) { cfg.MaxConns = 4 })
	for range 3 {
		conn := w.acquire(t.Context())
		exec(t, conn, "SELECT 1")
		if snap := w.sweep(); snap.LookTook != 0 || snap.LookSkipped != "" || snap.Holders[0].Doing != "" {
			t.Errorf("took %v, skipped %q, %+v", snap.LookTook, snap.LookSkipped, snap.Holders)
		}
		conn.Release()
	}
}

func TestLook_SaysWhyItIsNotTaken(t *testing.T) {
	opts := looking
	opts.GoroutineLook = false
	w := onOneConnection(t, opts)
	conn := w.acquire(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	var waiter sync.WaitGroup
	waiter.Go(func() { _, _ = w.pool.Acquire(ctx) })
	if snap := w.until(func(snap tracer.Snapshot) bool { return snap.LookSkipped != "" }); looked(snap) {
		t.Errorf("skipped %q, and took %v", snap.LookSkipped, snap.LookTook)
	}
	cancel()
	waiter.Wait()
	conn.Release()
}

func TestHolder_IsNotIdleWhileItReadsRowsThatHaveArrived(t *testing.T) {
	w := onOneConnection(t, looking)
	rows, err := w.pool.Query(t.Context(), "SELECT generate_series(1, 100)")
	fail(t, err)
	defer rows.Close()
	rows.Next()
	w.sweep()
	time.Sleep(20 * time.Millisecond)
	before := w.sweep().Holders[0].Idle
	rows.Next()
	if after := w.sweep().Holders[0].Idle; after >= before || before < 20*time.Millisecond {
		t.Errorf("idle for %v before a row was read, for %v after it", before, after)
	}
}

func TestHolder_ListensWhenItReadsWithoutAQuery(t *testing.T) {
	w := onOneConnection(t, looking)
	conn := w.acquire(t.Context())
	defer conn.Release()
	exec(t, conn, "LISTEN news")
	ctx, cancel := context.WithCancel(t.Context())
	var listener sync.WaitGroup
	listener.Go(func() { _, _ = conn.Conn().WaitForNotification(ctx) })
	w.until(func(snap tracer.Snapshot) bool { return snap.Holders[0].Listening && !snap.Holders[0].Querying })
	cancel()
	listener.Wait()
}

func TestHolder_ProducesWhileACopyWaitsForItsRows(t *testing.T) {
	w := onOneConnection(t, looking)
	exec(t, w.pool, "CREATE TABLE goods (n int)")
	var all sync.WaitGroup
	next := make(chan []any)
	all.Go(func() {
		source := pgx.CopyFromFunc(func() ([]any, error) { return <-next, nil })
		if _, err := w.pool.CopyFrom(t.Context(), pgx.Identifier{"goods"}, []string{"n"}, source); err != nil {
			t.Error(err)
		}
	})
	snap := w.until(func(snap tracer.Snapshot) bool { return len(snap.Holders) == 1 && snap.Holders[0].Producing })
	if h := snap.Holders[0]; h.Querying || h.Listening || h.Evidence != tracer.EvidenceNone {
		t.Errorf("%+v", h)
	}
	next <- []any{1}
	close(next)
	all.Wait()
}

func nameOf(p place) string { return p.file + ":" + strconv.Itoa(p.line) + " " }

// get is a helper that all acquires of a program go through.
func get(w *watch, ctx context.Context) *pgxpool.Conn {
	conn, _ := w.pool.Acquire(ctx)
	return conn
}

func TestSite_IsFurtherOutWhereAllShareOneHelper(t *testing.T) {
	w := onPostgres(t, looking, nil)
	here := nextLine()
	one := get(w, t.Context())
	there := nextLine()
	other := get(w, t.Context())
	for _, holders := range [][]tracer.Holder{w.sweep().Holders, w.hook.Holders()} {
		for i, want := range []place{here, there} {
			if h := holders[i]; !strings.HasPrefix(h.Site, nameOf(want)) {
				t.Errorf("taken at %q, want %s", h.Site, nameOf(want))
			}
		}
	}
	other.Release()
	if site := w.sweep().Holders[0].Site; !strings.HasSuffix(site, "tracer_test.get") {
		t.Errorf("alone it was taken at %q", site)
	}
	one.Release()
}
