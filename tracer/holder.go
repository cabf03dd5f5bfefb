package tracer

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"
)

// Holder is one connection that is out of the pool, as it was at the moment of the look. JSON has its durations in seconds.
type Holder struct {
	PID           uint32        `json:"pid"` // of the server's backend
	AcquiredAt    time.Time     `json:"acquired_at"`
	Waited        time.Duration `json:"-"`        // how long the acquire took
	Age           time.Duration `json:"-"`        // since it was acquired
	Idle          time.Duration `json:"-"`        // since the server last worked for it; 0 while it does
	Querying      bool          `json:"querying"` // somebody is waiting for the server to answer
	Open          bool          `json:"open"`     // rows, a batch or a copy are not closed yet
	InTx          bool          `json:"in_transaction"`
	Queries       int64         `json:"queries"`
	QueryTime     time.Duration `json:"-"`
	Operation     string        `json:"operation,omitempty"` // keyword of the last statement
	SQL           string        `json:"sql,omitempty"`       // the first 2 KiB of its text, where that was asked for; never its arguments
	Evidence      LeakEvidence  `json:"evidence,omitempty"`
	Expected      string        `json:"expected,omitempty"`       // the reason given to ExpectLongHold
	NestedAcquire bool          `json:"nested_acquire,omitempty"` // the same request waits for another connection of this pool
	Context       string        `json:"context,omitempty"`        // why the context it was acquired with is done: cancelled, or past its deadline
	TraceID       string        `json:"trace_id,omitempty"`
	SpanID        string        `json:"span_id,omitempty"`
	Site          string        `json:"site,omitempty"` // the application's first frame: "file.go:42 pkg.Func"
	Stack         []Frame       `json:"stack,omitempty"`
}

// MarshalJSON adds the durations: waited_seconds, age_seconds, idle_seconds and query_time_seconds.
func (h Holder) MarshalJSON() ([]byte, error) {
	type fields Holder
	return json.Marshal(struct {
		fields
		Waited    float64 `json:"waited_seconds"`
		Age       float64 `json:"age_seconds"`
		Idle      float64 `json:"idle_seconds"`
		QueryTime float64 `json:"query_time_seconds"`
	}{fields(h), h.Waited.Seconds(), h.Age.Seconds(), h.Idle.Seconds(), h.QueryTime.Seconds()})
}

// Waiter is one acquire that is waiting. JSON has its age in seconds.
type Waiter struct {
	Age           time.Duration `json:"-"`
	NestedAcquire bool          `json:"nested_acquire,omitempty"` // the same request already holds a connection of this pool
	TraceID       string        `json:"trace_id,omitempty"`
	Site          string        `json:"site,omitempty"`
	Stack         []Frame       `json:"stack,omitempty"`
}

// MarshalJSON adds the age: age_seconds.
func (w Waiter) MarshalJSON() ([]byte, error) {
	type fields Waiter
	return json.Marshal(struct {
		fields
		Age float64 `json:"age_seconds"`
	}{fields(w), w.Age.Seconds()})
}

// Holders returns every connection that is out of the pool now, oldest first. It touches no connection and blocks no
// acquire. Hijacked connections belong to whoever hijacked them and are not listed.
func (t *Tracer) Holders() []Holder {
	held, waiting, now := t.held(), t.waiting(), t.now()
	nested := findNested(held, waiting)
	out := make([]Holder, 0, len(held))
	for _, h := range held {
		holder := t.summarize(h, now, t.sweep.resumed.Load())
		holder.NestedAcquire = nested[h.hold]
		h.detail(&holder)
		out = append(out, holder)
	}
	return out
}

// Waiters returns the acquires that are waiting now, oldest first, at most 512.
func (t *Tracer) Waiters() []Waiter {
	held, waiting, now := t.held(), t.waiting(), t.now()
	return describeWaiters(waiting, findNested(held, waiting), now)
}

func describeWaiters(waiting []*acquire, nested map[*acquire]bool, now int64) []Waiter {
	waiting = waiting[:min(len(waiting), ringSize)]
	out := make([]Waiter, 0, len(waiting))
	for _, a := range waiting {
		w := a.site.where()
		out = append(out, Waiter{
			Age: time.Duration(max(0, now-a.start)), NestedAcquire: nested[a],
			Site: w.name, Stack: w.frames,
		})
		if a.traceID.IsValid() {
			out[len(out)-1].TraceID = a.traceID.String()
		}
	}
	return out
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

// summarize says what a sweep needs of a hold. Idleness before the instant since is no evidence.
func (t *Tracer) summarize(h heldSlot, now, since int64) Holder {
	a, act := h.hold, &h.hold.activity
	idle, querying := h.idle(now)
	out := Holder{
		PID: h.slot.pid, AcquiredAt: t.wall(a.held), Waited: time.Duration(a.held - a.start),
		Age: time.Duration(max(0, now-a.held)), Idle: time.Duration(idle), Querying: querying,
		Open: act.open.Load() > 0, InTx: inTransaction(act.tx.Load()),
		Queries: act.queries.Load(), QueryTime: time.Duration(act.total(now)),
		Site: a.site.where().name,
	}
	if a.expected != nil {
		out.Expected = *a.expected
	}
	if p := act.operation.Load(); p != nil {
		out.Operation = *p
	}
	out.Evidence = t.evidence(a, out.Age, out.Idle, querying, now-since)
	out.Context = a.contextErr() // after it was weighed: who is called orphaned has a reason
	return out
}

// detail adds what only a reader wants to know.
func (h heldSlot) detail(out *Holder) {
	a := h.hold
	out.Stack = a.site.where().frames
	if p := a.activity.text.Load(); p != nil {
		out.SQL = abridged(*p)
	}
	if a.traceID.IsValid() {
		out.TraceID, out.SpanID = a.traceID.String(), a.spanID.String()
	}
}

// idle says for how long the server has not worked for this hold. Whether it works is seen on the wire: somebody is
// blocked reading its answer. Without a watched wire an open query counts as work.
func (h heldSlot) idle(now int64) (idle int64, querying bool) {
	last := max(h.hold.held, h.hold.activity.last.Load())
	if h.slot.wire == nil {
		if h.hold.activity.open.Load() > 0 {
			return 0, true
		}
	} else {
		if h.slot.wire.reading.Load() {
			return 0, true
		}
		last = max(last, h.slot.wire.lastReadAt.Load())
	}
	return max(0, now-last), false
}

// findNested finds the holders that wait for a second connection, and the waiters that hold a first one. It is the same
// goroutine that does both, or where goroutines cannot be told apart, the same cancellation scope.
func findNested(held []heldSlot, waiting []*acquire) map[*acquire]bool {
	if len(waiting) == 0 || len(held) == 0 {
		return nil
	}
	nested := make(map[*acquire]bool)
	holders := make(map[any][]*acquire, len(held))
	for _, h := range held {
		if key := h.hold.request(); key != nil {
			holders[key] = append(holders[key], h.hold)
		}
	}
	for _, w := range waiting {
		for _, a := range holders[w.request()] {
			if w.start >= a.start {
				nested[w], nested[a] = true, true
			}
		}
	}
	return nested
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

func inTransaction(status int32) bool { return status == 'T' || status == 'E' }
