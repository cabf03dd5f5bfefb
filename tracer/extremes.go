package tracer

import (
	"math"
	"sync"
	"sync/atomic"
)

// none is the least of no durations.
const none = math.MaxInt64

// window is the least and the most of some durations: none and 0 if there were none.
type window struct{ least, most int64 }

var emptyWindow = window{least: none}

func (w *window) merge(other window) {
	w.least, w.most = min(w.least, other.least), max(w.most, other.most)
}

// recent is a window that writers extend without a lock.
type recent struct{ least, most atomic.Int64 }

func (r *recent) extend(v int64) {
	lower(&r.least, v)
	raise(&r.most, v)
}

func (r *recent) take() window { return window{r.least.Swap(none), r.most.Swap(0)} }

// extremes are the shortest and the longest duration, since each of two readers last asked: the sweep and the replay ask at
// different times, and neither must take them away from the other.
type extremes struct {
	counted  recent // of durations to be replayed
	recorded recent // of durations that the recorder has already: nothing to the replay

	mu     sync.Mutex // guards the rest; held for a few instructions
	sweep  window
	replay window
	all    int64 // the most of all
}

func (e *extremes) init() {
	e.counted.take()
	e.recorded.take()
	e.sweep, e.replay = emptyWindow, emptyWindow
}

// collect brings everybody up to date. The caller holds mu.
func (e *extremes) collect() {
	counted, recorded := e.counted.take(), e.recorded.take()
	e.replay.merge(counted)
	e.sweep.merge(counted)
	e.sweep.merge(recorded)
	e.all = max(e.all, e.sweep.most)
}

// sinceSweep is the window since it was last called.
func (e *extremes) sinceSweep() window { return e.since(&e.sweep) }

// sinceReplay is the window since it was last called, without what was recorded directly.
func (e *extremes) sinceReplay() window { return e.since(&e.replay) }

func (e *extremes) since(w *window) window {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.collect()
	out := *w
	*w = emptyWindow
	return out
}

// longest is the most of all.
func (e *extremes) longest() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.collect()
	return e.all
}
