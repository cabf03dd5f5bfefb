package tracer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/tracer"
)

func TestCreateTime_IncludesBeforeConnectWhereverItShows(t *testing.T) {
	const before, connect = 2 * time.Second, 3 * time.Second
	var refusal error
	configure := func(cfg *pgxpool.Config) {
		cfg.BeforeConnect = func(context.Context, *pgx.ConnConfig) error {
			time.Sleep(before)
			return refusal
		}
	}
	onWire(t, "pool_max_conns=1", tracer.Options{}, configure, func(t *testing.T, w *watch) {
		var r recording
		w.hook.SetRecorder(&r)
		w.srv.SetConnectDelay(connect)
		refusal = errors.New("not yet")
		if _, err := w.pool.Acquire(t.Context()); err == nil {
			t.Error("acquired")
		}
		refusal = nil
		w.acquire(t.Context()).Release()
		w.hook.Flush()
		c := w.hook.Counters()
		if got := c.Counts.Time(counts.CreateTime).Round(time.Millisecond); got != before+connect || len(r.created) != 1 {
			t.Errorf("create time %s in all, recorded %v, want %s", got, r.created, before+connect)
		}
		for name, took := range map[string]time.Duration{"last": c.LastCreate, "recorded": r.created[0]} {
			if took.Round(time.Millisecond) != before+connect {
				t.Errorf("%s: %s, want %s", name, took, before+connect)
			}
		}
	})
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
				destroyed := c.Counts[counts.DestroyedBroken] + c.Counts[counts.DestroyedBusy] + c.Counts[counts.DestroyedInTransaction]
				if c.Counts[counts.Released] != 1 || destroyed != 0 || closed(&c) != 1 {
					t.Errorf("%d released, %d of them destroyed for their state, %d closed", c.Counts[counts.Released], destroyed, closed(&c))
				}
			})
		})
	}
}
