package tracer

import (
	"sync"
	"sync/atomic"
)

const (
	notWaiting = -1 // the place of an acquire that nobody can see waiting
	overflowed = -2 // the place of one that found the ring's place taken
)

// ringSize is how many acquires in flight the ring has places for; it is also how many are described to readers.
const ringSize = 512

// waiterRing lists the acquires in flight. Each takes the place in the ring that its ticket names, without a lock. When that
// is taken, hundreds are waiting, and it joins them in a map: a lock costs little then, and the oldest waiter, which is the
// one to look at, may be any of them.
type waiterRing struct {
	places [ringSize]atomic.Pointer[acquire]

	mu       sync.Mutex // guards the rest
	overflow map[*acquire]struct{}
	givenUp  bool // see giveUp
}

// add lists a. The ticket counts acquires; neighbours are spread over cache lines (eight pointers each).
func (r *waiterRing) add(a *acquire, ticket int64) {
	place := int16(ticket<<3|ticket>>6&7) & (ringSize - 1)
	a.place = place
	if !r.places[place].CompareAndSwap(nil, a) {
		r.addOverflow(a)
	}
}

func (r *waiterRing) addOverflow(a *acquire) {
	a.place = overflowed
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.givenUp {
		return
	}
	if r.overflow == nil {
		r.overflow = make(map[*acquire]struct{})
	}
	r.overflow[a] = struct{}{}
}

// remove takes a off the list.
func (r *waiterRing) remove(a *acquire) {
	switch place := a.place; {
	case place >= 0:
		r.places[place&(ringSize-1)].Store(nil)
	case place == overflowed:
		r.removeOverflow(a)
	}
}

func (r *waiterRing) removeOverflow(a *acquire) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.overflow, a)
}

// giveUp ends the list: acquires end of which it is not known when they began, because another tracer drops their contexts.
// Those would stay on it for ever.
func (r *waiterRing) giveUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.givenUp = true
	r.overflow = nil
}

// list appends to dst the acquires in flight, in no order.
func (r *waiterRing) list(dst []*acquire) []*acquire {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.places {
		if r.givenUp {
			r.places[i].Store(nil) // or it would keep a request in memory
			continue
		}
		if a := r.places[i].Load(); a != nil {
			dst = append(dst, a)
		}
	}
	for a := range r.overflow {
		dst = append(dst, a)
	}
	return dst
}
