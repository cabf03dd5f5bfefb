package otelpool_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

func TestConfigure_RefusesWhatPgxWouldPanicAt(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  *pgxpool.Config
		want error
	}{
		"nil":                   {nil, otelpool.ErrNilConfig},
		"the zero config":       {&pgxpool.Config{}, otelpool.ErrNotParsed},
		"a zero ConnConfig":     {&pgxpool.Config{ConnConfig: &pgx.ConnConfig{}}, otelpool.ErrNotParsed},
		"a connection's config": {&pgxpool.Config{ConnConfig: parse(t, address).ConnConfig}, otelpool.ErrNotParsed},
	} {
		if err := otelpool.Configure(tt.cfg); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

func TestConfigure_MayBeCalledOncePerConfiguration(t *testing.T) {
	cfg := parse(t, address)
	if err := otelpool.Configure(cfg); err != nil {
		t.Fatal(err)
	}
	hook := cfg.ConnConfig.Tracer
	for name, again := range map[string]*pgxpool.Config{"the same": cfg, "its copy": cfg.Copy()} {
		if err := otelpool.Configure(again); !errors.Is(err, otelpool.ErrConfigured) {
			t.Errorf("%s: got %v, want ErrConfigured", name, err)
		}
		if again.ConnConfig.Tracer != hook {
			t.Errorf("%s: a refused call changed the tracer", name)
		}
	}
}

// allEvents makes a pool send every event that there is.
func allEvents(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	ctx := t.Context()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = conn.Exec(ctx, "CREATE TEMPORARY TABLE t (n int)")
	must(err)
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"n"}, pgx.CopyFromRows([][]any{{1}, {2}}))
	must(err)
	batch := &pgx.Batch{}
	batch.Queue("SELECT 1")
	batch.Queue("SELECT 2")
	must(conn.SendBatch(ctx, batch).Close())
	if _, err = conn.Exec(ctx, "SELECT 1/0"); err == nil {
		t.Fatal("division by zero succeeded")
	}
}

func TestExistingTracer_GetsTheSameEventsAndContextsAsAlone(t *testing.T) {
	run := func(configure bool) []string {
		cfg := pgtest.Config(t)
		own := &everyTracer{}
		cfg.ConnConfig.Tracer = own
		if configure {
			if err := otelpool.Configure(cfg, quiet()...); err != nil {
				t.Fatal(err)
			}
		}
		pool := newPool(t, cfg)
		if configure {
			instrument(t, pool)
		}
		allEvents(t, pool)
		eventually(t, "the release is traced", func() bool { return slices.Contains(own.seen(), "release") })
		return own.seen()
	}
	alone, composed := run(false), run(true)
	if !slices.Equal(alone, composed) {
		t.Errorf("alone:\n%q\ncomposed:\n%q", alone, composed)
	}
	for _, kind := range []string{"connect", "acquire", `prepare select "n" from "t"`, "query SELECT 1/0", "batch", "copy", "release"} {
		if !slices.Contains(alone, kind) {
			t.Errorf("the script does not make the event %q: %q", kind, alone)
		}
	}
}

func TestExistingHooks_AreCalledOnceWithTheSameArgumentsAndErrors(t *testing.T) {
	cfg := pgtest.Config(t)
	refuse := errors.New("no credentials today")
	type key struct{}
	var connects []any
	closes := make(chan *pgx.Conn, 2)
	fail := false
	cfg.BeforeConnect = func(ctx context.Context, c *pgx.ConnConfig) error {
		connects = append(connects, ctx.Value(key{}), c.Database)
		if fail {
			return refuse
		}
		return nil
	}
	cfg.BeforeClose = func(c *pgx.Conn) { closes <- c }
	if err := otelpool.Configure(cfg, quiet()...); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, cfg)
	ctx := context.WithValue(t.Context(), key{}, "mine")
	conn := acquire(t, ctx, pool)
	inner := conn.Conn()
	if want := []any{"mine", cfg.ConnConfig.Database}; !slices.Equal(connects, want) {
		t.Errorf("BeforeConnect was called with %v, want %v", connects, want)
	}
	conn.Release()
	pool.Reset()
	if got := <-closes; got != inner {
		t.Errorf("BeforeClose was called with %p, want %p", got, inner)
	}
	fail = true
	if _, err := pool.Acquire(ctx); err == nil || err.Error() != refuse.Error() {
		t.Errorf("the hook's own error became %v", err)
	}
	if len(connects) != 4 || len(closes) != 0 {
		t.Errorf("hooks were called more than once: %v, and %d more closes", connects, len(closes))
	}
}

// pgxpool closes such a connection and calls no hook. If it were not counted as closed, opened less closed would differ from
// the pool's size.
func TestAfterConnect_ThatFailsIsAFailureAndAClosedConnection(t *testing.T) {
	cfg := pgtest.Config(t)
	refuse := errors.New("no search path today")
	cfg.AfterConnect = func(context.Context, *pgx.Conn) error { return refuse }
	if err := otelpool.Configure(cfg, quiet()...); err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, cfg)
	monitor := instrument(t, pool)
	if _, err := pool.Acquire(t.Context()); !errors.Is(err, refuse) {
		t.Fatalf("got %v", err)
	}
	if s := monitor.Stats(); s.ConnectionsCreated != 1 || s.ConnectionsClosed != 1 || s.LastError != refuse.Error() {
		t.Errorf("stats: %+v", s)
	}
}

func TestConfigure_AfterThePoolWasBuiltIsWarnedOf(t *testing.T) {
	var log journal
	cfg := pgtest.Config(t)
	pool := newPool(t, cfg)
	if err := otelpool.Configure(cfg, quiet(otelpool.WithLogger(log.logger(slog.LevelInfo)))...); err != nil {
		t.Fatal(err)
	}
	instrument(t, pool, quiet(otelpool.WithLogger(log.logger(slog.LevelInfo)))...)
	awaitEvents(t, &log, "pool.stat_only", 1)[0].check(t, "WARN", "as the last change of cfg")
}
