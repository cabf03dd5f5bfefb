package tracer

import (
	"slices"
	"sync/atomic"
	"time"
)

// Snapshot is what one sweep saw. It is the caller's to keep.
type Snapshot struct {
	At       time.Time
	Counters Counters
	Faults   Faults

	Holders []Holder // oldest first, without stacks beyond their first frame
	Waiters []Waiter // oldest first, likewise

	// MinWait and PeakWait are of the acquires that ended since the previous sweep; Ended is how many did.
	MinWait, PeakWait time.Duration
	Ended             int64

	Suspects  map[Tier]int64 // leaks suspected so far, by the tier in which they were reported
	Recovered int64          // suspected leaks that came back after all
	Active    int            // suspected leaks now
	Events    []Event        // since the previous sweep, at most 256
	Dropped   int64          // events beyond that, so far
}

// sweepState is what one sweep leaves for the next.
type sweepState struct {
	last      int64 // instant of the previous sweep
	resumed   int64 // when sweeping resumed after it had been late: idleness before that is nobody's fault
	ended     int64
	suspects  [TierOrphaned + 1]int64
	recovered atomic.Int64
}

// suspicion is what sweeps think of one hold.
type suspicion struct {
	hijacked atomic.Bool
	reported atomic.Int32 // the highest Tier reported
}

// Sweep looks at everything once: it finds hijacked connections and new leaks, and returns what there is to know. Call it
// once a tick. used asks the pool how many connections are acquired; late is how far the tick overran its interval. A
// sweep that was late blames nobody: the process was paused or starved, and so were the holders.
func (t *Tracer) Sweep(used func() int, late time.Duration) Snapshot {
	t.sweepMu.Lock()
	defer t.sweepMu.Unlock()

	t.Flush()
	if late > 0 {
		t.sweep.resumed = t.now()
	}
	t.findHijacked(used)
	held, waiting, now := t.held(), t.waiting(), t.now()
	nested := findNested(held, waiting)
	snap := Snapshot{At: t.wall(now), Waiters: describeWaiters(waiting, nested, now)}
	snap.Holders = make([]Holder, 0, len(held))
	for _, h := range held {
		holder := t.glance(h, now, t.sweep.resumed)
		holder.Blocked = nested[h.hold]
		if holder.Tier >= TierIdleHeld {
			snap.Active++
			t.suspect(h, holder, now)
		}
		snap.Holders = append(snap.Holders, holder)
	}
	t.slots.prune(2*len(held) + pruneAbove)
	t.finish(&snap, now)
	return snap
}

// pruneAbove is how many released connections the table may remember before it is pruned.
const pruneAbove = 1024

func (t *Tracer) finish(snap *Snapshot, now int64) {
	c := &t.counters
	t.flushMu.Lock()
	seen := t.window
	seen.least, seen.most = min(seen.least, t.waits.least.Swap(none)), max(seen.most, t.waits.most.Swap(0))
	t.window = window{least: none}
	t.flushMu.Unlock()
	raise(&c.maxWait, seen.most)
	snap.PeakWait = time.Duration(seen.most)
	if seen.least != none {
		snap.MinWait = time.Duration(seen.least)
	}
	ended, _ := t.waits.total()
	snap.Ended, t.sweep.ended = ended-t.sweep.ended, ended
	snap.Counters, snap.Faults = t.Counters(), t.Faults()
	snap.Suspects = map[Tier]int64{
		TierIdleHeld: t.sweep.suspects[TierIdleHeld], TierOrphaned: t.sweep.suspects[TierOrphaned],
	}
	snap.Recovered = t.sweep.recovered.Load()
	snap.Events, snap.Dropped = t.events.drain(t), t.events.dropped.Load()
	t.sweep.last = now
}

// suspect reports a hold once for each of the tiers that are worth reporting.
func (t *Tracer) suspect(h heldSlot, holder Holder, now int64) {
	s := &h.hold.suspect
	if Tier(s.reported.Load()) >= holder.Tier {
		return
	}
	s.reported.Store(int32(holder.Tier))
	if h.slot.hold.Load() != h.hold {
		return // released while we looked
	}
	h.detail(&holder)
	t.sweep.suspects[holder.Tier]++
	t.events.push(event{kind: EventLeakSuspected, at: now, holder: holder})
}

// endSuspicion settles what was thought of a hold that has now been released.
func (t *Tracer) endSuspicion(s *slot, a *acquire, now int64) {
	if a.suspect.hijacked.CompareAndSwap(true, false) {
		t.counters.hijacked.Add(-1)
	}
	if tier := Tier(a.suspect.reported.Load()); tier != TierNone {
		h := heldSlot{s, a}
		holder := t.glance(h, now, 0)
		h.detail(&holder)
		holder.Tier = tier
		t.sweep.recovered.Add(1)
		t.events.push(event{kind: EventLeakRecovered, at: now, holder: holder})
	}
}

// findHijacked marks holds whose connection was hijacked: pgxpool tells nobody. Whoever was held before the pool's count
// was read, and still is, was in that count or is no longer the pool's; so a surplus is proof. It proves how many, not
// which: the youngest of those that were there a sweep ago is taken, since people hijack right after they acquire, and
// one that is released after all is cleared (see endSuspicion) and another found in its place.
func (t *Tracer) findHijacked(used func() int) {
	before := t.now()
	count := used()
	held := slices.DeleteFunc(t.held(), func(h heldSlot) bool { return h.hold.held > before })
	surplus := len(held) - count
	for i := len(held) - 1; i >= 0 && surplus > 0; i-- {
		h := held[i]
		if h.hold.held > t.sweep.last {
			continue
		}
		surplus--
		h.hold.suspect.hijacked.Store(true)
		t.counters.hijacked.Add(1)
		t.slots.forget(h.slot)
		if h.slot.hold.Load() != h.hold && h.hold.suspect.hijacked.CompareAndSwap(true, false) {
			t.counters.hijacked.Add(-1)
		}
	}
}
