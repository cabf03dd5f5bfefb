package tracer

import (
	"sync"
	"sync/atomic"
	"time"
)

// EventKind says what an [Event] is about.
type EventKind string

// What can happen between two sweeps.
const (
	EventLeakSuspected  EventKind = "leak.suspected"
	EventLeakRecovered  EventKind = "leak.recovered"
	EventConnectionLost EventKind = "connection.lost"
)

// Event is something that happened between two sweeps and that somebody may want to read about.
type Event struct {
	Kind      EventKind
	At        time.Time
	Holder    Holder // of leaks
	PID       uint32 // of lost connections
	ErrorType string // of lost connections
}

// maxEvents bounds what is kept between two sweeps. Of further ones those about leaks are kept for the next sweep, and
// others only counted.
const maxEvents = 256

type event struct {
	kind      EventKind
	at        int64
	holder    Holder
	pid       uint32
	errorType string
}

type eventQueue struct {
	mu      sync.Mutex // guards list
	list    []event
	dropped atomic.Int64
}

// push adds e unless there is no room, which it reports.
func (q *eventQueue) push(e event) (room bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if room = len(q.list) < maxEvents; room {
		q.list = append(q.list, e)
	}
	return room
}

func (q *eventQueue) drain(t *Tracer) []Event {
	q.mu.Lock()
	list := q.list
	q.list = nil
	q.mu.Unlock()
	out := make([]Event, 0, len(list))
	for _, e := range list {
		out = append(out, Event{Kind: e.kind, At: t.wall(e.at), Holder: e.holder, PID: e.pid, ErrorType: e.errorType})
	}
	return out
}
