package main

import (
	"context"
	"sync"
	"time"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/postgres"
)

// acts are the faults of the script, in the order of play.
func (s *shop) acts(server *postgres.Server) []act {
	return []act{
		{"somebody forgets to release two connections", []healthcheck.Cause{healthcheck.CauseLeak}, s.forget},
		{"every request asks for a second connection while it holds the first", []healthcheck.Cause{healthcheck.CauseNestedAcquire}, s.nest},
		{"the database is slow", []healthcheck.Cause{healthcheck.CauseSlowDatabase}, s.crawl},
		{"the database goes away", []healthcheck.Cause{healthcheck.CauseServerShutdown, healthcheck.CauseUnreachable},
			func(ctx context.Context) (func() error, error) { return outage(ctx, server) }},
	}
}

// forget is a leak: the early return that skips the release.
func (s *shop) forget(ctx context.Context) (func() error, error) {
	ctx, span := s.tracer.Start(ctx, "checkout")
	defer span.End()
	first, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	second, err := s.pool.Acquire(ctx)
	if err != nil {
		first.Release()
		return nil, err
	}
	return func() error { first.Release(); second.Release(); return nil }, nil
}

// nest is the deadlock of a pool with itself: as many transactions as there are connections, each of which asks for one more.
func (s *shop) nest(ctx context.Context) (func() error, error) {
	return s.crowd(ctx, int(s.pool.Stat().MaxConns()), func(ctx context.Context) {
		tx, err := s.pool.Begin(ctx)
		if err != nil {
			return
		}
		defer tx.Rollback(context.WithoutCancel(ctx))
		pause(ctx, 200*time.Millisecond)                                    // until the others have theirs
		_, _ = s.pool.Exec(ctx, "SELECT count(*) FROM otelpool_demo.items") // should be tx.Exec
	}), nil
}

// crawl is a database that takes a second for what it used to do in a millisecond.
func (s *shop) crawl(ctx context.Context) (func() error, error) {
	return s.crowd(ctx, 2*int(s.pool.Stat().MaxConns()), func(ctx context.Context) {
		for ctx.Err() == nil {
			_, _ = s.pool.Exec(ctx, "SELECT pg_sleep(1)")
		}
	}), nil
}

// crowd runs n callers until end is called.
func (s *shop) crowd(ctx context.Context, n int, caller func(context.Context)) (end func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { caller(ctx) })
	}
	return func() error { cancel(); wg.Wait(); return nil }
}

func outage(ctx context.Context, server *postgres.Server) (func() error, error) {
	if err := server.Stop(ctx); err != nil {
		return nil, err
	}
	return func() error { return server.StartAgain(ctx) }, nil
}
