package tracer

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// counters are what the hooks count, and the few numbers that are no counts. The order of [counts.Name] keeps acquirers and
// releasers on different cache lines, as long as counters begin at one: see Tracer.
type counters struct {
	counts [counts.Len]atomic.Int64 // WaitTime and UseTime are kept in durations

	maxHeld      atomic.Int64 // most connections held at once
	connecting   atomic.Int64
	lastCreate   atomic.Int64
	lastOpenedAt atomic.Int64
}

func (c *counters) add(name counts.Name, n int64) int64 { return c.counts[name].Add(n) }

func (c *counters) load(name counts.Name) int64 { return c.counts[name].Load() }

func (c *counters) acquired() {
	held := c.add(counts.Acquired, 1) - c.load(counts.Released) - c.load(counts.Hijacked)
	raise(&c.maxHeld, held)
}

func raise(peak *atomic.Int64, v int64) {
	for old := peak.Load(); v > old; old = peak.Load() {
		if peak.CompareAndSwap(old, v) {
			return
		}
	}
}

func lower(least *atomic.Int64, v int64) {
	for old := least.Load(); v < old; old = least.Load() {
		if least.CompareAndSwap(old, v) {
			return
		}
	}
}

// Counters are what happened since the tracer was made. Acquired = Released + held + Hijacked whenever the pool is at
// rest; Started = Acquired + TimedOut + Canceled + Failed + Waiting always.
type Counters struct {
	Counts counts.Set

	Waiting      int64         // acquires in flight
	Connecting   int64         // connects in flight
	MaxWait      time.Duration // longest wait of all
	MaxHeld      int64         // most connections held at once, as far as hijacks were known
	LastCreate   time.Duration // how long the last connect took
	LastOpenedAt time.Time
}

// Reconcile returns an error that says what is not accounted for in a pool at rest, of which held connections are out.
func (c *Counters) Reconcile(held int) error {
	n := &c.Counts
	if back := n[counts.Released] + n[counts.Hijacked]; n[counts.Acquired] != back+int64(held) {
		return fmt.Errorf("tracer: %d acquires are not %d releases + %d hijacked + %d held",
			n[counts.Acquired], n[counts.Released], n[counts.Hijacked], held)
	}
	if ended := ended(n); n[counts.Started] != ended || c.Waiting != 0 {
		return fmt.Errorf("tracer: %d acquires were started and %d have ended; %d are waiting", n[counts.Started], ended, c.Waiting)
	}
	return nil
}

// Counters reads all counters. Names are read from the last to the first: what has ended before what has started, so Waiting
// is never negative.
func (t *Tracer) Counters() Counters {
	c := &t.counters
	out := Counters{
		MaxHeld: c.maxHeld.Load(), MaxWait: time.Duration(t.waits.extremes.longest()), Connecting: c.connecting.Load(),
		LastCreate: time.Duration(c.lastCreate.Load()), LastOpenedAt: t.wall(c.lastOpenedAt.Load()),
	}
	if most := t.maxConns.Load(); most > 0 { // who was hijacked since the last sweep was taken for held
		out.MaxHeld = min(out.MaxHeld, most)
	}
	set := &out.Counts
	for name := counts.Len - 1; name >= 0; name-- {
		set[name] = c.load(name)
	}
	set[counts.WaitTime], set[counts.UseTime] = t.waits.total(), t.uses.total()
	destroyed := set[counts.DestroyedBroken] + set[counts.DestroyedBusy] + set[counts.DestroyedInTransaction]
	set[counts.ReleasedClean] = max(0, set[counts.Released]-destroyed)
	out.Waiting = set[counts.Started] - ended(set)
	return out
}

// ended is how many acquires have ended.
func ended(set *counts.Set) int64 {
	return set[counts.Acquired] + set[counts.TimedOut] + set[counts.Canceled] + set[counts.Failed]
}
