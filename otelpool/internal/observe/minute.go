package observe

import (
	"time"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// Shares and means are of the last minute: over a pool's whole life an hour of trouble would not be seen.
const (
	span     = time.Minute
	maxMarks = 60 // most instants remembered, however short the interval
)

// lastMinute says how connections were used in the last minute. Holds under way count from their first second: those that
// never end are the ones to be seen.
type lastMinute struct {
	marks []mark // oldest first; the first is the newest that is a whole minute old, if there is one
}

// mark is what had been counted at an instant.
type mark struct {
	at            time.Time
	held, queried time.Duration // in holds that ended and in those under way
	waited        time.Duration // in acquires that ended
	ended         int64         // acquires
}

// add sets what v says of the last minute.
func (m *lastMinute) add(v *view.View) {
	now := markOf(v)
	if len(m.marks) == 0 {
		m.marks = append(m.marks, mark{at: v.At})
	}
	for len(m.marks) > 1 && v.At.Sub(m.marks[1].at) >= span {
		m.marks = m.marks[1:]
	}
	first := m.marks[0]
	if v.At.Sub(m.marks[len(m.marks)-1].at) >= span/maxMarks {
		m.marks = append(m.marks, now)
	}
	held, queried := now.held-first.held, now.queried-first.queried
	if held > 0 { // it is not where a connection was hijacked, and its hold with it
		v.IdleRatio, v.IdleRatioKnown = min(max(0, 1-float64(queried)/float64(held)), 1), true
	}
	if ended := now.ended - first.ended; ended > 0 {
		v.MeanWait = (now.waited - first.waited) / time.Duration(ended)
	}
}

func markOf(v *view.View) mark {
	if !v.HasHook {
		return mark{at: v.At, waited: v.Stat.AcquireTime, ended: v.Stat.Acquires}
	}
	c := &v.Hook.Counters.Counts
	out := mark{
		at: v.At, held: c.Time(counts.UseTime), queried: c.Time(counts.QueryTime), waited: c.Time(counts.WaitTime),
		ended: c[counts.Acquired] + c[counts.TimedOut] + c[counts.Canceled] + c[counts.Failed],
	}
	for i := range v.Hook.Holders {
		out.held += v.Hook.Holders[i].Age
		out.queried += v.Hook.Holders[i].QueryTime
	}
	return out
}
