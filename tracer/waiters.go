package tracer

import "sync/atomic"

// notWaiting is the index of an acquire that found no place in the ring.
const notWaiting = -1

// ringSize bounds how many acquires in flight can be seen one by one; their number is counted apart and always exact.
const ringSize = 512

// waiterRing lists the acquires in flight, without a lock. Each takes the place its ticket names if that is free. The one
// that finds its place taken goes unlisted: whoever sits there is older, so the oldest waiter is always among the listed.
type waiterRing struct {
	places [ringSize]atomic.Pointer[acquire]
}

// add lists a. The ticket counts acquires; neighbours are spread over cache lines (eight pointers each).
func (r *waiterRing) add(a *acquire, ticket int64) {
	i := int32(ticket<<3|ticket>>6&7) & (ringSize - 1)
	a.waiter = i
	if !r.places[i].CompareAndSwap(nil, a) {
		a.waiter = notWaiting
	}
}

func (r *waiterRing) remove(a *acquire) {
	if a.waiter != notWaiting {
		r.places[a.waiter].Store(nil)
	}
}

// list appends to dst the acquires in flight, in no order.
func (r *waiterRing) list(dst []*acquire) []*acquire {
	for i := range r.places {
		if a := r.places[i].Load(); a != nil {
			dst = append(dst, a)
		}
	}
	return dst
}
