package tracer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/tracer"
)

// operation is one thing that a program does with a pool. What it takes it gives back, hijacked connections apart; errors
// are part of the game.
type operation struct {
	name string
	do   func(r *rand.Rand, ctx context.Context, w *watch)
}

// mayhem counts what operations do that the pool's own counts do not tell.
type mayhem struct {
	hijacked, unpaired atomic.Int64
}

func (m *mayhem) operations() []operation {
	return []operation{
		{"acquire", func(r *rand.Rand, ctx context.Context, w *watch) {
			conn, err := w.pool.Acquire(ctx)
			if err != nil {
				return
			}
			_, _ = conn.Exec(ctx, "SELECT 1")
			conn.Release()
			if r.IntN(2) == 0 {
				conn.Release()
			}
		}},
		{"query", func(r *rand.Rand, ctx context.Context, w *watch) {
			rows, err := w.pool.Query(ctx, "SELECT generate_series(1, 20)")
			for i := r.IntN(20); err == nil && i > 0 && rows.Next(); i-- {
			}
			rows.Close()
		}},
		{"query row", func(_ *rand.Rand, ctx context.Context, w *watch) {
			var n int
			_ = w.pool.QueryRow(ctx, "SELECT 1").Scan(&n)
		}},
		{"failing query", func(_ *rand.Rand, ctx context.Context, w *watch) { _, _ = w.pool.Exec(ctx, "SELECT 1/0") }},
		{"begin", func(r *rand.Rand, ctx context.Context, w *watch) {
			tx, err := w.pool.Begin(ctx)
			if err != nil {
				return
			}
			_, _ = tx.Exec(ctx, "INSERT INTO t VALUES (1)")
			if r.IntN(2) == 0 {
				_ = tx.Commit(ctx)
			}
			_ = tx.Rollback(context.Background())
		}},
		{"release in a transaction", func(_ *rand.Rand, ctx context.Context, w *watch) {
			if conn, err := w.pool.Acquire(ctx); err == nil {
				_, _ = conn.Exec(ctx, "BEGIN")
				conn.Release()
			}
		}},
		{"release with rows open", func(_ *rand.Rand, ctx context.Context, w *watch) {
			if conn, err := w.pool.Acquire(ctx); err == nil {
				_, _ = conn.Query(ctx, "SELECT generate_series(1, 1000)")
				conn.Release()
			}
		}},
		{"batch", func(r *rand.Rand, ctx context.Context, w *watch) {
			batch := &pgx.Batch{}
			batch.Queue("SELECT 1")
			if r.IntN(3) == 0 {
				batch.Queue("SELECT 1/0")
			}
			batch.Queue("INSERT INTO t VALUES (2)")
			_ = w.pool.SendBatch(ctx, batch).Close()
		}},
		{"copy", func(_ *rand.Rand, ctx context.Context, w *watch) {
			_, _ = w.pool.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"a"}, pgx.CopyFromRows([][]any{{1}, {2}}))
		}},
		{"failing copy", func(_ *rand.Rand, ctx context.Context, w *watch) {
			_, _ = w.pool.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"a"}, pgx.CopyFromFunc(func() ([]any, error) {
				return nil, errors.New("on purpose")
			}))
		}},
		{"hijack", func(r *rand.Rand, ctx context.Context, w *watch) {
			if r.IntN(4) > 0 {
				return // connecting is slow
			}
			if c, err := w.pool.Acquire(ctx); err == nil {
				conn := c.Hijack()
				m.hijacked.Add(1)
				_, _ = conn.Exec(ctx, "SELECT 1")
				_ = conn.Close(context.Background())
			}
		}},
		{"acquire all idle", func(_ *rand.Rand, ctx context.Context, w *watch) {
			for _, conn := range w.pool.AcquireAllIdle(ctx) {
				m.unpaired.Add(1)
				conn.Release()
			}
		}},
		{"reset", func(r *rand.Rand, _ context.Context, w *watch) {
			if r.IntN(8) == 0 {
				w.pool.Reset()
			}
		}},
		{"terminate another", func(_ *rand.Rand, ctx context.Context, w *watch) {
			_, _ = w.pool.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' ORDER BY random() LIMIT 1`)
		}},
		{"terminate itself", func(_ *rand.Rand, ctx context.Context, w *watch) {
			_, _ = w.pool.Exec(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
		}},
		{"close under the holder", func(_ *rand.Rand, ctx context.Context, w *watch) {
			if conn, err := w.pool.Acquire(ctx); err == nil {
				_ = conn.Conn().Close(ctx)
				_, _ = conn.Exec(ctx, "SELECT 1")
				conn.Release()
			}
		}},
		{"nested acquire", func(_ *rand.Rand, ctx context.Context, w *watch) {
			outer, err := w.pool.Acquire(ctx)
			if err != nil {
				return
			}
			defer outer.Release()
			ctx, cancel := context.WithTimeout(ctx, 3*time.Millisecond)
			defer cancel()
			if inner, err := w.pool.Acquire(ctx); err == nil {
				inner.Release()
			}
		}},
		{"cancelled before", func(_ *rand.Rand, ctx context.Context, w *watch) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			if _, err := w.pool.Acquire(ctx); err == nil {
				panic("acquired with a cancelled context")
			}
		}},
		{"cancelled during", func(r *rand.Rand, ctx context.Context, w *watch) {
			ctx, cancel := context.WithCancel(ctx)
			timer := time.AfterFunc(time.Duration(r.IntN(2000))*time.Microsecond, cancel)
			defer timer.Stop()
			_, _ = w.pool.Exec(ctx, "SELECT pg_sleep(0.002)")
			cancel()
		}},
		{"timeout during", func(r *rand.Rand, ctx context.Context, w *watch) {
			ctx, cancel := context.WithTimeout(ctx, time.Duration(r.IntN(2000))*time.Microsecond)
			defer cancel()
			_, _ = w.pool.Exec(ctx, "SELECT pg_sleep(0.002)")
		}},
		{"hold and pass on", func(_ *rand.Rand, ctx context.Context, w *watch) {
			conn, err := w.pool.Acquire(ctx)
			if err != nil {
				return
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				conn.Release()
			}()
			<-done
		}},
	}
}

// TestCounts_ReconcileAfterThousandsOfRandomOperations is the contract of the hook: whatever happens to a pool, once it is at
// rest every acquire is accounted for. Set OTELPOOL_SEED to repeat a run, as far as a real server and a scheduler allow.
func TestCounts_ReconcileAfterThousandsOfRandomOperations(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("OTELPOOL_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		fail(t, err)
	}
	t.Logf("OTELPOOL_SEED=%d", seed)
	const workers = 16
	each := 100
	if testing.Short() {
		each = 50
	}
	w := onPostgres(t, tracer.Options{StackDepth: 8, LeakThreshold: time.Millisecond}, func(cfg *pgxpool.Config) {
		cfg.MaxConns, cfg.MinConns = 8, 2
		cfg.ShouldPing = func(context.Context, pgxpool.ShouldPingParams) bool { return rand.IntN(20) == 0 }
	})
	exec(t, w.pool, "CREATE TABLE t (a int)")
	var r recording
	w.hook.SetRecorder(&r)

	var m mayhem
	operations := m.operations()
	done := make(chan struct{})
	var sweeper, all sync.WaitGroup
	sweeper.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
				snap := w.hook.Sweep(w.used, 0)
				if c := snap.Counters; c.Waiting < 0 || c.Counts[counts.Released]+c.Counts[counts.Hijacked] > c.Counts[counts.Acquired]+1 {
					t.Errorf("meanwhile: %+v", c)
				}
			}
		}
	})
	for worker := range workers {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(worker)))
			for range each {
				operations[random.IntN(len(operations))].do(random, t.Context(), w)
			}
		})
	}
	all.Wait()
	close(done)
	sweeper.Wait()

	// One of each is still held at the end, and one hijacked.
	kept := []*pgxpool.Conn{w.acquire(t.Context()), w.acquire(t.Context())}
	c := w.acquire(t.Context())
	_ = c.Hijack().Close(t.Context())
	m.hijacked.Add(1)

	for w.used() > len(kept) && t.Context().Err() == nil {
		time.Sleep(time.Millisecond) // abandoned pings and destructions
	}
	w.checkRest(len(kept))
	got := w.hook.Counters()
	if got.Counts[counts.Hijacked] != m.hijacked.Load() || got.Counts[counts.Unpaired] != m.unpaired.Load() {
		t.Errorf("%d hijacked, %d unpaired; there were %d and %d", got.Counts[counts.Hijacked], got.Counts[counts.Unpaired], m.hijacked.Load(), m.unpaired.Load())
	}
	w.hook.Flush()
	if n := r.allWaits(); int64(n) != got.Counts[counts.Started] {
		t.Errorf("%d waits recorded of %d attempts", n, got.Counts[counts.Started])
	}
	for kind, want := range map[string]int64{"": got.Counts[counts.Acquired], "timeout": got.Counts[counts.TimedOut], "canceled": got.Counts[counts.Canceled]} {
		if n := int64(r.waits(kind)); n != want {
			t.Errorf("%d waits recorded as %q, want %d", n, kind, want)
		}
	}
	if int64(r.uses) != got.Counts[counts.Released] {
		t.Errorf("%d uses recorded of %d releases", r.uses, got.Counts[counts.Released])
	}
	t.Log(summary(got))
	for _, conn := range kept {
		conn.Release()
	}
	w.checkRest(0)
	checkClosed(t, w)
	if got = w.hook.Counters(); got.Counts[counts.ClosedCanceled] != got.Counts[counts.DestroyedCanceled] || got.Counts[counts.ClosedCanceled] == 0 {
		t.Errorf("%d closed for cancelled queries, %d of them on release", got.Counts[counts.ClosedCanceled], got.Counts[counts.DestroyedCanceled])
	}
}

func summary(c tracer.Counters) string {
	return fmt.Sprintf("%d started: %d ok, %d timeouts, %d canceled, %d errors; %d releases, %d unpaired, %d hijacked; %d opened, destroyed and closed %v",
		c.Counts[counts.Started], c.Counts[counts.Acquired], c.Counts[counts.TimedOut], c.Counts[counts.Canceled], c.Counts[counts.Failed], c.Counts[counts.Released], c.Counts[counts.Unpaired], c.Counts[counts.Hijacked], c.Counts[counts.Opened], c.Counts[counts.DestroyedBroken:])
}

// checkClosed checks that every connection that was opened was closed or hijacked, once the pool is.
func checkClosed(t *testing.T, w *watch) {
	t.Helper()
	w.pool.Close()
	c := w.hook.Counters()
	closed := closed(&c)
	if c.Counts[counts.Opened] != closed+c.Counts[counts.Hijacked] || c.Connecting != 0 {
		t.Errorf("%d opened, %d closed, %d hijacked, %d connecting", c.Counts[counts.Opened], closed, c.Counts[counts.Hijacked], c.Connecting)
	}
}
