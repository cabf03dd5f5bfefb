package tracer_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/tracer"
)

// workload is something that holds a connection for long, or forever, and is no leak. It works until ctx is done.
type workload struct {
	name string
	work func(t *testing.T, ctx context.Context, pool *pgxpool.Pool)
}

var healthy = []workload{
	{"a report query of ten minutes", func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) {
		for ctx.Err() == nil {
			var n int
			_ = pool.QueryRow(ctx, "SELECT pg_sleep(600)").Scan(&n)
			pause(ctx, time.Minute)
		}
	}},
	{"a worker that listens, and says that it does so for long", func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) {
		conn, err := pool.Acquire(tracer.ExpectLongHold(ctx, "listens for jobs"))
		fail(t, err)
		defer conn.Release()
		_, err = conn.Exec(ctx, "LISTEN jobs")
		fail(t, err)
		pause(ctx, 1000*time.Hour)
	}},
	{"a worker that waits for notifications", func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) {
		conn, err := pool.Acquire(ctx)
		fail(t, err)
		defer conn.Release()
		_, err = conn.Exec(ctx, "LISTEN jobs")
		fail(t, err)
		for ctx.Err() == nil {
			_, _ = conn.Conn().WaitForNotification(ctx)
		}
	}},
	{"a COPY that goes on for minutes", func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) {
		for ctx.Err() == nil {
			n := 0
			_, err := pool.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"a"}, pgx.CopyFromFunc(func() ([]any, error) {
				if n++; n > 10 || ctx.Err() != nil {
					return nil, nil
				}
				pause(ctx, 2*threshold)
				return []any{n}, nil
			}))
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			pause(ctx, time.Minute)
		}
	}},
	{"a transaction that keeps querying", func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) {
		for ctx.Err() == nil {
			tx, err := pool.Begin(ctx)
			if err != nil {
				return
			}
			for range 60 {
				pause(ctx, threshold/2)
				_, _ = tx.Exec(ctx, "UPDATE t SET a = 1")
			}
			_ = tx.Rollback(context.Background())
			pause(ctx, time.Minute)
		}
	}},
	{"a hijacked connection", func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) {
		c, err := pool.Acquire(ctx)
		fail(t, err)
		conn := c.Hijack()
		<-ctx.Done()
		_ = conn.Close(context.Background())
	}},
	{"many short queries", func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) {
		for ctx.Err() == nil {
			for range 100 {
				var n int
				_ = pool.QueryRow(ctx, "SELECT 1").Scan(&n)
				pause(ctx, 10*time.Second)
			}
		}
	}},
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

var suspicious = tracer.Options{StackDepth: 8, LeakThreshold: threshold}

func TestSweep_SuspectsNothingThatOnlyTakesLong(t *testing.T) {
	for _, load := range healthy {
		t.Run(load.name, func(t *testing.T) {
			onWire(t, "pool_max_conns=4", suspicious, nil, func(t *testing.T, w *watch) {
				ctx, cancel := context.WithCancel(t.Context())
				var all sync.WaitGroup
				all.Go(func() { load.work(t, ctx, w.pool) })
				w.pass(2 * time.Hour)
				cancel()
				all.Wait()
				w.checkRest(0)
				w.checkNoReports()
			})
		})
	}
}

func TestSweep_ReportsNothingOfADayOfHealthyWork(t *testing.T) {
	onWire(t, "pool_max_conns=16", suspicious, nil, func(t *testing.T, w *watch) {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for _, load := range healthy {
			all.Go(func() { load.work(t, ctx, w.pool) })
		}
		w.every = 7 * time.Second
		last := w.pass(24 * time.Hour)
		if last.Counters.Counts[counts.Hijacked] != 1 {
			t.Errorf("%d hijacked, want 1", last.Counters.Counts[counts.Hijacked])
		}
		cancel()
		all.Wait()
		w.checkRest(0)
		w.checkNoReports()
	})
}

func (w *watch) checkNoReports() {
	w.t.Helper()
	if reports := w.eventsOf(tracer.EventLeakSuspected); len(reports) != 0 {
		w.t.Errorf("%d reports, the first: %+v", len(reports), reports[0])
	}
	if recovered := w.eventsOf(tracer.EventLeakRecovered); len(recovered) != 0 {
		w.t.Errorf("recovered %+v", recovered)
	}
}

func TestSweep_ShowsASlowHoldButDoesNotReportIt(t *testing.T) {
	onWire(t, "", suspicious, nil, func(t *testing.T, w *watch) {
		conn := w.acquire(t.Context())
		for range 10 {
			w.pass(threshold / 2)
			exec(t, conn, "SELECT 1")
		}
		if h := w.sweep().Holders[0]; h.Evidence != tracer.EvidenceSlowHold || w.hook.Holders()[0].Evidence != tracer.EvidenceSlowHold {
			t.Errorf("tier %q", h.Evidence)
		}
		conn.Release()
		w.checkRest(0)
		w.checkNoReports()
	})
}

func TestExpectLongHold_IsShownWithItsReasonAndNeverSuspected(t *testing.T) {
	onWire(t, "", suspicious, nil, func(t *testing.T, w *watch) {
		for why, want := range map[string]string{"nightly batch": "nightly batch", "": "expected"} {
			ctx, cancel := context.WithCancel(tracer.ExpectLongHold(t.Context(), why))
			conn := w.acquire(ctx)
			cancel()
			w.pass(time.Hour)
			if h := w.sweep().Holders[0]; h.Expected != want || h.Evidence != tracer.EvidenceNone {
				t.Errorf("expected %q, tier %q", h.Expected, h.Evidence)
			}
			conn.Release()
		}
		w.checkRest(0)
		w.checkNoReports()
	})
}

func TestSweep_ThatIsLateBlamesNobody(t *testing.T) {
	onWire(t, "", suspicious, nil, func(t *testing.T, w *watch) {
		conn := w.acquire(t.Context())
		w.pass(time.Second)
		time.Sleep(10 * time.Minute) // a debugger stops the process
		snap := w.hook.Sweep(w.used, 10*time.Minute)
		if len(snap.Events) != 0 || snap.Active != 0 || snap.Holders[0].Evidence != tracer.EvidenceSlowHold {
			t.Errorf("late sweep: %d active, events %+v, tier %q", snap.Active, snap.Events, snap.Holders[0].Evidence)
		}
		if tier := w.hook.Holders()[0].Evidence; tier != tracer.EvidenceSlowHold {
			t.Errorf("the table says %q where the sweep blamed nobody", tier)
		}
		w.pass(threshold - 2*time.Second)
		w.checkNoReports()
		w.pass(5 * time.Second) // now it has been idle for the threshold under our eyes
		if reports := w.eventsOf(tracer.EventLeakSuspected); len(reports) != 1 {
			t.Errorf("%d reports once it was seen idle for the threshold, want 1", len(reports))
		}
		conn.Release()
		w.checkRest(0)
	})
}
