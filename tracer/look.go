package tracer

import (
	"errors"
	"slices"
	"time"

	"github.com/otelpool/pgx/internal/goroutines"
)

const (
	lookEvery = int64(10 * time.Second)       // at most
	lookLife  = int64(15 * time.Second)       // what somebody did then says nothing of now
	lookAfter = int64(100 * time.Millisecond) // of waiting for a full pool

	// abandonedAfter is how long a connection must be idle before it is certain that nobody has it, whose acquirer's goroutine has
	// ended and left no child. It may have been handed to another goroutine, by a channel say, which is about to use it.
	abandonedAfter = int64(time.Second)

	// workingThresholds is after how many leak thresholds somebody is suspected who still is in the function that took the
	// connection, and in a call there: it may release it when the call ends, but not for ever.
	workingThresholds = 20
)

// looked is one look at all goroutines, while it matters.
type looked struct {
	at   int64
	dump *goroutines.Dump
}

// lookAtGoroutines takes a look if there is need for one, and notes what it cannot.
func (s *scene) lookAtGoroutines(used int, snap *Snapshot) {
	t := s.t
	if s.looked == nil {
		t.looked.Store(nil) // it is too old, and its text is long
	}
	if !s.needsLook(used) {
		return
	}
	if !t.opts.Load().GoroutineLook {
		snap.LookSkipped = "WithGoroutineLook is off"
		return
	}
	if s.now < t.sweep.nextLook {
		snap.LookSkipped = t.sweep.lookSkipped
		return
	}
	dump, err := goroutines.Look()
	snap.LookTook, t.sweep.lookSkipped = time.Duration(t.now()-s.now), ""
	if err != nil {
		snap.LookSkipped, t.sweep.lookSkipped = err.Error(), err.Error()
	}
	if !errors.Is(err, goroutines.ErrTooMany) { // which costs nothing to find out
		t.sweep.nextLook = s.now + lookEvery
	}
	if err == nil {
		s.looked = &looked{int64(dump.Began.Sub(t.base)) + 1, dump}
		t.looked.Store(s.looked)
	}
}

// needsLook says whether somebody waits for a full pool, or is about to be suspected: never in a healthy one.
func (s *scene) needsLook(used int) bool {
	if len(s.waiting) > 0 && s.now-s.waiting[0].start >= lookAfter {
		if pool := s.t.pool.Load(); pool != nil && used >= int(pool.Stat().MaxConns()) {
			return true
		}
	}
	return slices.ContainsFunc(s.held, s.nearlySuspected)
}

// doing says what the goroutine does that took the connection, if nothing has happened to the connection since the look.
func (l *looked) doing(h heldSlot) (d goroutines.Doing, known bool) {
	id := h.hold.origin.Goroutine
	if l == nil || id == 0 || h.lastUse() >= l.at {
		return d, false
	}
	g, alive := l.dump.Find(id)
	if !alive {
		return goroutines.Doing{Activity: goroutines.Ended}, true
	}
	return g.Doing(), true
}

// markAbandoned notes the holds that nobody is left to end: the goroutine that took the connection has ended, or has left all code
// that it was in then, none lives that it has started, and the connection is idle. One that is used after all was handed to somebody.
func (s *scene) markAbandoned() {
	for _, h := range s.held {
		a := h.hold
		if s.looked == nil && !a.abandoned() {
			continue
		}
		switch use := h.use(s.now); {
		case use.reading || use.idle < abandonedAfter:
			a.setAbandoned(false)
		case !a.abandoned():
			d, known := s.looked.doing(h)
			left := known && (d.Activity == goroutines.Ended || s.looked.hasLeft(h))
			a.setAbandoned(left && !s.looked.dump.HasChild(a.origin.Goroutine))
		}
	}
}

// stillInCall says whether the goroutine that took the connection is in a call of the very function that took it, and waits
// there for something that ends: it can be expected to release it then.
func (l *looked) stillInCall(h heldSlot) bool {
	d, known := l.doing(h)
	if !known {
		return false
	}
	switch d.Activity {
	case goroutines.HTTPCall, goroutines.Network, goroutines.Lock, goroutines.Wait:
	default:
		return false
	}
	path := h.hold.site.where().frames
	g, _ := l.dump.Find(h.hold.origin.Goroutine)
	return len(path) > 0 && slices.ContainsFunc(g.Frames(), func(f Frame) bool { return f.Function == path[0].Function })
}

// wholeStack is how many frames of a goroutine the runtime lists before it leaves some out.
const wholeStack = 100

// hasLeft says whether a goroutine that lives is in none of the application's functions any more that led to the acquire, as one
// of net/http that waits for the next request on its connection.
func (l *looked) hasLeft(h heldSlot) bool {
	g, alive := l.dump.Find(h.hold.origin.Goroutine)
	now := g.Frames()
	if !alive || len(now) == 0 || len(now) >= wholeStack {
		return false
	}
	in := make(map[string]bool, len(now))
	for _, f := range now {
		in[f.Function] = true
	}
	app := 0
	for _, f := range h.hold.site.where().frames {
		switch {
		case goroutines.Library(f):
		case in[f.Function]:
			return false
		default:
			app++
		}
	}
	return app > 0
}
