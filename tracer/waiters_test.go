package tracer

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

func (r *waiterRing) oldest() (oldest *acquire) {
	for _, a := range r.list(nil) {
		if oldest == nil || a.start < oldest.start {
			oldest = a
		}
	}
	return oldest
}

func TestWaiterRing_HasAPlaceForEveryTicketOfARound(t *testing.T) {
	var r waiterRing
	taken := make(map[int16]bool)
	for ticket := range int64(ringSize) {
		a := &acquire{}
		r.add(a, ticket+1)
		if taken[a.place] {
			t.Fatalf("ticket %d: place %d is taken", ticket, a.place)
		}
		taken[a.place] = true
	}
}

// TestWaiterRing_AlwaysListsTheOldest serves waiters first come, first served, with many more of them than places: whoever
// found its place taken must be seen once those before it are gone.
func TestWaiterRing_AlwaysListsTheOldest(t *testing.T) {
	const waiting = 3*ringSize + 7
	var r waiterRing
	var queue []*acquire
	for ticket := range int64(5 * waiting) {
		a := &acquire{start: ticket + 1}
		r.add(a, ticket)
		queue = append(queue, a)
		if len(queue) > waiting {
			r.remove(queue[0])
			queue = queue[1:]
		}
		if ticket%97 == 0 {
			if got := r.oldest(); got != queue[0] {
				t.Fatalf("ticket %d: the oldest listed began at %d, the oldest at %d", ticket, got.start, queue[0].start)
			}
			if n := len(r.list(nil)); n != len(queue) {
				t.Fatalf("ticket %d: %d listed of %d", ticket, n, len(queue))
			}
		}
	}
	for _, a := range queue {
		if got := r.oldest(); got != a {
			t.Fatalf("the oldest listed began at %d, want %d", got.start, a.start)
		}
		r.remove(a)
	}
	if left := r.list(nil); len(left) != 0 {
		t.Errorf("%d listed at rest", len(left))
	}
}

func TestWaiterRing_IsLeftInAnyOrder(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 2, 0, 3}, {2, 0, 3, 1}, {1, 3, 0, 2}} {
		var r waiterRing
		var all []*acquire
		for i := range 4 {
			a := &acquire{start: int64(i) + 1}
			r.add(a, 7+int64(i*ringSize)) // all of one place
			all = append(all, a)
		}
		for left, i := range order {
			r.remove(all[i])
			if slices.Contains(r.list(nil), all[i]) {
				t.Errorf("%v: %d is still there", order, i)
			}
			if n := len(r.list(nil)); n != 3-left {
				t.Errorf("%v: %d listed, want %d", order, n, 3-left)
			}
		}
	}
}

// TestWaiterRing_KeepsNobodyWhoLeft lets a place never be empty, as under a standing queue.
func TestWaiterRing_KeepsNobodyWhoLeft(t *testing.T) {
	var r waiterRing
	collected := make(chan int, 1000)
	previous := &acquire{}
	r.add(previous, 0)
	for i := range 100 {
		next := &acquire{}
		runtime.AddCleanup(next, func(i int) { collected <- i }, i)
		r.add(next, int64((i+1)*ringSize))
		r.remove(previous)
		previous = next
	}
	for range 20 {
		runtime.GC()
		if len(collected) >= 98 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if n := len(collected); n < 98 {
		t.Errorf("%d of 99 that left are kept in memory", 99-n)
	}
	runtime.KeepAlive(previous)
}

func TestWaiterRing_IsJoinedAndLeftConcurrently(t *testing.T) {
	tr := New(Options{})
	const workers = 16
	var all, reader sync.WaitGroup
	stop := make(chan struct{})
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if n := len(tr.waiters.list(nil)); n > workers*4 {
				t.Errorf("%d listed", n)
			}
		}
	})
	for range workers {
		all.Go(func() {
			for i := range 3000 {
				var mine []*acquire
				for range 1 + i%4 {
					a := &acquire{Context: context.Background()}
					// Two places for all, so that they meet.
					tr.waiters.add(a, tr.counters.add(counts.Started, 1)%2)
					mine = append(mine, a)
				}
				if i%2 == 0 {
					slices.Reverse(mine)
				}
				for _, a := range mine {
					if !slices.Contains(tr.waiters.list(nil), a) {
						t.Error("a waiter is missing")
					}
					tr.waiters.remove(a)
				}
			}
		})
	}
	all.Wait()
	close(stop)
	reader.Wait()
	if n := len(tr.waiters.list(nil)); n != 0 {
		t.Errorf("%d listed at rest", n)
	}
}
