package tracer

import (
	"cmp"
	"slices"
	"time"

	"github.com/otelpool/pgx/internal/goroutines"
)

// scene is who holds and who waits at one instant, and what can be told of them together.
type scene struct {
	t       *Tracer
	now     int64
	resumed int64 // idleness before that is no evidence
	held    []heldSlot
	waiting []*acquire
	looked  *looked // nil while nobody has looked at the goroutines

	nested map[*acquire]bool
	names  map[*site]string // where the first frames of all are one and the same; else nil
	named  bool             // names is known
}

// scene looks at the tables now.
func (t *Tracer) scene() *scene {
	s := &scene{t: t, resumed: t.sweep.resumed.Load(), held: t.held(), waiting: t.waiting(), now: t.now()}
	if l := t.looked.Load(); l != nil && s.now-l.at <= lookLife {
		s.looked = l
	}
	s.relate()
	return s
}

// relate finds out what holders and waiters have to do with each other.
func (s *scene) relate() {
	s.nested = nil
	s.findSameRequest()
	s.findDescendants()
}

// held lists the holds, oldest first. The hijacked ones have been taken off the list.
func (t *Tracer) held() []heldSlot {
	held := t.slots.held(nil)
	slices.SortFunc(held, func(a, b heldSlot) int { return cmp.Compare(a.since, b.since) })
	return held
}

// waiting lists the acquires in flight, oldest first.
func (t *Tracer) waiting() []*acquire {
	waiting := t.waiters.list(nil)
	slices.SortFunc(waiting, func(a, b *acquire) int { return cmp.Compare(a.start, b.start) })
	return waiting
}

// name is the call site of a path as the scene tells it.
func (s *scene) name(site *site) string {
	if !s.named {
		s.names, s.named = tellApart(s.held, s.waiting), true
	}
	if name, ok := s.names[site]; ok {
		return name
	}
	return site.where().name
}

// holder says what a sweep needs of a hold.
func (s *scene) holder(h heldSlot) Holder {
	a, act, t := h.hold, &h.hold.activity, s.t
	use := h.use(s.now)
	out := Holder{
		PID: h.slot.pid, AcquiredAt: t.wall(a.held), Waited: time.Duration(a.held - a.start),
		Age: time.Duration(max(0, s.now-a.held)), Idle: time.Duration(use.idle), Querying: use.querying(), Listening: use.listening,
		Open: use.open, InTx: inTransaction(act.tx.Load()), Producing: use.producing,
		Queries: act.queries.Load(), QueryTime: time.Duration(act.total(s.now)),
		Site: s.name(a.site), NestedAcquire: s.nested[a], NoDeadline: a.deadline.Load() == 0,
	}
	if a.expected != nil {
		out.Expected = *a.expected
	}
	if p := act.operation.Load(); p != nil {
		out.Operation = *p
	}
	out.Evidence = s.evidence(h, use)
	out.Context = a.contextErr()                         // after it was weighed: who is called orphaned has a reason
	out.NoDeadline = out.NoDeadline && out.Context == "" // the end of a request may have cleared its deadline
	if use.reading {
		return out
	}
	switch doing, known := s.looked.doing(h); {
	case a.abandoned() && !(known && doing.Activity == goroutines.Ended):
		out.Doing, out.Activity = "has left the code that took the connection", string(goroutines.Ended)
	case known:
		out.Doing, out.Activity = doing.String(), string(doing.Activity)
	}
	return out
}

// waiters describes the acquires that wait.
func (s *scene) waiters() []Waiter {
	waiting := s.waiting[:min(len(s.waiting), ringSize)]
	out := make([]Waiter, 0, len(waiting))
	for _, a := range waiting {
		w := Waiter{
			Age: time.Duration(max(0, s.now-a.start)), NestedAcquire: s.nested[a],
			Site: s.name(a.site), Stack: a.site.where().frames,
		}
		if a.traceID.IsValid() {
			w.TraceID = a.traceID.String()
		}
		out = append(out, w)
	}
	return out
}

// tellApart names the sites of holders and waiters by a frame further out where all of them have the same first frame: in a
// program whose acquires all go through one helper, its name says nothing. It is nil where first frames differ, or paths do not.
func tellApart(held []heldSlot, waiting []*acquire) map[*site]string {
	var paths map[*site]string
	var last *site
	alike := func(s *site) bool {
		switch {
		case s == last && s != nil:
			return true
		case s == nil || last != nil && s.where().name != last.where().name:
			return false
		case paths == nil:
			paths = make(map[*site]string)
		}
		paths[s], last = "", s // sites are bounded in number
		return true
	}
	for _, h := range held {
		if !alike(h.hold.site) {
			return nil
		}
	}
	for _, a := range waiting {
		if !alike(a.site) {
			return nil
		}
	}
	if len(paths) < 2 {
		return nil
	}
	for depth := 1; depth < MaxStackDepth; depth++ {
		differ := make(map[string]bool)
		for s := range paths {
			frames := s.where().frames
			paths[s] = frames[min(depth, len(frames)-1)].String()
			differ[paths[s]] = true
		}
		if len(differ) > 1 {
			return paths
		}
	}
	return nil
}
