package otelpool

import (
	"time"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/tracer"
)

// The share of idle time is of the last minute: over a pool's whole life an hour of trouble would not be seen.
const (
	idleSpan  = time.Minute
	idleMarks = 60 // most instants remembered, however short the interval of ticks
)

// idleShare says for which share of the time that connections were held nothing was asked of the server. Holds under way
// count from their first second: those that never end are the ones to be seen. It belongs to the monitor's loop.
type idleShare struct {
	marks []idleMark // oldest first; the first is the newest that is a whole span old, if there is one
}

// idleMark is the time held so far, and of it the time spent in queries.
type idleMark struct {
	at            time.Time
	held, queried time.Duration
}

// next adds what snap saw at the time at. known is false while nothing was held.
func (s *idleShare) next(at time.Time, snap *tracer.Snapshot) (share float64, known bool) {
	now := idleMark{at, snap.Counters.Counts.Time(counts.UseTime), snap.Counters.Counts.Time(counts.QueryTime)}
	for i := range snap.Holders {
		now.held += snap.Holders[i].Age
		now.queried += snap.Holders[i].QueryTime
	}
	if len(s.marks) == 0 {
		s.marks = append(s.marks, idleMark{at: at})
	}
	for len(s.marks) > 1 && at.Sub(s.marks[1].at) >= idleSpan {
		s.marks = s.marks[1:]
	}
	held, queried := now.held-s.marks[0].held, now.queried-s.marks[0].queried
	if at.Sub(s.marks[len(s.marks)-1].at) >= idleSpan/idleMarks {
		s.marks = append(s.marks, now)
	}
	if held <= 0 { // also when a connection was hijacked, and its hold with it
		return 0, false
	}
	return min(max(0, 1-float64(queried)/float64(held)), 1), true
}
