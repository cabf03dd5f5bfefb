package observe

import (
	"time"

	"github.com/otelpool/pgx/internal/poolstate"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// hostClose follows a pool that its application closes itself, by [pgxpool.Pool.Close], which waits for holders without end
// and without a word.
type hostClose struct {
	since   time.Time // when it was first seen; zero while the pool is open
	named   time.Time // when the holders were last named
	drained bool
}

// namedEvery is how often those are named who keep a pool from closing.
const namedEvery = 10 * time.Second

// followClose says who keeps the pool from closing, and notes when nobody does any more: a pool that is closed needs no
// observer, whether or not somebody thought of closing it.
func (s *Sampler) followClose(now time.Time) (events []view.Event) {
	c := &s.closing
	if c.drained {
		return nil
	}
	held := int(s.Pool.Stat().AcquiredConns())
	if c.since.IsZero() {
		if s.draining.Load() || !poolstate.Closed(s.Pool) {
			return nil
		}
		c.since = now
		s.draining.Store(true)
		events = append(events, view.Drain{Step: view.DrainStarted, ByHost: true, Held: held})
	}
	switch {
	case held == 0:
		c.drained = true
		events = append(events, view.Drain{Step: view.DrainCompleted, ByHost: true, Took: now.Sub(c.since)})
	case c.named.IsZero() || now.Sub(c.named) >= namedEvery:
		c.named = now
		step := view.Drain{Step: view.DrainWaiting, ByHost: true, Held: held}
		if s.Hook != nil {
			step.Holders = s.Hook.Holders()
		}
		events = append(events, step)
	}
	return events
}
