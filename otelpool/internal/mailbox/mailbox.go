// Package mailbox stands between the sampler and whoever listens, so that a slow listener delays nobody. Views may be
// skipped: only the latest waits. Events are kept up to a bound, and what is beyond it is counted.
package mailbox

import (
	"sync"

	"github.com/otelpool/pgx/otelpool/internal/guard"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// maxEvents bounds the events that wait: with their stacks about a megabyte.
const maxEvents = 1024

// Batch is what has come since the batch before.
type Batch struct {
	View    *view.View // the latest; nil if none is new
	Events  []view.Event
	Dropped int64 // events that found no room
	Last    bool  // nothing comes after it
}

// Mailbox hands batches to one listener, on a goroutine of its own. All methods are safe for concurrent use, and none but
// Close waits.
type Mailbox struct {
	listen func(Batch)
	guard  *guard.Guard
	while  string

	mu     sync.Mutex // guards next and closed; never held while listen runs
	next   Batch
	closed bool

	wake chan struct{} // has room for one: whoever posts need not wait
	done chan struct{} // closed when the listener has read everything
}

// New starts a listener. While says what it does, for the report of a panic.
func New(while string, g *guard.Guard, listen func(Batch)) *Mailbox {
	b := &Mailbox{listen: listen, guard: g, while: while, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go b.run()
	return b
}

// Put leaves a view with its events. A view that nobody has read yet is replaced.
func (b *Mailbox) Put(v *view.View) {
	b.mu.Lock()
	b.next.View = v
	b.append(v.Events...)
	b.mu.Unlock()
	b.signal()
}

// Post leaves events that belong to no view.
func (b *Mailbox) Post(events ...view.Event) {
	b.mu.Lock()
	b.append(events...)
	b.mu.Unlock()
	b.signal()
}

// append is called with mu held.
func (b *Mailbox) append(events ...view.Event) {
	room := min(len(events), maxEvents-len(b.next.Events))
	b.next.Events = append(b.next.Events, events[:room]...)
	b.next.Dropped += int64(len(events) - room)
}

func (b *Mailbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *Mailbox) run() {
	defer close(b.done)
	for range b.wake {
		batch := b.take()
		b.guard.Do(b.while, func() { b.listen(batch) })
		if batch.Last {
			return
		}
	}
}

func (b *Mailbox) take() (batch Batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	batch, b.next = b.next, Batch{}
	batch.Last = b.closed
	return batch
}

// Close has the listener read what is left and end. It waits until patience is done, and says whether the listener ended:
// one that blocks is left behind. Closing twice is harmless.
func (b *Mailbox) Close(patience <-chan struct{}) (ended bool) {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.signal()
	select {
	case <-b.done:
		return true
	case <-patience:
		return false
	}
}
