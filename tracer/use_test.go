package tracer_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/tracer"
)

func TestHolder_IsNotIdleWhileItReadsRowsThatHaveArrived(t *testing.T) {
	w := onOneConnection(t, looking)
	rows, err := w.pool.Query(t.Context(), "SELECT generate_series(1, 100)")
	fail(t, err)
	defer rows.Close()
	rows.Next()
	w.sweep()
	time.Sleep(20 * time.Millisecond)
	before := w.sweep().Holders[0].Idle
	rows.Next()
	if after := w.sweep().Holders[0].Idle; after >= before || before < 20*time.Millisecond {
		t.Errorf("idle for %v before a row was read, for %v after it", before, after)
	}
}

func TestHolder_ListensWhenItReadsWithoutAQuery(t *testing.T) {
	w := onOneConnection(t, looking)
	conn := w.acquire(t.Context())
	defer conn.Release()
	exec(t, conn, "LISTEN news")
	ctx, cancel := context.WithCancel(t.Context())
	var listener sync.WaitGroup
	listener.Go(func() { _, _ = conn.Conn().WaitForNotification(ctx) })
	w.until(func(snap tracer.Snapshot) bool { return snap.Holders[0].Listening && !snap.Holders[0].Querying })
	cancel()
	listener.Wait()
}

func TestHolder_ProducesWhileACopyWaitsForItsRows(t *testing.T) {
	w := onOneConnection(t, looking)
	exec(t, w.pool, "CREATE TABLE goods (n int)")
	var all sync.WaitGroup
	next := make(chan []any)
	all.Go(func() {
		source := pgx.CopyFromFunc(func() ([]any, error) { return <-next, nil })
		if _, err := w.pool.CopyFrom(t.Context(), pgx.Identifier{"goods"}, []string{"n"}, source); err != nil {
			t.Error(err)
		}
	})
	snap := w.until(func(snap tracer.Snapshot) bool { return len(snap.Holders) == 1 && snap.Holders[0].Producing })
	if h := snap.Holders[0]; h.Querying || h.Listening || h.Evidence != tracer.EvidenceNone {
		t.Errorf("%+v", h)
	}
	next <- []any{1}
	close(next)
	all.Wait()
}
