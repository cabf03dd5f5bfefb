package tracer

import (
	"io"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// wire watches the reading side of one connection. It is what tells a query that the server is still working on from
// rows that the application forgot to close: in the first somebody is blocked in a read, in the second nobody is.
type wire struct {
	owner       *Tracer
	connectDone atomic.Bool  // the connect has ended: what is built from here on is another connection's
	reading     atomic.Bool  // whether a read is in progress
	lastReadAt  atomic.Int64 // when the last read ended
}

// watch returns build with its reader watched, in every attempt of one connect. The connection itself stays what it was, so a
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
		return build(&watchedReader{r, w}, out)
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
