package tracer

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/poolstate"
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

	Suspects  map[LeakEvidence]int64 // leaks suspected so far, by the tier in which they were reported
	Recovered int64                  // suspected leaks that came back after all
	Active    int                    // suspected leaks now
	Events    []Event                // since the previous sweep, at most 256; suspicions beyond that wait for the next
	Dropped   int64                  // other events beyond that, so far
}

// sweepState is what one sweep leaves for the next.
type sweepState struct {
	last      int64        // instant of the previous sweep
	resumed   atomic.Int64 // when sweeping resumed after it had been late: idleness before that is nobody's fault
	ended     int64
	suspects  [EvidenceOrphaned + 1]int64
	recovered atomic.Int64
}

// suspicion is what sweeps think of one hold.
type suspicion struct {
	hijacked atomic.Bool
	reported atomic.Int32 // the highest Tier reported, or settled
}

// settled is above every Tier: the hold is over and nothing more is to be reported of it.
const settled = int32(EvidenceOrphaned) + 1

// Sweep looks at everything once: it finds hijacked connections and new leaks, and returns what there is to know. Call it
// once a tick. used asks the pool how many connections are acquired; late is how far the tick overran its interval. A
// sweep that was late blames nobody: the process was paused or starved, and so were the holders.
func (t *Tracer) Sweep(used func() int, late time.Duration) Snapshot {
	t.sweepMu.Lock()
	defer t.sweepMu.Unlock()

	if late > 0 {
		t.sweep.resumed.Store(t.now())
	}
	held, now := t.heldOf(used)
	waiting := t.waiting()
	nested := findNested(held, waiting)
	snap := Snapshot{At: t.wall(now), Waiters: describeWaiters(waiting, nested, now)}
	snap.Holders = make([]Holder, 0, len(held))
	for _, h := range held {
		holder := t.summarize(h, now, t.sweep.resumed.Load())
		holder.NestedAcquire = nested[h.hold]
		if holder.Evidence >= EvidenceIdleHeld {
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
	snap.Counters, snap.Faults = t.Counters(), t.Faults()
	seen := t.waits.extremes.sinceSweep()
	snap.PeakWait = time.Duration(seen.most)
	if seen.least != none { // else what ended has not counted its wait yet: it belongs to the next sweep
		snap.MinWait = time.Duration(seen.least)
		ended := ended(&snap.Counters.Counts)
		snap.Ended, t.sweep.ended = ended-t.sweep.ended, ended
	}
	snap.Suspects = map[LeakEvidence]int64{
		EvidenceIdleHeld: t.sweep.suspects[EvidenceIdleHeld], EvidenceOrphaned: t.sweep.suspects[EvidenceOrphaned],
	}
	snap.Recovered = t.sweep.recovered.Load()
	snap.Events, snap.Dropped = t.events.drain(t), t.events.dropped.Load()
	t.sweep.last = now
}

// suspect reports a hold once for each of the tiers that are worth reporting, and with the next sweep if there is no room.
func (t *Tracer) suspect(h heldSlot, holder Holder, now int64) {
	reported := &h.hold.suspect.reported
	before := reported.Load()
	if before >= int32(holder.Evidence) {
		return
	}
	h.detail(&holder)
	t.events.pushIf(event{kind: EventLeakSuspected, at: now, holder: holder}, func() bool {
		if !reported.CompareAndSwap(before, int32(holder.Evidence)) {
			return false
		}
		// The releaser takes the hold away and then looks at what was reported; we have it the other way round. Who was
		// overtaken takes the report back, unless its recovery is being told already.
		if h.slot.hold.Load() != h.hold && reported.CompareAndSwap(int32(holder.Evidence), before) {
			return false
		}
		t.sweep.suspects[holder.Evidence]++
		return true
	})
}

// endSuspicion settles what was thought of a hold that has now been released. Its event comes after that of the suspicion:
// a sweep that has marked the hold has the queue's lock. It says whether the hold was suspected.
func (t *Tracer) endSuspicion(s *slot, a *acquire, now int64) bool {
	if a.suspect.hijacked.CompareAndSwap(true, false) {
		t.counters.add(counts.Hijacked, -1)
	}
	if a.suspect.reported.Load() == int32(EvidenceNone) {
		return false
	}
	tier := LeakEvidence(a.suspect.reported.Swap(settled))
	if tier == EvidenceNone {
		return false // taken back meanwhile
	}
	t.sweep.recovered.Add(1)
	t.emitRecovery(heldSlot{s, a, a.held}, tier, now)
	return true
}

// emitRecovery describes a hold that was suspected in tier. It runs in the application's release, which a panic would keep from
// giving the connection back.
func (t *Tracer) emitRecovery(h heldSlot, tier LeakEvidence, now int64) {
	defer func() { _ = recover() }()
	holder := t.summarize(h, now, 0)
	h.detail(&holder)
	holder.Evidence = tier
	t.events.push(event{kind: EventLeakRecovered, at: now, holder: holder})
}

// heldOf lists the holds of the pool's own connections, oldest first, and takes the hijacked ones off the table: pgxpool tells
// nobody. It is the pool's own list of connections that tells, and it is asked where there may be one. Whoever was held before
// the pool's count was read, and still is, was in that count or is no longer the pool's; so a surplus is proof of how many. There
// may be more: the count has connections that nobody holds yet. So nobody is suspected without asking.
func (t *Tracer) heldOf(used func() int) (held []heldSlot, now int64) {
	before := t.now()
	count := used()
	held, now = t.held(), t.now()
	old := slices.IndexFunc(held, func(h heldSlot) bool { return h.since > before })
	if old < 0 {
		old = len(held)
	}
	surplus, since := old-count, t.sweep.resumed.Load()
	if surplus <= 0 && !slices.ContainsFunc(held, func(h heldSlot) bool { return t.suspicious(h, now, since) }) {
		return held, now
	}
	// A release takes its hold away before the pool gives the connection up. Who is held and not on a later list was hijacked.
	if members, known := poolstate.Members(t.pool.Load()); known {
		t.dismiss(held, members)
	} else {
		t.guessHijacked(held[:old], surplus)
	}
	return slices.DeleteFunc(held, func(h heldSlot) bool {
		return h.slot.hold.Load() != h.hold || h.hold.suspect.hijacked.Load()
	}), now
}

// dismiss takes those off the table that are not members of the pool.
func (t *Tracer) dismiss(held []heldSlot, members map[*pgx.Conn]struct{}) {
	for _, h := range held {
		if _, member := members[h.slot.conn.Value()]; !member && h.slot.hold.CompareAndSwap(h.hold, nil) {
			h.slot.gone.Store(true) // what becomes of it is no business of the pool's
			t.counters.add(counts.Hijacked, 1)
		}
	}
}

// guessHijacked does without the pool's list. The youngest of those that were there a sweep ago are taken, since people
// hijack right after they acquire. One that is released after all is cleared (see endSuspicion) and another found in its
// place.
func (t *Tracer) guessHijacked(held []heldSlot, surplus int) {
	for i := len(held) - 1; i >= 0 && surplus > 0; i-- {
		h := held[i]
		if h.since > t.sweep.last {
			continue
		}
		surplus--
		h.hold.suspect.hijacked.Store(true)
		t.counters.add(counts.Hijacked, 1)
		t.slots.forget(h)
		if h.slot.hold.Load() != h.hold && h.hold.suspect.hijacked.CompareAndSwap(true, false) {
			t.counters.add(counts.Hijacked, -1)
		}
	}
}
