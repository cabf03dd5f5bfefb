package tracer_test

import (
	"context"
	"net"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/tracer"
)

// Connections that are made with the pool's configuration and are not the pool's.

func TestForeignConn_MadeFromAHeldOnesConfigurationDoesNotHideItsLeak(t *testing.T) {
	hooks := map[string]pgx.QueryTracer{"alone": nil, "after another": tracer.New(suspicious)}
	for name, other := range hooks {
		t.Run(name, func(t *testing.T) {
			cfg := func(cfg *pgxpool.Config) { cfg.ConnConfig.Tracer = other }
			onWire(t, "pool_max_conns=4", suspicious, cfg, func(t *testing.T, w *watch) {
				leaked := w.acquire(t.Context())
				listener, err := pgx.ConnectConfig(t.Context(), leaked.Conn().Config())
				fail(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, _ = listener.WaitForNotification(ctx)
				}()
				w.pass(threshold + threshold)
				if n := len(w.eventsOf(tracer.EventLeakSuspected)); n != 1 {
					t.Errorf("%d leaks, holders %+v", n, w.hook.Holders())
				}
				cancel()
				<-done
				leaked.Release()
			})
		})
	}
}

// misuse has a connection do what would be noted of the pool's own.
func misuse(ctx context.Context, conn *pgx.Conn) {
	_, _ = conn.Exec(ctx, "SELECT error('25006')")
	batch := &pgx.Batch{}
	batch.Queue("SELECT error('25006')")
	_ = conn.SendBatch(ctx, batch).Close()
	_, _ = conn.Exec(ctx, "SELECT die()")
}

// checkOwn checks that the pool's books show so many connections and no fault.
func (w *watch) checkOwn(wantOpened, wantClosed int64) {
	w.t.Helper()
	snap := w.sweep()
	all := closed(&snap.Counters)
	if c := snap.Counters; c.Counts[counts.Opened] != wantOpened || all != wantClosed || c.Connecting != 0 {
		w.t.Errorf("%d opened, %d closed, %d connecting, want %d, %d and 0", c.Counts[counts.Opened], all, c.Connecting, wantOpened, wantClosed)
	}
	if c := &snap.Counters.Counts; c[counts.ConnectFailures]+c[counts.Lost]+c[counts.ReadOnly] != 0 {
		w.t.Errorf("faults %+v", snap.Faults)
	}
}

func TestForeignConn_IsNotCounted(t *testing.T) {
	for _, test := range []struct {
		name   string
		first  func(w *watch) // what the pool has done before
		opened int64
	}{
		{"once it has connected", func(w *watch) { w.acquire(w.t.Context()).Release() }, 1},
		{"before it connects", func(w *watch) { w.hook.Bind(w.pool) }, 0},
		{"while it connects", func(w *watch) {
			w.srv.SetConnectDelay(time.Minute)
			go func() { _ = w.pool.Ping(context.Background()) }()
			synctest.Wait()
			w.srv.SetConnectDelay(0)
		}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			onWire(t, "pool_max_conns=4", suspicious, nil, func(t *testing.T, w *watch) {
				test.first(w)
				conn, err := pgx.ConnectConfig(t.Context(), w.pool.Config().ConnConfig)
				fail(t, err)
				misuse(t.Context(), conn)
				replica := w.pool.Config().ConnConfig
				replica.DialFunc = func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
				if _, err := pgx.ConnectConfig(t.Context(), replica); err == nil {
					t.Error("connected to nothing")
				}
				time.Sleep(2 * time.Minute)
				w.checkOwn(test.opened, 0)
			})
		})
	}
}

func TestForeignConn_OfASecondPoolIsNotTheFirsts(t *testing.T) {
	for _, connecting := range []bool{false, true} { // both at the same time
		onWire(t, "pool_max_conns=4", suspicious, nil, func(t *testing.T, w *watch) {
			conn := w.acquire(t.Context())
			defer conn.Release()
			if connecting {
				w.srv.SetConnectDelay(time.Minute)
				go func() { _ = w.pool.Ping(context.Background()) }()
				synctest.Wait()
				w.srv.SetConnectDelay(0)
			}
			cfg := w.pool.Config()
			cfg.MinConns = 2
			second, err := pgxpool.NewWithConfig(t.Context(), cfg)
			fail(t, err)
			defer second.Close()
			synctest.Wait()
			for range 2 {
				conn, err := second.Acquire(t.Context())
				fail(t, err)
				defer conn.Release()
				misuse(t.Context(), conn.Conn())
			}
			time.Sleep(2 * time.Minute)
			if connecting {
				w.checkOwn(4, 2) // two that were taken for the pool's have left again
			} else {
				w.checkOwn(1, 0)
			}
		})
	}
}

func TestBeforeConnect_SetLaterLosesNoneOfThePoolsConnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := wire.NewServer()
		defer srv.Close()
		cfg := srv.Config(t, "pool_max_conns=4 pool_min_conns=2")
		hook := install(cfg, suspicious)
		cfg.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { return nil }
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		fail(t, err)
		defer pool.Close()
		hook.Bind(pool)
		synctest.Wait()
		w := &watch{t: t, pool: pool, hook: hook, srv: srv}
		w.checkOwn(2, 0)
		conn, err := pgx.ConnectConfig(t.Context(), cfg.ConnConfig)
		fail(t, err)
		misuse(t.Context(), conn)
		w.checkOwn(2, 0)
		pool.Reset()
		time.Sleep(time.Second)
		w.checkOwn(2, 2)
	})
}

func TestConnect_LeavesNoMarkerInTheConnection(t *testing.T) {
	onWire(t, "pool_max_conns=1", suspicious, nil, func(t *testing.T, w *watch) {
		conn := w.acquire(t.Context())
		defer conn.Release()
		if got := conn.Conn().Config().Tracer; got != w.pool.Config().ConnConfig.Tracer {
			t.Errorf("the connection's tracer is %T", got)
		}
	})
}

// TestBeforeConnect_AroundTheHooksMayAddATracer, and both get every event.
func TestBeforeConnect_AroundTheHooksMayAddATracer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := wire.NewServer()
		defer srv.Close()
		cfg := srv.Config(t, "pool_max_conns=1")
		first, later := &diary{}, &diary{}
		cfg.ConnConfig.Tracer = first
		hook := install(cfg, suspicious)
		inner := cfg.BeforeConnect
		cfg.BeforeConnect = func(ctx context.Context, cc *pgx.ConnConfig) error {
			err := inner(ctx, cc)
			cc.Tracer = tracer.Compose(cc.Tracer, later)
			return err
		}
		pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
		fail(t, err)
		defer pool.Close()
		everything(t, pool)
		want := slices.DeleteFunc(slices.Clone(first.seen), func(s string) bool { return s == "acquire start" || s == "acquire end" || s == "release" })
		if !slices.Equal(later.seen, want) || len(want) == 0 {
			t.Errorf("the later one saw\n%v\nof\n%v", later.seen, want)
		}
		if c := hook.Counters(); c.Counts[counts.Opened] != 1 || c.Counts[counts.Acquired] != 1 {
			t.Errorf("counters %+v", c)
		}
	})
}

func TestHijack_LeavesRefusedWritesOut(t *testing.T) {
	onWire(t, "pool_max_conns=2", suspicious, nil, func(t *testing.T, w *watch) {
		conn := w.acquire(t.Context()).Hijack()
		w.sweep()
		misuse(t.Context(), conn)
		w.checkOwn(1, 0)
	})
}
