package tracer

import (
	"io"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// wire watches the two sides of one connection. The reading side is what tells a query that the server is still working on from
// rows that the application forgot to close: in the first somebody is blocked in a read, in the second nobody is. The writing
// side tells a COPY that the server is slow to take from one whose rows the application is slow to make.
type wire struct {
	owner       *Tracer
	connectDone atomic.Bool  // the connect has ended: what is built from here on is another connection's
	reading     atomic.Bool  // whether a read is in progress
	lastReadAt  atomic.Int64 // when the last read ended
	writing     atomic.Bool  // whether a write is in progress
	lastWriteAt atomic.Int64 // when the last write ended

	frontend   atomic.Pointer[pgproto3.Frontend]
	position   atomic.Int64 // in the frontend's buffer, when it was last looked at
	positionAt atomic.Int64 // when that was
	progressAt atomic.Int64 // when it was last seen to have moved without a read
}

// watch returns build with its reader and writer watched, in every attempt of one connect. The connection itself stays what it was, so a
// program that asks for its *net.TCPConn still gets it. The result stays in the connection's configuration, from which a
// program may make another connection: that one is not watched.
func (w *wire) watch(build pgconn.BuildFrontendFunc) pgconn.BuildFrontendFunc {
	if build == nil {
		build = pgproto3.NewFrontend
	}
	return func(r io.Reader, out io.Writer) *pgproto3.Frontend {
		if w.connectDone.Load() {
			return build(r, out)
		}
		frontend := build(&watchedReader{r, w}, &watchedWriter{out, w})
		w.frontend.Store(frontend)
		return frontend
	}
}

// noteProgress finds out whether somebody reads on in rows that have arrived already, which no read of ours shows: thousands
// of small rows fit into the buffer. A move that a read or a query may have made, the last of which began or ended at last, is
// theirs.
func (w *wire) noteProgress(now, last int64) {
	position, known := readPosition(w.frontend.Load())
	if !known {
		return
	}
	before, at := w.position.Swap(position), w.positionAt.Swap(now)
	if position != before && max(last, w.lastReadAt.Load()) < at {
		w.progressAt.Store(now)
	}
}

type watchedReader struct {
	io.Reader
	wire *wire
}

func (r *watchedReader) Read(p []byte) (int, error) {
	r.wire.reading.Store(true)
	n, err := r.Reader.Read(p)
	r.wire.lastReadAt.Store(r.wire.owner.now())
	r.wire.reading.Store(false)
	return n, err
}

type watchedWriter struct {
	io.Writer
	wire *wire
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	w.wire.writing.Store(true)
	n, err := w.Writer.Write(p)
	w.wire.lastWriteAt.Store(w.wire.owner.now())
	w.wire.writing.Store(false)
	return n, err
}
