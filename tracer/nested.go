package tracer

import "github.com/otelpool/pgx/internal/goroutines"

// maxGenerations bounds how far a waiter's ancestors are followed.
const maxGenerations = 64

// findSameRequest finds the holders that wait for a second connection, and the waiters that hold a first one. It is the same
// goroutine that does both, or where goroutines cannot be told apart, the same cancellation scope.
func (s *scene) findSameRequest() {
	if len(s.waiting) == 0 || len(s.held) == 0 {
		return
	}
	holders := make(map[any][]*acquire, len(s.held))
	for _, h := range s.held {
		if key := h.hold.request(); key != nil {
			holders[key] = append(holders[key], h.hold)
		}
	}
	for _, w := range s.waiting {
		for _, a := range holders[w.request()] {
			if w.start >= a.start {
				s.setNested(w, a)
			}
		}
	}
}

func (s *scene) setNested(waiter, holder *acquire) {
	if s.nested == nil {
		s.nested = make(map[*acquire]bool)
	}
	s.nested[waiter], s.nested[holder] = true, true
}

// request identifies on whose behalf a connection is acquired; nil if that cannot be told.
func (a *acquire) request() any {
	if a.origin.Goroutine != 0 {
		return a.origin.Goroutine
	}
	if a.done != nil {
		return a.done
	}
	return nil
}

// findDescendants finds the holders that wait for a goroutine which they have started, or one that it has started, and which
// waits for a connection. No context tells that: such goroutines often have one of their own. Two workers of one request are
// no descendants of each other.
func (s *scene) findDescendants() {
	if len(s.waiting) == 0 || s.now-s.waiting[0].start < lookAfter {
		return
	}
	f := family{s, make(map[uintptr][]heldSlot), make(map[uintptr]uintptr), make(map[uintptr]generation)}
	for _, h := range s.held {
		if origin := h.hold.origin; origin.Goroutine != 0 && h.hold.expected == nil {
			f.holders[origin.Goroutine] = append(f.holders[origin.Goroutine], h)
			f.parents[origin.Goroutine] = origin.Parent
		}
	}
	if len(f.holders) == 0 {
		return
	}
	for _, w := range s.waiting {
		if s.now-w.start < lookAfter { // nobody waits in earnest yet, nor does anybody after it
			return
		}
		f.climb(w)
	}
}

// family is who was started by whom.
type family struct {
	*scene
	holders map[uintptr][]heldSlot // by goroutine
	parents map[uintptr]uintptr    // of goroutines that hold: they may have ended
	seen    map[uintptr]generation
}

// generation is a goroutine on the way from a waiter to its ancestors.
type generation struct {
	parent  uintptr
	known   bool // what it did at the look; it may have begun since, or there was none
	patient bool // it may have been waiting for somebody that it had started
	resting bool // it was neither that nor in a call: with rows open, it may read on when those are done that it has started
}

// climb follows the ancestors of w as long as each may be waiting for the one before: a server that goes on accepting has
// nothing to do with what its handlers wait for.
func (f *family) climb(w *acquire) {
	id := w.origin.Parent
	for level := 0; id != 0 && level < maxGenerations; level++ {
		g := f.generation(id, w.start)
		for _, h := range f.holders[id] {
			// Nothing may have happened to the connection since the waiter began, else its holder has other work.
			if use := h.use(f.now); use.reading || h.hold.start > w.start || h.lastUse() > w.start {
				continue
			}
			open := h.hold.activity.open.Load() > 0
			if g.patient || open && (g.resting || !g.known && level == 0) {
				f.setNested(w, h.hold)
			}
		}
		if g.known && !g.patient {
			return
		}
		id = g.parent
	}
}

// generation says what is known of a goroutine that has started somebody before the instant since.
func (f *family) generation(id uintptr, since int64) generation {
	if g, ok := f.seen[id]; ok {
		return g
	}
	g := generation{parent: f.parents[id]}
	if f.looked != nil {
		if seen, alive := f.looked.dump.Find(id); alive {
			does := seen.Doing().Activity
			g = generation{seen.Parent, true, does.MayWaitForOthers(), does == goroutines.Sleep || does == goroutines.Running}
		} else if since < f.looked.at {
			g.known, g.patient = true, goroutines.Ended.MayWaitForOthers()
		}
	}
	f.seen[id] = g
	return g
}
