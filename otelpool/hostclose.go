package otelpool

import (
	"log/slog"
	"time"

	"github.com/otelpool/pgx/internal/poolstate"
	"github.com/otelpool/pgx/internal/telemetry"
)

// hostClose follows a pool that its application closes itself, by [pgxpool.Pool.Close], which waits for holders without end
// and without a word. The loop alone uses it.
type hostClose struct {
	since time.Time // when it was first seen; zero while the pool is open
	told  time.Time // when somebody was last named as being waited for
}

// namedEvery is how often those are named who keep a pool from closing.
const namedEvery = 10 * time.Second

// followClose says who keeps the pool from closing, and reports whether nobody does any more: a pool that is gone needs no
// observer, whether or not somebody thought of closing it.
func (m *Monitor) followClose(now time.Time) (gone bool) {
	c := &m.hostClose
	if c.since.IsZero() {
		if m.draining.Load() || !poolstate.Closed(m.pool) {
			return false
		}
		c.since = now
		m.draining.Store(true)
		m.log.info(telemetry.EventShutdownStarted, "the application closes the pool",
			slog.Int("active", int(m.pool.Stat().AcquiredConns())))
	}
	held := int(m.pool.Stat().AcquiredConns())
	if held == 0 {
		m.log.info(telemetry.EventShutdownCompleted, "pool is closed", seconds("took", now.Sub(c.since)))
		return true
	}
	if c.told.IsZero() || now.Sub(c.told) >= namedEvery {
		c.told = now
		m.log.warn(telemetry.EventShutdownWaiting, "Close waits for "+connections(held), m.heldBy())
	}
	return false
}
