package tracer_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelpool/pgx/tracer"
)

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
				f.hold(&all, func() { w.waitUntil(ctx) }, quit)
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
		if h.NestedAcquire || !strings.HasPrefix(h.Doing, "waits (chan receive), nested_test.go:") || h.Activity != "channel" {
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
		child.Go(func() { close(waits); w.waitUntil(ctx) })
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
