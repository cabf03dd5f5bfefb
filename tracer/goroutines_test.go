package tracer_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

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

func TestLeak_OfAGoroutineThatHasEndedNeedsNoThreshold(t *testing.T) {
	w := onOneConnection(t, looking)
	taken := make(chan *pgxpool.Conn, 1)
	go func() { taken <- w.acquire(t.Context()) }()
	conn := <-taken
	ctx, cancel := context.WithCancel(t.Context())
	var waiter sync.WaitGroup
	waiter.Go(func() { w.waitUntil(ctx) })
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
	waiter.Go(func() { w.waitUntil(ctx) })
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
	all.Go(func() { w.waitUntil(ctx) })
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
	waiter.Go(func() { w.waitUntil(ctx) })
	if snap := w.until(func(snap tracer.Snapshot) bool { return snap.LookSkipped != "" }); looked(snap) {
		t.Errorf("skipped %q, and took %v", snap.LookSkipped, snap.LookTook)
	}
	cancel()
	waiter.Wait()
	conn.Release()
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

// waitUntil waits for a connection until ctx is done. One that comes all the same goes back: a test must be able to close its pool.
func (w *watch) waitUntil(ctx context.Context) {
	if conn, err := w.pool.Acquire(ctx); err == nil {
		conn.Release()
	}
}
