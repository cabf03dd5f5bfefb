package tracer_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/multitracer"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/errtype"
	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/tracer"
)

// The traps that pgx sets for its tracers, one test each.

// diary is a tracer that notes every event, and what its own Start put into the context.
type diary struct {
	name string
	mu   sync.Mutex // guards the rest
	seen []string
	lost []string // events that came without the context of their start
}

type diaryKey struct{ *diary }

func (d *diary) start(ctx context.Context, event string) context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, event+" start")
	return context.WithValue(ctx, diaryKey{d}, event)
}

func (d *diary) end(ctx context.Context, event string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, event+" end")
	if ctx.Value(diaryKey{d}) != event {
		d.lost = append(d.lost, event)
	}
}

func (d *diary) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return d.start(ctx, "query")
}
func (d *diary) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	d.end(ctx, "query")
}
func (d *diary) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return d.start(ctx, "batch")
}
func (d *diary) TraceBatchQuery(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchQueryData) {
	d.end(ctx, "batch")
}
func (d *diary) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) {
	d.end(ctx, "batch")
}
func (d *diary) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromStartData) context.Context {
	return d.start(ctx, "copy")
}
func (d *diary) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceCopyFromEndData) {
	d.end(ctx, "copy")
}
func (d *diary) TracePrepareStart(ctx context.Context, _ *pgx.Conn, _ pgx.TracePrepareStartData) context.Context {
	return d.start(ctx, "prepare")
}
func (d *diary) TracePrepareEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TracePrepareEndData) {
	d.end(ctx, "prepare")
}
func (d *diary) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return d.start(ctx, "connect")
}
func (d *diary) TraceConnectEnd(ctx context.Context, _ pgx.TraceConnectEndData) {
	d.end(ctx, "connect")
}
func (d *diary) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return d.start(ctx, "acquire")
}
func (d *diary) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	d.end(ctx, "acquire")
}
func (d *diary) TraceRelease(*pgxpool.Pool, pgxpool.TraceReleaseData) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, "release")
}

// everything makes each kind of event happen once.
func everything(t *testing.T, pool *pgxpool.Pool) {
	ctx := t.Context()
	conn, err := pool.Acquire(ctx)
	fail(t, err)
	defer conn.Release()
	_, err = conn.Exec(ctx, "SELECT 1")
	fail(t, err)
	_, err = conn.Conn().Prepare(ctx, "one", "SELECT 1")
	fail(t, err)
	batch := &pgx.Batch{}
	batch.Queue("SELECT 1")
	fail(t, conn.SendBatch(ctx, batch).Close())
	_, err = conn.Conn().CopyFrom(ctx, pgx.Identifier{"t"}, []string{"a"}, pgx.CopyFromRows([][]any{{1}}))
	fail(t, err)
}

func TestAComposedTracerLosesNoneOfTheSevenInterfaces(t *testing.T) {
	alone, before := &diary{name: "alone"}, &diary{name: "before"}
	for _, d := range []*diary{alone, before} {
		synctest.Test(t, func(t *testing.T) {
			srv := wire.NewServer()
			defer srv.Close()
			cfg := srv.Config(t, "pool_max_conns=1")
			cfg.ConnConfig.Tracer = d
			if d == before {
				install(cfg, tracer.Options{})
			}
			pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
			fail(t, err)
			defer pool.Close()
			everything(t, pool)
		})
	}
	if !slices.Equal(alone.seen, before.seen) {
		t.Errorf("alone it saw\n%v\ncomposed\n%v", alone.seen, before.seen)
	}
	for _, kind := range []string{"query", "batch", "copy", "prepare", "connect", "acquire"} {
		if !slices.Contains(before.seen, kind+" start") || !slices.Contains(before.seen, kind+" end") {
			t.Errorf("no %s among %v", kind, before.seen)
		}
	}
	if !slices.Contains(before.seen, "release") || len(before.lost) > 0 {
		t.Errorf("seen %v; without their context: %v", before.seen, before.lost)
	}
}

func TestComposedTracersAreCalledInOrderAndShareTheContext(t *testing.T) {
	first, second := &diary{name: "first"}, &diary{name: "second"}
	hook := tracer.New(tracer.Options{})
	composed := tracer.Compose(hook, nil, first, nil, second)
	multi, ok := composed.(*multitracer.Tracer)
	if !ok || len(multi.QueryTracers) != 3 {
		t.Fatalf("composed %T", composed)
	}
	for i, want := range []pgx.QueryTracer{first, second, hook} {
		if multi.QueryTracers[i] != want {
			t.Errorf("place %d: %T", i, multi.QueryTracers[i])
		}
	}
	ctx := multi.TraceQueryStart(t.Context(), nil, pgx.TraceQueryStartData{})
	if ctx.Value(diaryKey{first}) == nil || ctx.Value(diaryKey{second}) == nil {
		t.Error("a context was lost")
	}
	if tracer.Compose(hook) != pgx.QueryTracer(hook) {
		t.Error("a tracer alone is composed with nothing")
	}
}

func TestTheHookIsFoundThroughNestedMultitracers(t *testing.T) {
	hook := tracer.New(tracer.Options{})
	deep := multitracer.New(&diary{}, multitracer.New(&diary{}, multitracer.New(hook)))
	if found, ok := tracer.Find[*tracer.Tracer](deep); !ok || found != hook {
		t.Errorf("found %v, %v", found, ok)
	}
	if found, ok := tracer.Find[*tracer.Tracer](hook); !ok || found != hook {
		t.Errorf("found %v, %v", found, ok)
	}
	for _, without := range []any{nil, &diary{}, multitracer.New(&diary{}), (*multitracer.Tracer)(nil), 42} {
		if _, ok := tracer.Find[*tracer.Tracer](without); ok {
			t.Errorf("found in %T", without)
		}
	}
}

func TestAcquireAndReleaseArePairedWhileTheConnectionIsPassedOn(t *testing.T) {
	w := onPostgres(t, tracer.Options{StackDepth: 4}, func(cfg *pgxpool.Config) { cfg.MaxConns = 2 })
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 300 {
				conn, err := w.pool.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				conn.Release()
			}
		})
	}
	all.Wait()
	w.checkRest(0)
	if c := w.hook.Counters(); c.Counts[counts.Acquired] != 16*300 || c.Counts[counts.Released] != c.Counts[counts.Acquired] || c.Counts[counts.Unpaired] != 0 || c.MaxHeld > 2 {
		t.Errorf("counters %+v", c)
	}
}

func TestHijackSendsNoReleaseAndIsReconciled(t *testing.T) {
	onWire(t, "pool_max_conns=4", suspicious, nil, func(t *testing.T, w *watch) {
		c := w.acquire(t.Context())
		w.sweep()
		conn := c.Hijack()
		if got := w.sweep().Counters.Counts[counts.Hijacked]; got != 1 {
			t.Errorf("%d hijacked one sweep later, want 1", got)
		}
		exec(t, conn, "SELECT 1")
		w.pass(time.Hour)
		w.checkRest(0)
		w.checkNoReports()
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := conn.Exec(t.Context(), "SELECT 1"); err == nil {
			t.Error("a closed connection works")
		}
		w.checkRest(0)
	})
}

func TestTheHijackedConnectionIsToldFromOtherHolders(t *testing.T) {
	onWire(t, "pool_max_conns=9", suspicious, nil, func(t *testing.T, w *watch) {
		// Any of nine may be the one: the oldest, the youngest, one between; taken before a sweep or after.
		for i := range 9 {
			var conns []*pgxpool.Conn
			for range 9 {
				conns = append(conns, w.acquire(t.Context()))
				time.Sleep(time.Second)
				if i%2 == 0 {
					w.sweep()
				}
			}
			pid := conns[i].Conn().PgConn().PID()
			taken := conns[i].Hijack()
			w.sweep()
			for _, h := range w.sweep().Holders {
				if h.PID == pid {
					t.Errorf("%d: the hijacked connection is still among the holders", i)
				}
			}
			if n := w.hook.Counters().Counts[counts.Hijacked]; n != int64(i+1) {
				t.Errorf("%d hijacked, want %d", n, i+1)
			}
			w.checkRest(8)
			for _, conn := range slices.Delete(conns, i, i+1) {
				conn.Release()
			}
			if err := taken.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		w.checkRest(0)
		w.checkNoReports()
	})
}

func TestAcquireAllIdleReleasesWithoutAcquires(t *testing.T) {
	onWire(t, "pool_max_conns=4", suspicious, nil, func(t *testing.T, w *watch) {
		taken := w.acquire(t.Context())
		w.acquire(t.Context()).Release()
		idle := w.pool.AcquireAllIdle(t.Context())
		if len(idle) != 1 {
			t.Fatalf("%d idle", len(idle))
		}
		exec(t, idle[0], "SELECT 1")
		w.pass(time.Minute)
		if n := len(w.hook.Holders()); n != 1 {
			t.Errorf("%d holders: who takes what is idle is not one", n)
		}
		idle[0].Release()
		taken.Release()
		w.checkRest(0)
		if c := w.hook.Counters(); c.Counts[counts.Unpaired] != 1 || c.Counts[counts.Hijacked] != 0 || c.Counts[counts.Acquired] != 2 {
			t.Errorf("counters %+v", c)
		}
	})
}

func TestAHijackIsFoundAlthoughAcquireAllIdleInflatesTheCount(t *testing.T) {
	onWire(t, "pool_max_conns=4", suspicious, nil, func(t *testing.T, w *watch) {
		taken, spare := w.acquire(t.Context()), w.acquire(t.Context())
		spare.Release()
		conn := taken.Hijack()
		idle := w.pool.AcquireAllIdle(t.Context()) // AcquiredConns is 1 again
		w.sweep()
		for _, c := range idle {
			c.Release()
		}
		w.checkRest(0)
		if c := w.hook.Counters(); c.Counts[counts.Hijacked] != 1 {
			t.Errorf("%d hijacked", c.Counts[counts.Hijacked])
		}
		_ = conn.Close(t.Context())
	})
}

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
		{"a deadline passed", func(t *testing.T, conn *pgxpool.Conn) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _ = conn.Exec(ctx, "SELECT pg_sleep(60)")
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
						if !unpaired && destroyed <= counts.DestroyedInTransaction && c.Counts[destroyed] != want {
							t.Errorf("%s: %d destroyed on release, want %d", reason, c.Counts[destroyed], want)
						}
					}
				})
			})
		}
	}
}

func TestAPoolsOwnClosesHaveTheirReasons(t *testing.T) {
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

func TestStatCountsWhatTheHookCountsRight(t *testing.T) {
	var refuse atomic.Int32
	configure := func(cfg *pgxpool.Config) {
		cfg.PrepareConn = func(context.Context, *pgx.Conn) (bool, error) { return refuse.Add(-1) < 0, nil }
	}
	onWire(t, "pool_max_conns=2", tracer.Options{}, configure, func(t *testing.T, w *watch) {
		w.srv.RefuseDial(syscall.ECONNREFUSED)
		for range 3 {
			if _, err := w.pool.Acquire(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Fatal(err)
			}
		}
		c, stat := w.hook.Counters(), w.pool.Stat()
		if stat.NewConnsCount() != 3 || c.Counts[counts.Opened] != 0 || c.Counts[counts.ConnectFailures] != 3 {
			t.Errorf("Stat calls %d attempts connections; the hook has %d opened, %d failed", stat.NewConnsCount(), c.Counts[counts.Opened], c.Counts[counts.ConnectFailures])
		}
		if stat.AcquireCount()+stat.CanceledAcquireCount() != 0 || c.Counts[counts.Failed] != 3 || c.Counts[counts.Started] != 3 {
			t.Errorf("failed acquires: Stat counts %d, the hook %d of %d", stat.AcquireCount(), c.Counts[counts.Failed], c.Counts[counts.Started])
		}
		w.srv.Accept()
		refuse.Store(1) // the first connection is refused by a hook and another taken
		w.acquire(t.Context()).Release()
		c, stat = w.hook.Counters(), w.pool.Stat()
		if stat.AcquireCount() != 2 || c.Counts[counts.Acquired] != 1 {
			t.Errorf("a retry: Stat counts %d acquires, the hook %d, want 2 and 1", stat.AcquireCount(), c.Counts[counts.Acquired])
		}
		w.checkRest(0)
	})
}

func TestFailuresOfBackgroundConnectsAreSeenAndCancelledSiblingsAreNot(t *testing.T) {
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

func TestBeforeConnectErrorsAreCountedThoughNoConnectEventTellsOfThem(t *testing.T) {
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

func TestAfterConnectErrorsAreCountedAndTheirConnectionsClosed(t *testing.T) {
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

func TestAnAbsentAfterConnectStaysAbsent(t *testing.T) {
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

// TestConnectionsAreNeverReadFromAnotherGoroutine lets the race detector look: readers read while holders work.
func TestConnectionsAreNeverReadFromAnotherGoroutine(t *testing.T) {
	w := onPostgres(t, tracer.Options{StackDepth: 8, LeakThreshold: time.Nanosecond, SQLText: true}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				conn, err := w.pool.Acquire(ctx)
				if err != nil {
					return
				}
				_, _ = conn.Exec(ctx, "SELECT 1")
				tx, err := conn.Begin(ctx)
				if err == nil {
					_, _ = tx.Exec(ctx, "SELECT 2")
					_ = tx.Rollback(context.Background())
				}
				conn.Release()
			}
		})
	}
	for range 300 {
		w.hook.Holders()
		w.hook.Waiters()
		w.sweep()
		w.hook.Sites(10)
		w.hook.Flush()
	}
	cancel()
	all.Wait()
	w.checkRest(0)
}

func TestCloseWakesNoWaiterAndTheWaiterStaysInView(t *testing.T) {
	onWire(t, "pool_max_conns=1", tracer.Options{StackDepth: 8}, nil, func(t *testing.T, w *watch) {
		leaked := w.acquire(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := w.pool.Acquire(ctx); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		all.Go(w.pool.Close)
		time.Sleep(time.Hour)
		if waiters := w.hook.Waiters(); len(waiters) != 1 || waiters[0].Age < time.Hour || len(w.hook.Holders()) != 1 {
			t.Errorf("waiters %+v", waiters)
		}
		cancel()
		leaked.Release()
		all.Wait()
		w.checkRest(0)
		if _, err := w.pool.Acquire(t.Context()); err == nil {
			t.Error("a closed pool gave a connection")
		}
		if f := w.hook.Faults().Acquire; f.Type != errtype.PoolClosed || w.count(counts.Failed) != 1 {
			t.Errorf("fault %+v", f)
		}
		w.checkRest(0)
	})
}

func TestASecondPoolOnOneConfigurationIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := wire.NewServer()
		defer srv.Close()
		cfg := srv.Config(t, "pool_max_conns=4")
		w := open(t, cfg, suspicious)
		defer w.pool.Close()
		second, err := pgxpool.NewWithConfig(t.Context(), cfg)
		fail(t, err)
		defer second.Close()
		w.acquire(t.Context()).Release()
		leaked, err := second.Acquire(t.Context())
		fail(t, err)
		exec(t, leaked, "SELECT 1")
		w.pass(time.Hour)
		w.checkRest(0)
		w.checkNoReports()
		leaked.Release()
		w.checkRest(0)
		if c := w.hook.Counters(); c.Counts[counts.Started] != 1 || c.Counts[counts.Released] != 1 || c.Counts[counts.Unpaired] != 0 {
			t.Errorf("counters %+v", c)
		}
		if w.hook.Bind(second) != w.pool {
			t.Error("the second pool was bound")
		}
	})
}

func TestTwoHooksOnOnePoolDoNotTakeEachOthersRecords(t *testing.T) {
	other := tracer.New(suspicious)
	configure := func(cfg *pgxpool.Config) { cfg.ConnConfig.Tracer = other }
	onWire(t, "pool_max_conns=2", suspicious, configure, func(t *testing.T, w *watch) {
		for range 3 {
			conn := w.acquire(t.Context())
			exec(t, conn, "SELECT 1")
			for _, hook := range []*tracer.Tracer{w.hook, other} {
				if h := hook.Holders(); len(h) != 1 || h[0].Queries != 1 {
					t.Errorf("holders %+v", h)
				}
			}
			conn.Release()
		}
		for _, hook := range []*tracer.Tracer{w.hook, other} {
			if c := hook.Counters(); c.Counts[counts.Acquired] != 3 || c.Counts[counts.Released] != 3 || c.Counts[counts.Unpaired] != 0 || c.Counts[counts.Hijacked] != 0 {
				t.Errorf("counters %+v", c)
			}
		}
	})
}
