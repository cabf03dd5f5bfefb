package tracer

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/counts"
)

// pretend puts n holds on the table, as acquires would.
func pretend(tr *Tracer, ctx context.Context, n int) []*slot {
	slots := make([]*slot, n)
	for i := range slots {
		s := &slot{pid: uint32(i + 1)}
		a := &acquire{Context: ctx, owner: tr, start: tr.now(), place: notWaiting}
		a.captureContext()
		a.site, a.goroutine = tr.sites.caller(tr.opts.Load().StackDepth)
		a.held = tr.now()
		s.hold.Store(a)
		tr.slots.list(s)
		tr.counters.add(counts.Started, 1)
		tr.counters.acquired()
		slots[i] = s
	}
	return slots
}

// TestWithoutThePoolsListAHijackIsGuessedAndTheGuessCorrected is what remains should puddle rename its fields.
func TestWithoutThePoolsListAHijackIsGuessedAndTheGuessCorrected(t *testing.T) {
	tr := New(Options{})
	slots := pretend(tr, t.Context(), 5)
	slots[2].hold.Load().held = 1 // the oldest
	used := 5
	sweep := func() Snapshot { return tr.Sweep(func() int { return used }, 0) }
	sweep()
	used = 4 // one was hijacked
	if snap := sweep(); snap.Counters.Counts[counts.Hijacked] != 1 || len(snap.Holders) != 4 {
		t.Fatalf("%d hijacked, %d holders", snap.Counters.Counts[counts.Hijacked], len(snap.Holders))
	}
	if tr.slots.held(nil)[0].slot == slots[4] {
		t.Error("the youngest was not taken")
	}
	// The guess was wrong: the youngest comes back.
	a := slots[4].hold.Swap(nil)
	tr.endSuspicion(slots[4], a, tr.now())
	used = 3
	if snap := sweep(); snap.Counters.Counts[counts.Hijacked] != 1 || len(snap.Holders) != 3 {
		t.Errorf("%d hijacked, %d holders", snap.Counters.Counts[counts.Hijacked], len(snap.Holders))
	}
}

func TestAHoldTooYoungToJudgeIsNotGuessedHijacked(t *testing.T) {
	tr := New(Options{})
	tr.Sweep(func() int { return 0 }, 0)
	pretend(tr, t.Context(), 2)
	if snap := tr.Sweep(func() int { return 1 }, 0); snap.Counters.Counts[counts.Hijacked] != 0 {
		t.Errorf("%d hijacked", snap.Counters.Counts[counts.Hijacked])
	}
}

// TestForgettingAConnectionKeepsItsNextHold runs the two halves of a race: the sweep gives a hold up while its connection
// is released and taken again.
func TestForgettingAConnectionKeepsItsNextHold(t *testing.T) {
	tr := New(Options{})
	s := pretend(tr, t.Context(), 1)[0]
	gone := heldSlot{slot: s, hold: s.hold.Load()}
	next := &acquire{Context: t.Context(), owner: tr}
	s.hold.Store(next)
	tr.slots.forget(gone)
	if held := tr.slots.held(nil); len(held) != 1 || held[0].hold != next {
		t.Errorf("held %v", held)
	}
	tr.slots.forget(heldSlot{slot: s, hold: next})
	if held := tr.slots.held(nil); len(held) != 0 || s.listed.Load() {
		t.Errorf("held %v", held)
	}
}

func TestNoHoldIsMissedWhileTheTableIsPruned(t *testing.T) {
	tr := New(Options{})
	var all, pruner sync.WaitGroup
	stop := make(chan struct{})
	pruner.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				tr.slots.prune(0)
			}
		}
	})
	for range 8 {
		all.Go(func() {
			s := &slot{}
			for range 5000 {
				a := &acquire{Context: context.Background(), owner: tr}
				s.hold.Store(a)
				if !s.listed.Load() {
					tr.slots.list(s)
				}
				if !slices.Contains(tr.slots.held(nil), heldSlot{slot: s, hold: a}) {
					t.Error("a held connection is not on the table")
					return
				}
				s.hold.Store(nil)
			}
		})
	}
	all.Wait()
	close(stop)
	pruner.Wait()
}

// TestARecoveryIsToldAfterItsSuspicionAndNeverWithout lets releases race with the sweeps that suspect them.
func TestARecoveryIsToldAfterItsSuspicionAndNeverWithout(t *testing.T) {
	tr := New(Options{LeakThreshold: 1})
	open := make(map[uint32]int)
	check := func(snap Snapshot) {
		for _, e := range snap.Events {
			switch e.Kind {
			case EventLeakSuspected:
				open[e.Holder.PID]++
			case EventLeakRecovered:
				if open[e.Holder.PID]--; open[e.Holder.PID] < 0 {
					t.Fatalf("pid %d recovered before it was suspected", e.Holder.PID)
				}
			}
		}
	}
	suspects := int64(0)
	for round := range 2000 {
		slots := pretend(tr, t.Context(), 4)
		var all sync.WaitGroup
		for i, s := range slots {
			s.pid = uint32(round*4 + i)
			all.Go(func() {
				for range i * 3 {
					runtime.Gosched()
				}
				a := s.hold.Swap(nil)
				tr.endSuspicion(s, a, tr.now())
				tr.counters.add(counts.Released, 1)
			})
		}
		check(tr.Sweep(func() int { return 1000 }, 0))
		all.Wait()
		snap := tr.Sweep(func() int { return 1000 }, 0)
		check(snap)
		suspects = snap.Suspects[EvidenceIdleHeld]
		if snap.Recovered != suspects {
			t.Fatalf("%d suspected, %d recovered", suspects, snap.Recovered)
		}
	}
	for pid, n := range open {
		if n != 0 {
			t.Errorf("pid %d: %d suspicions without recovery", pid, n)
		}
	}
	if suspects == 0 {
		t.Error("nobody was ever suspected")
	}
}

func TestEventsAreBoundedAndSuspicionsBeyondWaitForTheNextSweep(t *testing.T) {
	tr := New(Options{LeakThreshold: 1})
	pretend(tr, t.Context(), 2*maxEvents+44)
	time.Sleep(time.Microsecond)
	told := make(map[uint32]bool)
	for i, want := range []int{maxEvents, maxEvents, 44, 0} {
		snap := tr.Sweep(func() int { return 1000 }, 0)
		if len(snap.Events) != want || snap.Dropped != 0 || snap.Active != 2*maxEvents+44 {
			t.Errorf("sweep %d: %d events, want %d; %d dropped, %d active", i, len(snap.Events), want, snap.Dropped, snap.Active)
		}
		for _, e := range snap.Events {
			told[e.Holder.PID] = true
		}
		if n := int(snap.Suspects[EvidenceIdleHeld]); n != len(told) {
			t.Errorf("sweep %d: %d suspected, %d told", i, n, len(told))
		}
	}
	if len(told) != 2*maxEvents+44 {
		t.Errorf("%d were told", len(told))
	}
}

func TestOtherEventsBeyondTheBoundAreCounted(t *testing.T) {
	tr := New(Options{})
	for range maxEvents + 44 {
		tr.connectionLost(&slot{}, tr.now(), "57P01")
	}
	if snap := tr.Sweep(func() int { return 0 }, 0); len(snap.Events) != maxEvents || snap.Dropped != 44 {
		t.Errorf("%d events, %d dropped", len(snap.Events), snap.Dropped)
	}
}

// TestWhatEndsIsCountedTogetherWithItsWait: a sweep that saw an acquire end, but not yet its wait, would tell a wait of 0.
func TestWhatEndsIsCountedTogetherWithItsWait(t *testing.T) {
	tr := New(Options{})
	tr.counters.acquired() // the first half of the end of an acquire
	if snap := tr.Sweep(func() int { return 0 }, 0); snap.Ended != 0 {
		t.Errorf("%d ended, with a shortest wait of %s", snap.Ended, snap.MinWait)
	}
	tr.waits.add(150_000)
	if snap := tr.Sweep(func() int { return 0 }, 0); snap.Ended != 1 || snap.MinWait != 150*time.Microsecond {
		t.Errorf("%d ended, with a shortest wait of %s", snap.Ended, snap.MinWait)
	}
}

// TestAReleasedHoldIsNotKeptInMemory: a hold keeps its caller's context, and that may keep a whole request.
func TestAReleasedHoldIsNotKeptInMemory(t *testing.T) {
	const holds = 50
	tr := New(Options{StackDepth: 8, LeakThreshold: 1})
	collected := make(chan struct{}, holds)
	func() {
		for range holds {
			request := new([1 << 16]byte)
			runtime.AddCleanup(request, func(struct{}) { collected <- struct{}{} }, struct{}{})
			type key struct{}
			s := pretend(tr, context.WithValue(t.Context(), key{}, request), 1)[0]
			tr.Sweep(func() int { return 1 }, 0)
			a := s.hold.Swap(nil)
			tr.endSuspicion(s, a, tr.now())
			tr.Sweep(func() int { return 0 }, 0)
		}
	}()
	for range 50 {
		if runtime.GC(); len(collected) >= holds-1 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d of %d were kept", holds-len(collected), holds)
}

// Between Configure and Instrument, or after Close, nobody sweeps.
func TestConnectionsThatComeAndGoAreForgottenThoughNobodySweeps(t *testing.T) {
	var table slotTable
	held := &slot{}
	held.hold.Store(&acquire{})
	table.list(held)
	for range 100_000 {
		table.list(&slot{})
	}
	if n := len(table.slots); n > 4*pruneAbove {
		t.Errorf("%d are remembered", n)
	}
	if _, listed := table.slots[held]; !listed {
		t.Error("one that is held was forgotten")
	}
}
