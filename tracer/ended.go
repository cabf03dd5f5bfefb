package tracer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// wakeAt is how many ended acquires ask for a flush before the next tick.
	wakeAt = 256
	// maxEnded bounds how many await a flush; past it each accounts for itself, on its own goroutine.
	maxEnded = 1024
)

// endedList collects acquires that are over, so that the caller of Release pays for one compare-and-swap and not for a
// metrics library. It is a stack linked through the acquires themselves: it has no size of its own, and each knows how
// many lie below it.
type endedList struct {
	top  atomic.Pointer[acquire]
	wake chan struct{} // a token: the list is long
}

// push adds a, unless the list is full.
func (l *endedList) push(a *acquire) bool {
	for {
		top := l.top.Load()
		a.next, a.depth = top, 1
		if top != nil {
			a.depth = top.depth + 1
		}
		if a.depth > maxEnded {
			return false
		}
		if l.top.CompareAndSwap(top, a) {
			break
		}
	}
	if a.depth == wakeAt {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// take empties the list and returns it oldest first.
func (l *endedList) take() *acquire {
	var first *acquire
	for a := l.top.Swap(nil); a != nil; {
		below := a.next
		a.next, first = first, a
		a = below
	}
	return first
}

// end hands a, released or failed, to the next flush.
func (t *Tracer) end(a *acquire) {
	if !t.ended.push(a) {
		t.account(a)
	}
}

// Wake is ready when many acquires have ended since the last [Tracer.Flush]: whoever ticks should flush early.
func (t *Tracer) Wake() <-chan struct{} { return t.ended.wake }

// SetRecorder names the receiver of durations; nil drops them. What ended before, up to 1024 acquires, is kept for it.
func (t *Tracer) SetRecorder(r Recorder) {
	if r == nil {
		t.recorder.Store(nil)
		return
	}
	t.recorder.Store(&r)
}

// Flush accounts for all that has ended since the last flush, and for the waits of those who still hold: sums, extremes
// and the [Recorder]. Call it once a tick and before metrics are collected; concurrent calls share the work.
func (t *Tracer) Flush() {
	for a := t.ended.take(); a != nil; {
		next := a.next
		a.next = nil
		t.account(a)
		a = next
	}
	for _, h := range t.slots.held(nil) {
		t.accountWait(h.hold)
	}
	t.creates.flush(t.recorder.Load())
}

func (t *Tracer) account(a *acquire) {
	t.accountWait(a)
	if a.failure != nil {
		return
	}
	c := &t.counters
	query := min(a.activity.queryTime.Load(), a.use)
	c.useTime.Add(a.use)
	c.queryTime.Add(query)
	if a.site != nil {
		a.site.released(a.use, query)
	}
	if r := t.recorder.Load(); r != nil {
		(*r).RecordUse(a.Context, time.Duration(a.use))
	}
}

// accountWait counts the wait of a, once however often it is asked to.
func (t *Tracer) accountWait(a *acquire) {
	if a.waitCounted.Swap(true) {
		return
	}
	c, wait := &t.counters, a.held-a.start
	c.waitTime.Add(wait)
	c.ended.Add(1)
	lower(&c.minWait, wait)
	raise(&c.peakWait, wait)
	raise(&c.maxWait, wait)
	if r := t.recorder.Load(); r != nil {
		kind := ""
		if a.failure != nil {
			kind = *a.failure
		}
		(*r).RecordWait(a.Context, time.Duration(wait), kind)
	}
}

// createList keeps the durations of connects until a flush: pools connect before anybody can be listening.
type createList struct {
	mu   sync.Mutex // guards list
	list []create
}

type create struct {
	ctx context.Context
	d   int64
}

// push drops what does not fit: with nobody flushing, the first ones are the ones worth keeping.
func (l *createList) push(c create) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.list) < maxEnded {
		l.list = append(l.list, c)
	}
}

func (l *createList) flush(r *Recorder) {
	l.mu.Lock()
	list := l.list
	l.list = nil
	l.mu.Unlock()
	if r == nil {
		return
	}
	for _, c := range list {
		(*r).RecordCreate(c.ctx, time.Duration(c.d))
	}
}
