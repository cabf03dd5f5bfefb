package tracer

import (
	"encoding/json"
	"time"
)

// Holder is one connection that is out of the pool, as it was at the moment of the look. JSON has its durations in seconds.
type Holder struct {
	PID           uint32        `json:"pid"` // of the server's backend
	AcquiredAt    time.Time     `json:"acquired_at"`
	Waited        time.Duration `json:"-"`                   // how long the acquire took
	Age           time.Duration `json:"-"`                   // since it was acquired
	Idle          time.Duration `json:"-"`                   // since the server last worked for it; 0 while it does
	Querying      bool          `json:"querying"`            // somebody is waiting for the server to answer
	Listening     bool          `json:"listening,omitempty"` // somebody is waiting for the server, and no query is open: WaitForNotification
	Producing     bool          `json:"producing,omitempty"` // a COPY is under way, and waits for the application to make its rows
	Open          bool          `json:"open"`                // rows, a batch or a copy are not closed yet
	InTx          bool          `json:"in_transaction"`
	Queries       int64         `json:"queries"`
	QueryTime     time.Duration `json:"-"`
	Operation     string        `json:"operation,omitempty"` // keyword of the last statement
	SQL           string        `json:"sql,omitempty"`       // the first 2 KiB of its text, where that was asked for; never its arguments
	Evidence      LeakEvidence  `json:"evidence,omitempty"`
	Expected      string        `json:"expected,omitempty"`       // the reason given to ExpectLongHold
	NestedAcquire bool          `json:"nested_acquire,omitempty"` // the same request, or a goroutine that it waits for, waits for another connection of this pool
	NoDeadline    bool          `json:"no_deadline,omitempty"`    // the context it was acquired with had no deadline
	Context       string        `json:"context,omitempty"`        // why the context it was acquired with is done: cancelled, or past its deadline
	Doing         string        `json:"doing,omitempty"`          // what the goroutine does that took it: "waits in net/http.(*Client).Do, charge.go:88 shop.Charge"
	Activity      string        `json:"activity,omitempty"`       // the kind of that: ended, http_call, network, lock, channel, goroutines, sleep, connection, running or other
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
	NestedAcquire bool          `json:"nested_acquire,omitempty"` // the same request, or one that waits for this goroutine, already holds a connection of this pool
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
	s := t.scene()
	out := make([]Holder, 0, len(s.held))
	for _, h := range s.held {
		holder := s.holder(h)
		h.detail(&holder)
		out = append(out, holder)
	}
	return out
}

// Waiters returns the acquires that are waiting now, oldest first, at most 512.
func (t *Tracer) Waiters() []Waiter { return t.scene().waiters() }

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

func inTransaction(status int32) bool { return status == 'T' || status == 'E' }
