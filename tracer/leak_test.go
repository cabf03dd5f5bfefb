package tracer_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/otelpool/pgx/tracer"
)

// leak takes a connection and says where, and how to give it back after all.
type leak struct {
	name string
	take func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) (where place, back func())
	// closes means that the library itself gives the connection back when the context is done.
	closes bool
}

var leaks = []leak{
	{name: "Acquire without Release", take: func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) (place, func()) {
		where := nextLine()
		conn, err := pool.Acquire(ctx)
		fail(t, err)
		return where, conn.Release
	}},
	{name: "Query whose Rows are not closed", take: func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) (place, func()) {
		where := nextLine()
		rows, err := pool.Query(ctx, "SELECT generate_series(1, 100)")
		fail(t, err)
		rows.Next()
		return where, rows.Close
	}},
	{name: "QueryRow without Scan", take: func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) (place, func()) {
		where := nextLine()
		row := pool.QueryRow(ctx, "SELECT 1")
		return where, func() { var n int; _ = row.Scan(&n) }
	}},
	{name: "Begin without Commit or Rollback", take: func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) (place, func()) {
		where := nextLine()
		tx, err := pool.Begin(ctx)
		fail(t, err)
		_, err = tx.Exec(ctx, "UPDATE t SET a = 1")
		fail(t, err)
		return where, func() { _ = tx.Rollback(context.Background()) }
	}},
	{name: "a batch that is not closed", take: func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) (place, func()) {
		batch := &pgx.Batch{}
		batch.Queue("SELECT 1")
		batch.Queue("SELECT 2")
		where := nextLine()
		results := pool.SendBatch(ctx, batch)
		return where, func() { _ = results.Close() }
	}},
	{name: "database/sql rows that are not closed", closes: true, take: func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) (place, func()) {
		db := stdlib.OpenDBFromPool(pool)
		where := nextLine()
		rows, err := db.QueryContext(ctx, "SELECT generate_series(1, 100)")
		fail(t, err)
		rows.Next()
		fail(t, rows.Err())
		return where, func() {
			_ = rows.Close()
			_ = db.Close()
		}
	}},
	{name: "a database/sql transaction that is not ended", closes: true, take: func(t *testing.T, ctx context.Context, pool *pgxpool.Pool) (place, func()) {
		db := stdlib.OpenDBFromPool(pool)
		where := nextLine()
		tx, err := db.BeginTx(ctx, &sql.TxOptions{})
		fail(t, err)
		return where, func() {
			_ = tx.Rollback()
			_ = db.Close()
		}
	}},
}

func fail(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLeak_IsReportedOnceWithItsPlaceInEveryWayToLeak(t *testing.T) {
	for _, leak := range leaks {
		t.Run(leak.name, func(t *testing.T) {
			onWire(t, "pool_max_conns=4", tracer.Options{StackDepth: 16, LeakThreshold: threshold}, nil, func(t *testing.T, w *watch) {
				where, back := leak.take(t, t.Context(), w.pool) // the first acquire of all
				last := w.pass(2 * threshold)
				back()
				suspected := w.eventsOf(tracer.EventLeakSuspected)
				if len(suspected) != 1 {
					t.Fatalf("%d reports, want 1: %+v", len(suspected), suspected)
				}
				h := suspected[0].Holder
				if h.Evidence != tracer.EvidenceIdleHeld || h.Age < threshold || h.Age > threshold+2*time.Second {
					t.Errorf("reported as %q at age %s", h.Evidence, h.Age)
				}
				if len(h.Stack) == 0 || placeOf(h.Stack[0]) != where {
					t.Errorf("taken at %v, reported at %v", where, h.Stack)
				}
				if h.PID == 0 || !strings.HasPrefix(h.Site, "leak_test.go:") {
					t.Errorf("holder %+v", h)
				}
				if last.Active != 1 || last.Suspects[tracer.EvidenceIdleHeld] != 1 {
					t.Errorf("%d active, %v suspects", last.Active, last.Suspects)
				}
				w.pass(2 * time.Second)
				recovered := w.eventsOf(tracer.EventLeakRecovered)
				if len(recovered) != 1 || len(w.events) != 2 {
					t.Fatalf("events %+v", w.events)
				}
				if r := recovered[0].Holder; r.PID != h.PID || r.Evidence != h.Evidence || len(r.Stack) == 0 {
					t.Errorf("recovered %+v", r)
				}
				w.checkRest(0)
			})
		})
	}
}

func TestLeak_IsOrphanedWhenItsContextIsDone(t *testing.T) {
	for _, leak := range leaks {
		t.Run(leak.name, func(t *testing.T) {
			onWire(t, "pool_max_conns=4", tracer.Options{StackDepth: 16, LeakThreshold: threshold}, nil, func(t *testing.T, w *watch) {
				ctx, cancel := context.WithTimeout(t.Context(), threshold+5500*time.Millisecond)
				defer cancel()
				where, back := leak.take(t, ctx, w.pool)
				w.pass(threshold + 5*time.Second)
				w.pass(threshold + 5*time.Second)
				reports := w.eventsOf(tracer.EventLeakSuspected)
				back()
				if leak.closes {
					if len(reports) != 1 || len(w.eventsOf(tracer.EventLeakRecovered)) != 1 {
						t.Errorf("%d reports, want one, and its recovery", len(reports))
					}
					w.checkRest(0)
					return
				}
				if len(reports) != 2 || reports[0].Holder.Evidence != tracer.EvidenceIdleHeld || reports[1].Holder.Evidence != tracer.EvidenceOrphaned {
					t.Fatalf("reports %+v, want one of each tier", reports)
				}
				h := reports[1].Holder
				if h.Context != context.DeadlineExceeded.Error() || placeOf(h.Stack[0]) != where {
					t.Errorf("context %q, place %v, want %v", h.Context, h.Stack[0], where)
				}
				w.checkRest(0)
				if recovered := w.eventsOf(tracer.EventLeakRecovered); len(recovered) != 1 {
					t.Errorf("recovered %+v", recovered)
				}
			})
		})
	}
}

// wrapped is what package otelpool installs: a type that embeds the hook.
type wrapped struct{ *tracer.Tracer }

func TestStack_OfOneFrameBeginsInTheApplication(t *testing.T) {
	for _, leak := range leaks {
		t.Run(leak.name, func(t *testing.T) {
			var hook *tracer.Tracer
			configure := func(cfg *pgxpool.Config) {
				hook = tracer.New(tracer.Options{StackDepth: 1})
				// Two multitracers deep, as when an application composes what was composed already.
				cfg.ConnConfig.Tracer = multitracer.New(multitracer.New(&wrapped{hook}))
			}
			onWire(t, "pool_max_conns=4", tracer.Options{}, configure, func(t *testing.T, w *watch) {
				where, back := leak.take(t, t.Context(), w.pool)
				defer back()
				holders := hook.Holders()
				if len(holders) != 1 || len(holders[0].Stack) == 0 || placeOf(holders[0].Stack[0]) != where {
					t.Errorf("taken at %v, holders %+v", where, holders)
				}
			})
		})
	}
}

func TestLeak_OnARealServerIsReportedWithItsPlace(t *testing.T) {
	const soon = 50 * time.Millisecond
	for _, leak := range leaks {
		t.Run(leak.name, func(t *testing.T) {
			w := onPostgres(t, tracer.Options{StackDepth: 16, LeakThreshold: soon}, nil)
			exec(t, w.pool, "CREATE TABLE t (a int)")
			w.checkRest(0)
			where, back := leak.take(t, t.Context(), w.pool)
			time.Sleep(soon)
			for len(w.eventsOf(tracer.EventLeakSuspected)) == 0 && t.Context().Err() == nil {
				time.Sleep(soon)
				w.sweep()
			}
			back()
			h := w.eventsOf(tracer.EventLeakSuspected)[0].Holder
			if placeOf(h.Stack[0]) != where {
				t.Errorf("taken at %v, reported at %v", where, h.Stack[0])
			}
			w.checkRest(0)
		})
	}
}

func TestLeakThreshold_OfZeroSuspectsNobody(t *testing.T) {
	onWire(t, "", tracer.Options{StackDepth: 16}, nil, func(t *testing.T, w *watch) {
		conn := w.acquire(t.Context())
		defer conn.Release()
		if w.pass(time.Hour); len(w.events) != 0 {
			t.Errorf("events %+v", w.events)
		}
	})
}

func TestLeak_ThatWorksAgainAndIsLeftAgainIsReportedOnce(t *testing.T) {
	onWire(t, "", tracer.Options{LeakThreshold: threshold}, nil, func(t *testing.T, w *watch) {
		conn := w.acquire(t.Context())
		w.pass(2 * threshold)
		exec(t, conn, "SELECT 1")
		if snap := w.sweep(); snap.Active != 0 || snap.Holders[0].Evidence != tracer.EvidenceSlowHold {
			t.Errorf("active %d, tier %q", snap.Active, snap.Holders[0].Evidence)
		}
		w.pass(2 * threshold)
		conn.Release()
		w.checkRest(0)
		if len(w.eventsOf(tracer.EventLeakSuspected)) != 1 || len(w.eventsOf(tracer.EventLeakRecovered)) != 1 {
			t.Errorf("events %+v", w.events)
		}
	})
}
