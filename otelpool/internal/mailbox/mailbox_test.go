package mailbox

import (
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/otelpool/pgx/otelpool/internal/guard"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listener keeps the batches that it receives. It blocks at each until the test lets it go on.
type listener struct {
	let     chan struct{}
	mu      sync.Mutex // guards batches
	batches []Batch
}

func (l *listener) listen(b Batch) {
	<-l.let
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches = append(l.batches, b)
}

func blocked() *listener { return &listener{let: make(chan struct{})} }

func (l *listener) unblock() { close(l.let) }

var (
	never = make(chan struct{})
	now   = func() <-chan struct{} { c := make(chan struct{}); close(c); return c }()
)

func TestMailbox_SkipsViewsAndKeepsTheirEvents(t *testing.T) {
	l := blocked()
	b := New("testing", new(guard.Guard), l.listen)
	for i := range 100 {
		b.Put(&view.View{Transitions: int64(i), Events: []view.Event{i}})
	}
	l.unblock()
	if !b.Close(never) {
		t.Fatal("the listener has not ended")
	}
	var events []view.Event
	var last *view.View
	for _, batch := range l.batches {
		events = append(events, batch.Events...)
		if batch.View != nil {
			last = batch.View
		}
	}
	for i := range 100 {
		if events[i] != i {
			t.Fatalf("event %d is %v", i, events[i])
		}
	}
	if len(events) != 100 || last.Transitions != 99 {
		t.Errorf("%d events, the last view is number %d", len(events), last.Transitions)
	}
	if n := len(l.batches); n > 3 { // while the first waits, the others become one; and the end
		t.Errorf("%d batches, though the listener did not listen", n)
	}
}

func TestMailbox_CountsTheEventsThatFindNoRoom(t *testing.T) {
	l := blocked()
	b := New("testing", new(guard.Guard), l.listen)
	for range 3 * maxEvents {
		b.Post("event")
	}
	l.unblock()
	b.Close(never)
	events, dropped := 0, int64(0)
	for _, batch := range l.batches {
		events += len(batch.Events)
		dropped += batch.Dropped
	}
	if events > 2*maxEvents || int64(events)+dropped != 3*maxEvents {
		t.Errorf("%d events and %d dropped, want all %d", events, dropped, 3*maxEvents)
	}
}

func TestMailbox_LeavesAListenerBehindThatBlocks(t *testing.T) {
	l := blocked()
	b := New("testing", new(guard.Guard), l.listen)
	b.Post("event")
	if b.Close(now) {
		t.Error("the listener has ended, though it blocks")
	}
	b.Post("later") // nobody reads it, and nobody waits
	l.unblock()
	if !b.Close(never) {
		t.Error("the listener has not ended")
	}
}

func TestMailbox_GoesOnAfterAPanic(t *testing.T) {
	var panics []view.Panicked
	heard := 0
	b := New("testing", &guard.Guard{Report: func(p view.Panicked) { panics = append(panics, p) }}, func(batch Batch) {
		heard += len(batch.Events)
		panic("not today")
	})
	b.Post(1)
	b.Post(2)
	b.Close(never)
	if heard != 2 || len(panics) != 1 || panics[0].While != "testing" || panics[0].Value != "not today" || panics[0].Stack == "" {
		t.Errorf("%d events were heard, and %+v reported", heard, panics)
	}
}
