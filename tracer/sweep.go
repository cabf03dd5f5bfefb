package tracer

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// Snapshot is what one sweep saw. It is the caller's to keep.
type Snapshot struct {
	At       time.Time
	Counters Counters
	Faults   Faults

	Holders  []Holder       // oldest first, without stacks beyond their first frame
	Waiters  []Waiter       // oldest first, likewise
	Canceled []CanceledHold // the last that ended with [ReasonCanceled], oldest first, at most 64

	// MinWait and PeakWait are of the acquires that ended since the previous sweep; Ended is how many did.
	MinWait, PeakWait time.Duration
	Ended             int64

	Suspects  map[LeakEvidence]int64 // leaks suspected so far, by the evidence with which they were reported
	Recovered int64                  // suspected leaks that came back after all
	Active    int                    // suspected leaks now
	Events    []Event                // since the previous sweep, at most 256; those about leaks beyond that wait for the next
	Dropped   int64                  // events beyond that which were lost, so far

	// LookTook is what a look at all goroutines took of this sweep, see [Options.GoroutineLook]; 0 if none was taken. LookSkipped
	// says why none was, where there was need for one.
	LookTook    time.Duration
	LookSkipped string
}

// sweepState is what one sweep leaves for the next.
type sweepState struct {
	resumed   atomic.Int64 // when sweeping resumed after it had been late: idleness before that is nobody's fault
	ended     int64
	suspected []heldSlot // holds that were reported and whose end was not
	suspects  [EvidenceOrphaned + 1]int64
	recovered int64
	members   []*pgx.Conn // reused; empty between sweeps

	nextLook    int64  // at the goroutines: not before
	lookSkipped string // why the last one was not taken
}

// Sweep looks at everything once: it finds hijacked connections and new leaks, and returns what there is to know. Call it
// once a tick. It runs no foreign code but used, which asks the pool how many connections are acquired. late is how far the
// tick overran its interval. A sweep that was late blames nobody: the process was paused or starved, and so were the holders.
func (t *Tracer) Sweep(used func() int, late time.Duration) Snapshot {
	t.sweepMu.Lock()
	defer t.sweepMu.Unlock()

	if late > 0 {
		t.sweep.resumed.Store(t.now())
	}
	before := t.now()
	count := used()
	s := t.scene()
	var snap Snapshot
	s.lookAtGoroutines(count, &snap)
	s.markAbandoned()
	s.relate()
	s.findHijacked(before, count)
	t.reportRecovered(s)
	snap.At, snap.Waiters = t.wall(s.now), s.waiters()
	snap.Holders = make([]Holder, 0, len(s.held))
	for _, h := range s.held {
		holder := s.holder(h)
		if holder.Evidence >= EvidenceIdleHeld {
			snap.Active++
			t.suspect(h, holder, s.now)
		}
		snap.Holders = append(snap.Holders, holder)
	}
	t.slots.prune(2*len(s.held) + pruneAbove)
	t.finish(&snap)
	return snap
}

// pruneAbove is how many released connections the table may remember before it is pruned.
const pruneAbove = 1024

func (t *Tracer) finish(snap *Snapshot) {
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
	snap.Recovered = t.sweep.recovered
	snap.Canceled = t.canceled.list(t)
	snap.Events, snap.Dropped = t.events.drain(t), t.events.dropped.Load()
}

// suspect reports a hold once for each grade of evidence that is worth a report, and with the next sweep if there is no room.
func (t *Tracer) suspect(h heldSlot, holder Holder, now int64) {
	before := h.hold.reportedWith()
	if before >= holder.Evidence {
		return
	}
	h.detail(&holder)
	if !t.events.push(event{kind: EventLeakSuspected, at: now, holder: holder}) {
		return
	}
	h.hold.setReported(holder.Evidence)
	t.sweep.suspects[holder.Evidence]++
	if before == EvidenceNone {
		t.sweep.suspected = append(t.sweep.suspected, h)
	}
}

// reportRecovered reports the suspected holds that have ended, and with the next sweep those for which there is no room.
func (t *Tracer) reportRecovered(s *scene) {
	t.sweep.suspected = slices.DeleteFunc(t.sweep.suspected, func(h heldSlot) bool {
		if h.slot.hold.Load() == h.hold {
			return false
		}
		holder := s.holder(h) // it ended after the last sweep: nearly now
		h.detail(&holder)
		holder.Evidence = h.hold.reportedWith()
		holder.Idle = time.Duration(s.now - max(h.hold.held, h.hold.activity.last.Load())) // the wire has others to serve by now
		holder.Querying, holder.Listening, holder.Doing, holder.Activity = false, false, "", ""
		if !t.events.push(event{kind: EventLeakRecovered, at: s.now, holder: holder}) {
			return false
		}
		t.sweep.recovered++
		return true
	})
}
