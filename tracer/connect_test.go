package tracer_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/errtype"
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

func TestConnect_FailuresInTheBackgroundAreSeenAndCancelledSiblingsAreNot(t *testing.T) {
	configure := func(cfg *pgxpool.Config) {
		var n atomic.Int32
		dial := cfg.ConnConfig.DialFunc
		cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			if n.Add(1) == 1 {
				return nil, syscall.ECONNREFUSED
			}
			select { // the siblings take long
			case <-time.After(10 * time.Second):
				return dial(ctx, network, address)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	onWire(t, "pool_min_conns=4 pool_max_conns=4", tracer.Options{}, configure, func(t *testing.T, w *watch) {
		time.Sleep(5 * time.Second)
		f := w.hook.Faults()
		if w.count(counts.ConnectFailures) != 1 || f.Connect.Type != errtype.Refused || len(f.ConnectTypes) != 1 || f.ConnectTypes[errtype.Refused] != 1 {
			t.Errorf("faults %+v", f)
		}
		if c := w.hook.Counters(); c.Connecting != 0 || c.Counts[counts.Opened] != 0 || c.Counts[counts.Started] != 0 {
			t.Errorf("counters %+v", c)
		}
	})
}

func TestBeforeConnect_ErrorsAreCountedThoughNoConnectEventTellsOfThem(t *testing.T) {
	refusal := errors.New("vault is sealed: password=hunter2")
	d := &diary{}
	configure := func(cfg *pgxpool.Config) {
		cfg.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { return refusal }
		cfg.ConnConfig.Tracer = d
	}
	onWire(t, "pool_max_conns=1", tracer.Options{}, configure, func(t *testing.T, w *watch) {
		if _, err := w.pool.Acquire(t.Context()); err != refusal {
			t.Errorf("error %v was changed", err)
		}
		f := w.hook.Faults().Connect
		if w.count(counts.ConnectFailures) != 1 || f.Type != errtype.Other || f.Text != "vault is sealed: password=***" {
			t.Errorf("fault %+v", f)
		}
		if slices.Contains(d.seen, "connect start") {
			t.Error("there was a connect event: the wrapper would count twice")
		}
	})
}

func TestAfterConnect_ErrorsAreCountedAndTheirConnectionsClosed(t *testing.T) {
	refusal := errors.New("no")
	configure := func(cfg *pgxpool.Config) {
		cfg.AfterConnect = func(context.Context, *pgx.Conn) error { return refusal }
	}
	onWire(t, "pool_max_conns=1", tracer.Options{}, configure, func(t *testing.T, w *watch) {
		if _, err := w.pool.Acquire(t.Context()); err != refusal {
			t.Errorf("error %v was changed", err)
		}
		c := w.hook.Counters()
		if c.Counts[counts.ConnectFailures] != 1 || c.Counts[counts.Opened] != 1 || c.Counts[counts.ClosedDiscarded] != 1 {
			t.Errorf("faults %+v, opened %d, closed %v", w.hook.Faults(), c.Counts[counts.Opened], c.Counts[counts.ClosedBroken:])
		}
	})
}

func TestAfterConnect_ThatIsAbsentStaysAbsent(t *testing.T) {
	hook := tracer.New(tracer.Options{})
	if hook.WrapAfterConnect(nil) != nil {
		t.Error("a hook was made up")
	}
	called := false
	hook.WrapBeforeClose(func(*pgx.Conn) { called = true })(nil)
	if !called {
		t.Error("BeforeClose was swallowed")
	}
}
