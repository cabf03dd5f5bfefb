package faults

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/internal/testing/postgres"
)

// machine is what all scenarios run on.
var machine witness

// overloaded is the delay from which on waits are the machine's fault: half of what the default policy objects to.
const overloaded = 50 * time.Millisecond

// witness asks a server of its own the simplest question, on a connection of its own, again and again, and notes by how much
// that was delayed. It knows nothing of pools: what it sees, every program on this machine suffers.
type witness struct {
	server *postgres.Server
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex // guards delays
	delays []delay
}

type delay struct {
	at  time.Time
	was time.Duration
}

func (w *witness) start() (err error) {
	if w.server, err = postgres.Start(context.Background()); err != nil {
		return err
	}
	conn, err := pgx.Connect(context.Background(), w.server.DSN())
	if err != nil {
		return errors.Join(err, w.server.Close())
	}
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(context.Background())
	w.done = make(chan struct{})
	go func() {
		defer close(w.done)
		defer conn.Close(context.Background())
		w.watch(ctx, conn)
	}()
	return nil
}

func (w *witness) watch(ctx context.Context, conn *pgx.Conn) {
	const every = 10 * time.Millisecond
	for ctx.Err() == nil {
		begun := time.Now()
		sleep(ctx, every)
		if _, err := conn.Exec(ctx, "SELECT 1"); err != nil {
			return
		}
		if was := time.Since(begun) - every; was >= overloaded {
			w.mu.Lock()
			w.delays = append(w.delays, delay{time.Now(), was})
			w.mu.Unlock()
		}
	}
}

// delay is the longest delay since t that was one, and 0 if there was none.
func (w *witness) delay(since time.Time) (longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.delays {
		if d.at.After(since) {
			longest = max(longest, d.was)
		}
	}
	return longest
}

// excused says whether the machine did not keep up shortly before a complaint, and is to blame for it.
func excused(complaint time.Time) bool { return machine.delay(complaint.Add(-5*interval)) > 0 }

func (w *witness) stop() {
	w.cancel()
	<-w.done
	_ = w.server.Close()
}
