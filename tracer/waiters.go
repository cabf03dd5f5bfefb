package tracer

import "sync/atomic"

// notWaiting is the place of an acquire that is not in the ring.
const notWaiting = -1

// ringSize is how many acquires in flight have a place of their own; it is also how many are described to readers.
const ringSize = 512

// waiterRing lists the acquires in flight, without a lock. Each takes the place that its ticket names. When there are more
// of them than places, those that share one are stacked on it, the latest on top: so nobody is ever missing from the list,
// and as long as everybody has a place, joining and leaving are one compare-and-swap each.
type waiterRing struct {
	places [ringSize]atomic.Pointer[acquire]
}

// unlinked stands below an acquire that was taken off its stack: a reader that comes past it looks at the place again.
var unlinked acquire

// add lists a. The ticket counts acquires; neighbours are spread over cache lines (eight pointers each).
func (r *waiterRing) add(a *acquire, ticket int64) {
	a.place = int32(ticket<<3|ticket>>6&7) & (ringSize - 1)
	place := &r.places[a.place]
	for !place.CompareAndSwap(nil, a) {
		if top := place.Load(); top != nil {
			a.below.Store(top)
			if place.CompareAndSwap(top, a) {
				return
			}
			a.below.Store(nil)
		}
	}
}

// remove takes a off the list. On top of its place it is unlinked; below others it is marked, and unlinked by the one above
// that leaves last. Whoever marks looks at the top afterwards and whoever unlinks looks at the mark, so one of them sees
// the other, and nobody who has left is kept longer than those who came after.
func (r *waiterRing) remove(a *acquire) {
	if a.place == notWaiting {
		return
	}
	place := &r.places[a.place]
	below := a.below.Load()
	if place.CompareAndSwap(a, below) {
		if below == nil {
			return
		}
		a.below.Store(&unlinked)
	} else {
		a.left.Store(true)
	}
	for top := place.Load(); top != nil && top.left.Load(); top = place.Load() {
		if below := top.below.Load(); place.CompareAndSwap(top, below) && below != nil {
			top.below.Store(&unlinked)
		}
	}
}

// list appends to dst the acquires in flight, in no order.
func (r *waiterRing) list(dst []*acquire) []*acquire {
	for i := range r.places {
		dst = r.listPlace(dst, &r.places[i])
	}
	return dst
}

func (r *waiterRing) listPlace(dst []*acquire, place *atomic.Pointer[acquire]) []*acquire {
	known := len(dst)
	for a := place.Load(); a != nil; {
		if a == &unlinked {
			dst, a = dst[:known], place.Load()
			continue
		}
		if !a.left.Load() {
			dst = append(dst, a)
		}
		a = a.below.Load()
	}
	return dst
}

// has reports whether a is in flight.
func (r *waiterRing) has(a *acquire) bool {
	if a.place == notWaiting {
		return false
	}
	place := &r.places[a.place]
	waiter := place.Load()
	for waiter != nil && waiter != a {
		if waiter = waiter.below.Load(); waiter == &unlinked {
			waiter = place.Load()
		}
	}
	return waiter == a && !a.left.Load()
}

// of returns the latest acquire that a goroutine has in flight, nil if it has none or its number is not known.
func (r *waiterRing) of(goroutine uintptr) (latest *acquire) {
	if goroutine == 0 {
		return nil
	}
	for _, a := range r.list(nil) {
		if a.goroutine == goroutine && (latest == nil || a.start > latest.start) {
			latest = a
		}
	}
	return latest
}
