package tracer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/tracer"
)

func TestRelease_CountsWhyThePoolDestroysTheConnection(t *testing.T) {
	for _, test := range []struct {
		name string
		use  func(t *testing.T, conn *pgxpool.Conn)
		want tracer.Reason // "" if the connection is kept
	}{
		{"nothing happened", func(*testing.T, *pgxpool.Conn) {}, ""},
		{"a query failed", func(t *testing.T, conn *pgxpool.Conn) {
			if _, err := conn.Exec(t.Context(), "SELECT error('23505')"); err == nil {
				t.Error("no error")
			}
		}, ""},
		{"its holder closed it", func(t *testing.T, conn *pgxpool.Conn) { fail(t, conn.Conn().Close(t.Context())) }, tracer.ReasonBroken},
		{"the server ended it", func(t *testing.T, conn *pgxpool.Conn) { _, _ = conn.Exec(t.Context(), "SELECT die()") }, tracer.ReasonBroken},
		{"a deadline passed", func(t *testing.T, conn *pgxpool.Conn) { sleepUntilDeadline(t, conn) }, tracer.ReasonCanceled},
		{"a caller gave up", func(t *testing.T, conn *pgxpool.Conn) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_, _ = conn.Exec(ctx, "SELECT pg_sleep(60)")
		}, tracer.ReasonCanceled},
		{"a caller gave up, and another query was tried", func(t *testing.T, conn *pgxpool.Conn) {
			sleepUntilDeadline(t, conn)
			_, _ = conn.Exec(t.Context(), "SELECT 1")
		}, tracer.ReasonCanceled},
		{"a rollback came too late", func(t *testing.T, conn *pgxpool.Conn) {
			ctx, cancel := context.WithCancel(t.Context())
			tx, err := conn.Begin(ctx)
			fail(t, err)
			cancel()
			_ = tx.Rollback(ctx)
		}, tracer.ReasonCanceled},
		{"a query came too late, and the next one in time", func(t *testing.T, conn *pgxpool.Conn) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, _ = conn.Exec(ctx, "SELECT 1")
			exec(t, conn, "SELECT 1")
		}, ""},
		{"a query came too late, and its holder closed it after the next one", func(t *testing.T, conn *pgxpool.Conn) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, _ = conn.Exec(ctx, "SELECT 1")
			exec(t, conn, "SELECT 1")
			fail(t, conn.Conn().Close(t.Context()))
		}, tracer.ReasonBroken},
		{"rows are open", func(t *testing.T, conn *pgxpool.Conn) {
			rows, err := conn.Query(t.Context(), "SELECT generate_series(1, 10)")
			fail(t, err)
			rows.Next()
		}, tracer.ReasonBusy},
		{"a transaction is open", func(t *testing.T, conn *pgxpool.Conn) { exec(t, conn, "BEGIN") }, tracer.ReasonInTransaction},
		{"a transaction has failed", func(t *testing.T, conn *pgxpool.Conn) {
			exec(t, conn, "BEGIN")
			_, _ = conn.Exec(t.Context(), "SELECT error('40001')")
		}, tracer.ReasonInTransaction},
	} {
		for _, unpaired := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, unpaired=%t", test.name, unpaired), func(t *testing.T) {
				onWire(t, "pool_max_conns=1", tracer.Options{}, nil, func(t *testing.T, w *watch) {
					conn := w.acquire(t.Context())
					if unpaired {
						conn.Release()
						conn = w.pool.AcquireAllIdle(t.Context())[0]
					}
					test.use(t, conn)
					conn.Release()
					time.Sleep(20 * time.Second) // destruction is asynchronous
					c := w.hook.Counters()
					for i, reason := range tracer.Reasons {
						want := int64(0)
						if reason == test.want {
							want = 1
						}
						if n := c.Counts[counts.ClosedBroken+counts.Name(i)]; n != want {
							t.Errorf("%s: %d closed, want %d", reason, n, want)
						}
						destroyed := counts.DestroyedBroken + counts.Name(i)
						if !unpaired && destroyed <= counts.DestroyedCanceled && c.Counts[destroyed] != want {
							t.Errorf("%s: %d destroyed on release, want %d", reason, c.Counts[destroyed], want)
						}
					}
				})
			})
		}
	}
}

func sleepUntilDeadline(t *testing.T, conn *pgxpool.Conn) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, _ = conn.Exec(ctx, "SELECT pg_sleep(60)")
}

func TestClose_HasTheReasonOfThePool(t *testing.T) {
	for _, test := range []struct {
		name, dsn string
		do        func(t *testing.T, w *watch)
		want      tracer.Reason
	}{
		{"lifetime", "pool_max_conn_lifetime=10m", func(_ *testing.T, w *watch) {
			for range 15 {
				time.Sleep(time.Minute)
				w.acquire(w.t.Context()).Release()
			}
		}, tracer.ReasonLifetime},
		{"idle", "pool_max_conn_idle_time=5m", func(*testing.T, *watch) { time.Sleep(7 * time.Minute) }, tracer.ReasonIdle},
		{"no idle time", "pool_max_conn_idle_time=0s", func(*testing.T, *watch) { time.Sleep(2 * time.Minute) }, tracer.ReasonIdle},
		{"reset within the jitter", "pool_max_conn_lifetime=10m pool_max_conn_lifetime_jitter=1000000h", func(_ *testing.T, w *watch) {
			time.Sleep(20 * time.Minute)
			w.pool.Reset()
		}, tracer.ReasonDiscarded},
		{"reset", "", func(_ *testing.T, w *watch) { w.pool.Reset() }, tracer.ReasonDiscarded},
		{"close", "", func(_ *testing.T, w *watch) { w.pool.Close() }, tracer.ReasonDiscarded},
		{"cut while idle", "", func(t *testing.T, w *watch) {
			w.srv.CloseAll()
			time.Sleep(2 * time.Second) // idle that long it is pinged
			w.acquire(t.Context()).Release()
		}, tracer.ReasonBroken},
	} {
		t.Run(test.name, func(t *testing.T) {
			onWire(t, "pool_max_conns=1 "+test.dsn, tracer.Options{}, nil, func(t *testing.T, w *watch) {
				w.acquire(t.Context()).Release()
				test.do(t, w)
				time.Sleep(20 * time.Second)
				for i, reason := range tracer.Reasons {
					if n := w.count(counts.ClosedBroken + counts.Name(i)); (n > 0) != (reason == test.want) || n > 1 {
						t.Errorf("%s: %d closed", reason, n)
					}
				}
			})
		})
	}
}

func TestRelease_OfAConnectionThatThePoolDestroysForAnotherReasonThanItsStateIsClean(t *testing.T) {
	for _, test := range []struct {
		name, dsn string
		configure func(*pgxpool.Config)
	}{
		{"its lifetime is over", "pool_max_conn_lifetime=1m", nil},
		{"AfterRelease refuses it", "", func(cfg *pgxpool.Config) { cfg.AfterRelease = func(*pgx.Conn) bool { return false } }},
	} {
		t.Run(test.name, func(t *testing.T) {
			onWire(t, "pool_max_conns=1 "+test.dsn, tracer.Options{}, test.configure, func(t *testing.T, w *watch) {
				conn := w.acquire(t.Context())
				time.Sleep(2 * time.Minute)
				conn.Release()
				time.Sleep(time.Second)
				c := w.hook.Counters()
				destroyed := c.Counts[counts.DestroyedBroken] + c.Counts[counts.DestroyedBusy] + c.Counts[counts.DestroyedInTransaction] + c.Counts[counts.DestroyedCanceled]
				if c.Counts[counts.Released] != 1 || destroyed != 0 || closed(&c) != 1 {
					t.Errorf("%d released, %d of them destroyed for their state, %d closed", c.Counts[counts.Released], destroyed, closed(&c))
				}
			})
		})
	}
}
