package tracer_test

import (
	"context"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/tracer"
)

const threshold = 30 * time.Second

// watch is a pool with its hook, and what sweeps have told so far.
type watch struct {
	t      *testing.T
	pool   *pgxpool.Pool
	hook   *tracer.Tracer
	srv    *wire.Server  // nil on a real server
	every  time.Duration // between sweeps; 0 is a second
	events []tracer.Event
}

// install puts a new hook into cfg.
func install(cfg *pgxpool.Config, opts tracer.Options) *tracer.Tracer {
	hook := tracer.New(opts)
	hook.SetLimits(cfg.MaxConnLifetime, cfg.MaxConnIdleTime)
	cfg.ConnConfig.Tracer = tracer.Compose(hook, cfg.ConnConfig.Tracer)
	cfg.BeforeConnect = hook.WrapBeforeConnect(cfg.BeforeConnect)
	cfg.AfterConnect = hook.WrapAfterConnect(cfg.AfterConnect)
	cfg.BeforeClose = hook.WrapBeforeClose(cfg.BeforeClose)
	return hook
}

func open(t *testing.T, cfg *pgxpool.Config, opts tracer.Options) *watch {
	t.Helper()
	hook := install(cfg, opts)
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &watch{t: t, pool: pool, hook: hook}
}

// onWire runs f in a bubble of fake time with a pool on a server in memory. configure may be nil.
func onWire(t *testing.T, dsn string, opts tracer.Options, configure func(*pgxpool.Config), f func(t *testing.T, w *watch)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := wire.NewServer()
		defer srv.Close()
		cfg := srv.Config(t, dsn)
		if configure != nil {
			configure(cfg)
		}
		w := open(t, cfg, opts)
		w.srv = srv
		defer w.pool.Close()
		f(t, w)
	})
}

// onPostgres opens a pool on a real server.
func onPostgres(t *testing.T, opts tracer.Options, configure func(*pgxpool.Config)) *watch {
	t.Helper()
	cfg := pgtest.Config(t)
	if configure != nil {
		configure(cfg)
	}
	w := open(t, cfg, opts)
	t.Cleanup(w.pool.Close)
	return w
}

func (w *watch) used() int { return int(w.pool.Stat().AcquiredConns()) }

// sweep sweeps once and keeps the events.
func (w *watch) sweep() tracer.Snapshot {
	snap := w.hook.Sweep(w.used, 0)
	w.events = append(w.events, snap.Events...)
	return snap
}

// pass lets fake time pass, and sweeps.
func (w *watch) pass(d time.Duration) (last tracer.Snapshot) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(max(w.every, time.Second))
		last = w.sweep()
	}
	return last
}

// count is one of the hook's counts.
func (w *watch) count(name counts.Name) int64 {
	c := w.hook.Counters()
	return c.Counts[name]
}

// closed is how many connections were closed, for whatever reason.
func closed(c *tracer.Counters) (all int64) {
	for i := range tracer.Reasons {
		all += c.Counts[counts.ClosedBroken+counts.Name(i)]
	}
	return all
}

// eventsOf returns the events of one kind so far.
func (w *watch) eventsOf(kind tracer.EventKind) (out []tracer.Event) {
	for _, e := range w.events {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func (w *watch) acquire(ctx context.Context) *pgxpool.Conn {
	w.t.Helper()
	conn, err := w.pool.Acquire(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return conn
}

func exec(t *testing.T, db interface {
	Query(context.Context, string, ...any) (pgx.Rows, error)
}, sql string,
) {
	t.Helper()
	rows, err := db.Query(t.Context(), sql)
	if err == nil {
		rows.Close()
		err = rows.Err()
	}
	if err != nil {
		t.Error(err)
	}
}

// place is a line of a test.
type place struct {
	file string
	line int
}

// nextLine is the line after the one that calls it.
func nextLine() place {
	_, file, line, _ := runtime.Caller(1)
	return place{filepath.Base(file), line + 1}
}

func placeOf(f tracer.Frame) place { return place{filepath.Base(f.File), f.Line} }

// checkRest checks what must hold of a pool at rest that holds n connections.
func (w *watch) checkRest(held int) {
	w.t.Helper()
	w.sweep()
	c := w.sweep().Counters
	if err := c.Reconcile(held); err != nil {
		w.t.Error(err)
	}
	if n := len(w.hook.Holders()); n != held {
		w.t.Errorf("%d holders, want %d", n, held)
	}
	if n := len(w.hook.Waiters()); n != 0 {
		w.t.Errorf("%d waiters at rest", n)
	}
}
