package poolstate_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/otelpool/pgx/internal/poolstate"
	"github.com/otelpool/pgx/internal/testing/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) *pgxpool.Pool {
	t.Helper()
	srv := wire.NewServer()
	t.Cleanup(srv.Close)
	pool, err := pgxpool.NewWithConfig(t.Context(), srv.Config(t, "pool_max_conns=8"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// TestClosed_DistinguishesAClosedPoolFromAnOpenOne fails when pgx or puddle rename what this package reads.
func TestClosed_DistinguishesAClosedPoolFromAnOpenOne(t *testing.T) {
	pool := open(t)
	if poolstate.Closed(pool) {
		t.Error("an open pool is called closed")
	}
	pool.Close()
	if !poolstate.Closed(pool) {
		t.Error("a closed pool is called open: has puddle renamed its field?")
	}
}

// TestMembers_AreTheConnectionsThatThePoolOwns fails when pgx or puddle rename what this package reads.
func TestMembers_AreTheConnectionsThatThePoolOwns(t *testing.T) {
	pool := open(t)
	var members []*pgx.Conn
	check := func(when string, want ...*pgx.Conn) {
		t.Helper()
		var ok bool
		members, ok = poolstate.Members(pool, members)
		if !ok {
			t.Fatal("not known: has puddle renamed its fields?")
		}
		for _, conn := range want {
			if !slices.Contains(members, conn) {
				t.Errorf("%s: a connection is missing", when)
			}
		}
		if len(members) != len(want) {
			t.Errorf("%s: %d members, want %d", when, len(members), len(want))
		}
	}
	check("empty")
	first, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	one, two := first.Conn(), second.Conn()
	check("both acquired", one, two)
	first.Release()
	check("one idle", one, two)
	second.Hijack()
	check("one hijacked", one)
	_ = two.Close(t.Context())
	pool.Reset()
	check("reset")
}

func TestMembers_AreNotKnownOfANilOrZeroPool(t *testing.T) {
	for _, pool := range []*pgxpool.Pool{nil, {}} {
		if _, ok := poolstate.Members(pool, nil); ok || poolstate.Closed(pool) {
			t.Errorf("%v is known", pool)
		}
	}
}

// TestMembers_MayBeReadWhileThePoolIsUsed is for the race detector.
func TestMembers_MayBeReadWhileThePoolIsUsed(t *testing.T) {
	pool := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				conn, err := pool.Acquire(ctx)
				if err != nil {
					return
				}
				if i == 0 {
					_ = conn.Conn().Close(ctx)
				}
				conn.Release()
			}
		})
	}
	var members []*pgx.Conn
	for range 500 {
		var ok bool
		if members, ok = poolstate.Members(pool, members); !ok || len(members) > 8 {
			t.Errorf("%d members, %t", len(members), ok)
		}
		if poolstate.Closed(pool) {
			t.Error("closed")
		}
	}
	cancel()
	all.Wait()
}

// TestTracer_IsTheOneThatThePoolWasBuiltWith fails when pgx renames what this package reads.
func TestTracer_IsTheOneThatThePoolWasBuiltWith(t *testing.T) {
	pool := open(t)
	pool.Config().ConnConfig.Tracer = deaf{} // a copy
	if tracer, ok := poolstate.Tracer(pool); !ok || tracer != nil {
		t.Errorf("of a pool without one: %v, %t: has pgxpool renamed its field?", tracer, ok)
	}
	srv := wire.NewServer()
	t.Cleanup(srv.Close)
	cfg := srv.Config(t, "")
	cfg.ConnConfig.Tracer = deaf{}
	traced, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(traced.Close)
	if tracer, ok := poolstate.Tracer(traced); !ok || tracer != (deaf{}) {
		t.Errorf("%v, %t", tracer, ok)
	}
}

// deaf is a tracer that does nothing.
type deaf struct{}

func (deaf) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return ctx
}
func (deaf) TraceAcquireEnd(context.Context, *pgxpool.Pool, pgxpool.TraceAcquireEndData) {}
func (deaf) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (deaf) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestMembers_AreCopiedWithoutAllocation: it is done under the pool's lock.
func TestMembers_AreCopiedWithoutAllocation(t *testing.T) {
	pool := open(t)
	if err := pool.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	members, _ := poolstate.Members(pool, nil)
	if n := testing.AllocsPerRun(100, func() { members, _ = poolstate.Members(pool, members) }); n > 1 { // reflect's, before the lock
		t.Errorf("%v allocations", n)
	}
}
