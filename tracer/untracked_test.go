package tracer_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/tracer"
)

func TestUntracked_AcquiresAreNeitherCountedNorListed(t *testing.T) {
	for name, outer := range map[string]func(pgx.QueryTracer) pgx.QueryTracer{
		"alone":                              func(hook pgx.QueryTracer) pgx.QueryTracer { return hook },
		"under a tracer that wraps contexts": func(hook pgx.QueryTracer) pgx.QueryTracer { return multitracer.New(hook, &wrapping{}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := wire.NewServer()
				defer srv.Close()
				cfg := srv.Config(t, "pool_max_conns=2")
				hook := install(cfg, tracer.Options{StackDepth: 8})
				cfg.ConnConfig.Tracer = outer(cfg.ConnConfig.Tracer)
				pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
				fail(t, err)
				defer pool.Close()
				w := &watch{t: t, pool: pool, hook: hook}

				w.acquire(t.Context()).Release()
				before := w.sweep().Counters
				conn := w.acquire(tracer.Untracked(t.Context()))
				if n := len(hook.Holders()); n != 0 {
					t.Errorf("%d holders", n)
				}
				conn.Release()
				gone, cancel := context.WithCancel(t.Context())
				cancel()
				if _, err := pool.Acquire(tracer.Untracked(gone)); err == nil {
					t.Error("a cancelled acquire succeeded")
				}
				after := w.sweep().Counters
				if after.Counts[counts.Unpaired] != before.Counts[counts.Unpaired]+1 {
					t.Errorf("%d releases without an acquire, want one more than %d", after.Counts[counts.Unpaired], before.Counts[counts.Unpaired])
				}
				after.Counts[counts.Unpaired] = before.Counts[counts.Unpaired]
				if after != before {
					t.Errorf("counted: %+v, before it was %+v", after, before)
				}
				w.checkRest(0)
			})
		})
	}
}
