package wire

import (
	"io"
	"net"
	"sync"
)

// inbox reads a connection into memory for as long as it lasts. A pipe has no buffer: were the server not always reading,
// a client that sends while the server is busy would be stuck.
type inbox struct {
	mu   sync.Mutex // guards data and err
	more *sync.Cond
	data []byte
	err  error
}

func newInbox() *inbox {
	b := new(inbox)
	b.more = sync.NewCond(&b.mu)
	return b
}

// fill reads until the connection ends, and calls ended then.
func (b *inbox) fill(conn net.Conn, ended func()) {
	defer ended()
	buf := make([]byte, 8192)
	for {
		n, err := conn.Read(buf)
		b.mu.Lock()
		b.data = append(b.data, buf[:n]...)
		b.err = err
		b.mu.Unlock()
		b.more.Broadcast()
		if err != nil {
			return
		}
	}
}

// Read implements [io.Reader].
func (b *inbox) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.data) == 0 {
		if b.err != nil {
			return 0, io.EOF
		}
		b.more.Wait()
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	return n, nil
}

// outbox writes to a connection on a goroutine of its own: the server never waits for a client that does not read.
type outbox struct {
	mu     sync.Mutex // guards data and closed
	more   *sync.Cond
	data   []byte
	closed bool
}

func newOutbox() *outbox {
	b := new(outbox)
	b.more = sync.NewCond(&b.mu)
	return b
}

// Write implements [io.Writer]; it never blocks and never fails.
func (b *outbox) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.data = append(b.data, p...)
	b.more.Signal()
	return len(p), nil
}

// drain writes to conn until the outbox is closed and empty, or conn fails.
func (b *outbox) drain(conn net.Conn) {
	for {
		b.mu.Lock()
		for len(b.data) == 0 && !b.closed {
			b.more.Wait()
		}
		data := b.data
		b.data = nil
		b.mu.Unlock()
		if len(data) == 0 {
			return
		}
		if _, err := conn.Write(data); err != nil {
			return
		}
	}
}

// close lets drain end once everything is written.
func (b *outbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.more.Signal()
}
