package tracer

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/otelpool/pgx/internal/counts"
)

// pretend puts n holds on the table, as acquires would.
func pretend(tr *Tracer, ctx context.Context, n int) []*slot {
	slots := make([]*slot, n)
	for i := range slots {
		s := &slot{pid: uint32(i + 1)}
		a := &acquire{Context: ctx, owner: tr, start: tr.now(), place: notWaiting}
		a.captureContext()
		a.site, a.origin = tr.sites.caller(tr.opts.Load().StackDepth)
		a.held = tr.now()
		s.hold.Store(a)
		tr.slots.list(s)
		tr.counters.add(counts.Started, 1)
		tr.counters.acquired()
		slots[i] = s
	}
	return slots
}

// release ends the hold of s, as TraceRelease does.
func release(tr *Tracer, s *slot) {
	a := s.hold.Swap(nil)
	tr.endHold(a, tr.now())
}

func TestSlotTable_MissesNoHoldWhileItIsPruned(t *testing.T) {
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

// TestSweep_ReportsARecoveryAfterItsSuspicionAndNeverWithout lets releases race with the sweeps that suspect them.
func TestSweep_ReportsARecoveryAfterItsSuspicionAndNeverWithout(t *testing.T) {
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
				release(tr, s)
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

// The pool's own list is read under its lock: not at every sweep while a leak goes on.
func TestSweep_AsksThePoolForItsListOnlyForNewSuspects(t *testing.T) {
	tr := New(Options{LeakThreshold: 1})
	pretend(tr, t.Context(), 1)
	time.Sleep(time.Microsecond)
	for _, want := range []bool{true, false} {
		if got := tr.scene().newSuspect(tr.held()[0]); got != want {
			t.Errorf("a new suspect: %t, want %t", got, want)
		}
		if snap := tr.Sweep(func() int { return 1 }, 0); snap.Active != 1 {
			t.Errorf("%d active", snap.Active)
		}
	}
}

func TestSweep_LeavesSuspicionsBeyondTheBoundOfEventsToTheNext(t *testing.T) {
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

func TestSweep_CountsOtherEventsBeyondTheBound(t *testing.T) {
	tr := New(Options{})
	for range maxEvents + 44 {
		tr.connectionLost(&slot{}, tr.now(), &pgconn.PgError{Code: "57P01"})
	}
	if snap := tr.Sweep(func() int { return 0 }, 0); len(snap.Events) != maxEvents || snap.Dropped != 44 {
		t.Errorf("%d events, %d dropped", len(snap.Events), snap.Dropped)
	}
}

// TestSweep_CountsWhatEndsTogetherWithItsWait: a sweep that saw an acquire end, but not yet its wait, would tell a wait of 0.
func TestSweep_CountsWhatEndsTogetherWithItsWait(t *testing.T) {
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

// TestSweep_KeepsNoReleasedHoldInMemory: a hold keeps its caller's context, and that may keep a whole request.
func TestSweep_KeepsNoReleasedHoldInMemory(t *testing.T) {
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
			release(tr, s)
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
func TestSlotTable_ForgetsConnectionsThatComeAndGoThoughNobodySweeps(t *testing.T) {
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
