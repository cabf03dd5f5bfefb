package tracer

import (
	"context"
	"errors"
	"sync"
	"time"
)

// CanceledHold is a hold that cost the pool its connection: pgx closes a connection whose query's context ends.
type CanceledHold struct {
	At       time.Time     // of the release
	Site     string        // where the connection was acquired
	Query    time.Duration // how long the query had run when it was cancelled
	Deadline bool          // its deadline had passed; otherwise its caller gave up
}

// cut is what ended a query before its answer, if the caller did; 0 if not.
type cut int8

const (
	cutByCaller cut = iota + 1
	cutByDeadline
)

// cutBy tells the end of the caller's context from all other errors, those of the network's own deadlines included.
func cutBy(err error) (by cut) {
	defer func() { _ = recover() }() // it may be anybody's error, and have methods of its own
	switch {
	case errors.Is(err, context.Canceled):
		return cutByCaller
	case errors.Is(err, context.DeadlineExceeded):
		return cutByDeadline
	}
	return 0
}

// cut notes whether the caller ended the last query, and how long that had run. The caller of cut owns the connection.
func (s *slot) cut(err error, now int64) {
	s.canceledAfter = 0
	if s.canceledBy = cutBy(err); s.canceledBy == 0 {
		return
	}
	if a := s.hold.Load(); a != nil && a.activity.open.Load() > 0 {
		s.canceledAfter = now - a.activity.openSince.Load()
	}
}

// maxCanceled is how many cancelled holds are remembered.
const maxCanceled = 64

type canceledHold struct {
	at, query int64
	site      *site
	deadline  bool
}

// canceledHolds are the last cancelled holds. Each of them has cost a connection: a lock is nothing beside that.
type canceledHolds struct {
	mu   sync.Mutex // guards the rest
	n    int        // how many there have been
	ring [maxCanceled]canceledHold
}

func (c *canceledHolds) note(h canceledHold) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ring[c.n%maxCanceled] = h
	c.n++
}

// list returns them, oldest first.
func (c *canceledHolds) list(t *Tracer) []CanceledHold {
	c.mu.Lock()
	n, ring := c.n, c.ring
	c.mu.Unlock()
	if n == 0 {
		return nil
	}
	out := make([]CanceledHold, 0, min(n, maxCanceled))
	for i := max(0, n-maxCanceled); i < n; i++ {
		h := &ring[i%maxCanceled]
		out = append(out, CanceledHold{
			At: t.wall(h.at), Site: h.site.where().name, Query: time.Duration(h.query), Deadline: h.deadline,
		})
	}
	return out
}
