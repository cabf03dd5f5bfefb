package faults

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/healthcheck"
)

// goroutineFaults are what only a look at the goroutines tells apart.
var goroutineFaults = []scenario{
	{name: "rows open while grandchildren acquire", truth: causes(healthcheck.CauseNestedAcquire), sizes: usual, quiet: true, fault: openRowsDeadlock,
		says: []string{"rows are open", "exportAll", "Read the rows to the end or close them"}},
	{name: "goroutine ended", truth: causes(healthcheck.CauseLeak), sizes: usual, quiet: true, fault: endedGoroutines,
		says: []string{"has ended", "forgetConn"}},
	{name: "handler returned", truth: causes(healthcheck.CauseLeak), sizes: usual, quiet: true, fault: returnedHandlers,
		says: []string{"has left the code that took the connection"}},
	{name: "HTTP call while holding", truth: causes(healthcheck.CauseHeldIdle), sizes: usual, quiet: true, fault: httpCall,
		says: []string{"waits in net/http.", "callShop", "Make the HTTP call before acquiring"}},
	{name: "lock while holding", truth: causes(healthcheck.CauseHeldIdle), sizes: usual, quiet: true, fault: lockWhileHolding,
		says: []string{"waits in sync.(*Mutex).Lock", "Take the lock before the connection"}},
	{name: "listeners fill the pool", truth: causes(healthcheck.CauseHeldIdle), sizes: usual, quiet: true, fault: listeners,
		says: []string{"listening", "Give LISTEN a connection of its own"}},
	{name: "COPY with a slow producer", truth: causes(healthcheck.CauseHeldIdle), sizes: usual, quiet: true, fault: slowProducer,
		says: []string{"in a COPY whose next rows the application has not made yet"}},
	{name: "eight workers of one trace", truth: causes(healthcheck.CauseHeldIdle), sizes: usual[:1], quiet: true, fault: workersOfOneTrace},
	{name: "row of workers past the threshold", truth: causes(healthcheck.CauseHeldIdle), sizes: usual[:1], quiet: true, fault: blockedWorkers},
}

// openRowsDeadlock is the published one: rows stay open in one goroutine while those that it has started start others, whose
// acquires nothing can cancel.
func openRowsDeadlock(b *bench) func() {
	quit := make(chan struct{})
	for range b.pool.Stat().MaxConns() {
		b.workers.Go(func() { exportAll(b, quit) })
	}
	return func() { close(quit) }
}

func exportAll(b *bench, quit chan struct{}) {
	rows, err := b.pool.Query(b.ctx, "SELECT generate_series(1, 100000)")
	if err != nil {
		return
	}
	ended := make(chan struct{})
	b.workers.Go(func() {
		defer close(ended)
		var children sync.WaitGroup
		defer children.Wait()
		for range 2 {
			children.Go(func() {
				if conn, err := b.pool.Acquire(context.WithoutCancel(b.ctx)); err == nil {
					conn.Release()
				}
			})
		}
	})
	select {
	case <-ended:
	case <-quit:
	}
	rows.Close()
}

// endedGoroutines takes all connections in goroutines that end.
func endedGoroutines(b *bench) func() {
	conns := make(chan interface{ Release() }, b.pool.Stat().MaxConns())
	var takers sync.WaitGroup
	for range cap(conns) {
		takers.Go(func() { forgetConn(b, conns) })
	}
	takers.Wait()
	end := b.load(2, func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "SELECT 1") })
	return func() {
		for range cap(conns) {
			(<-conns).Release()
		}
		end()
	}
}

func forgetConn(b *bench, conns chan<- interface{ Release() }) {
	conn, err := b.pool.Acquire(b.ctx)
	if err != nil {
		b.t.Error(err)
		return
	}
	conns <- conn
}

// returnedHandlers takes all connections in handlers whose clients keep their own connections open.
func returnedHandlers(b *bench) func() {
	conns := make(chan interface{ Release() }, b.pool.Stat().MaxConns())
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { forgetConn(b, conns) }))
	for range cap(conns) {
		response, err := app.Client().Get(app.URL)
		b.must(err)
		b.must(response.Body.Close())
	}
	end := b.load(2, func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "SELECT 1") })
	return func() {
		for range cap(conns) {
			(<-conns).Release()
		}
		end()
		app.Close()
	}
}

// httpCall has every holder call a server that answers late, past the threshold of leaks.
func httpCall(b *bench) func() {
	quit := make(chan struct{})
	shop := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-quit:
		case <-r.Context().Done():
		}
	}))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	end := b.load(b.crowd(), func(ctx context.Context) { callShop(ctx, b, client, shop.URL) })
	return func() {
		close(quit)
		end()
		shop.Close()
	}
}

func callShop(ctx context.Context, b *bench, client *http.Client, url string) {
	conn, err := b.pool.Acquire(ctx)
	if err != nil {
		return
	}
	defer conn.Release()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		b.t.Error(err)
		return
	}
	if response, err := client.Do(request); err == nil {
		_ = response.Body.Close()
	}
}

func lockWhileHolding(b *bench) func() {
	var lock sync.Mutex
	lock.Lock()
	end := b.load(b.crowd(), func(ctx context.Context) {
		conn, err := b.pool.Acquire(ctx)
		if err != nil {
			return
		}
		defer conn.Release()
		lock.Lock()
		defer lock.Unlock()
	})
	return func() {
		lock.Unlock()
		end()
	}
}

func listeners(b *bench) func() {
	ctx, cancel := context.WithCancel(b.ctx)
	for range b.pool.Stat().MaxConns() {
		conn, err := b.pool.Acquire(b.ctx)
		b.must(err)
		_, err = conn.Exec(b.ctx, "LISTEN news")
		b.must(err)
		b.workers.Go(func() { _, _ = conn.Conn().WaitForNotification(ctx); conn.Release() })
	}
	end := b.load(2, func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "SELECT 1") })
	return func() { cancel(); end() }
}

func slowProducer(b *bench) func() {
	_, err := b.pool.Exec(b.ctx, "CREATE TABLE "+b.name+" (n int)")
	b.must(err)
	return b.load(b.crowd(), func(ctx context.Context) {
		n := 0
		_, _ = b.pool.CopyFrom(ctx, pgx.Identifier{b.name}, []string{"n"}, pgx.CopyFromFunc(func() ([]any, error) {
			if n++; n > 20 || ctx.Err() != nil {
				return nil, nil
			}
			sleep(ctx, 100*time.Millisecond)
			return []any{n}, nil
		}))
	})
}

// workersOfOneTrace have a trace in common, and nothing else.
func workersOfOneTrace(b *bench) func() {
	ctx, cancel := context.WithCancel(trace.ContextWithSpanContext(b.ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled,
	})))
	for range 2 * b.pool.Stat().MaxConns() {
		b.workers.Go(func() {
			for ctx.Err() == nil {
				_ = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
					_, err := tx.Exec(ctx, "SELECT 1")
					sleep(ctx, 400*time.Millisecond)
					return err
				})
			}
		})
	}
	return cancel
}

// blockedWorkers begin together and wait for one channel for longer than the threshold of leaks.
func blockedWorkers(b *bench) func() {
	quit := make(chan struct{})
	for range 2 * b.pool.Stat().MaxConns() {
		b.workers.Go(func() {
			conn, err := b.pool.Acquire(b.ctx)
			if err != nil {
				return
			}
			defer conn.Release()
			<-quit
		})
	}
	return func() { close(quit) }
}

// TestFindings_SayWhatTheGoroutinesDo plays the faults whose finding must say more than its cause, and that it stays as long as the
// fault does.
func TestFindings_SayWhatTheGoroutinesDo(t *testing.T) {
	t.Parallel()
	server := newServer(t)
	for _, s := range goroutineFaults {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, server)
			b.open(s.sizes[0], s.tweak)
			defer b.close()
			b.begin(s)
			heal := s.fault(b)
			defer heal()
			r, ok := b.await(func(r healthcheck.Report) bool { return said(r) == s.truth[0] && mentions(r.Findings[0], s.says) })
			if !ok {
				t.Fatalf("said: %+v", r.Findings)
			}
			for end := time.Now().Add(12 * time.Second); time.Now().Before(end); time.Sleep(interval / 10) {
				if r := b.monitor.Health(); said(r) != s.truth[0] && !excused(r.Since) {
					t.Errorf("later it says: %+v", r.Findings)
					return
				}
			}
		})
	}
}

// mentions says whether a finding has each of the words somewhere.
func mentions(f healthcheck.Finding, words []string) bool {
	text := f.Summary + "\n" + strings.Join(f.Evidence, "\n") + "\n" + f.Advice
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
}
