package wire_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/otelpool/pgx/internal/testing/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// withPool runs f in a bubble, with a pool on a server of its own.
func withPool(t *testing.T, dsn string, f func(t *testing.T, srv *wire.Server, pool *pgxpool.Pool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		srv := wire.NewServer()
		defer srv.Close()
		pool, err := pgxpool.NewWithConfig(t.Context(), srv.Config(t, dsn))
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		f(t, srv, pool)
	})
}

func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

func TestStatements_OfEveryKindWork(t *testing.T) {
	withPool(t, "pool_max_conns=2", func(t *testing.T, _ *wire.Server, pool *pgxpool.Pool) {
		ctx := t.Context()
		for range 3 { // prepared once, then reused
			var got int
			if err := pool.QueryRow(ctx, "SELECT $1::int4", 42).Scan(&got); err != nil || got != 42 {
				t.Fatalf("got %d, %v", got, err)
			}
		}
		rows, err := pool.Query(ctx, "SELECT generate_series(1, 5)")
		if err != nil {
			t.Fatal(err)
		}
		if numbers, err := pgx.CollectRows(rows, pgx.RowTo[int]); err != nil || len(numbers) != 5 {
			t.Errorf("rows: %v, %v", numbers, err)
		}
		err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			tag, err := tx.Exec(ctx, "INSERT INTO t VALUES ($1)", 1)
			if err == nil && tag.RowsAffected() != 1 {
				t.Errorf("tag %q", tag)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		var batch pgx.Batch
		batch.Queue("SELECT 1")
		batch.Queue("UPDATE t SET a = 1")
		if err := pool.SendBatch(ctx, &batch).Close(); err != nil {
			t.Error(err)
		}
		if _, err := pool.Exec(ctx, "SELECT error('23505')"); sqlState(err) != "23505" {
			t.Errorf("want 23505, got %v", err)
		}
		if _, err := pool.Exec(ctx, "FROBNICATE"); sqlState(err) != "42601" {
			t.Errorf("want 42601, got %v", err)
		}
		if err := pool.Ping(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestTransaction_ThatFailedMustBeRolledBack(t *testing.T) {
	withPool(t, "", func(t *testing.T, _ *wire.Server, pool *pgxpool.Pool) {
		ctx := t.Context()
		tx, err := pool.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, "SELECT error('22012')"); sqlState(err) != "22012" {
			t.Errorf("got %v", err)
		}
		if _, err := tx.Exec(ctx, "SELECT 1"); sqlState(err) != "25P02" {
			t.Errorf("want 25P02, got %v", err)
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestCopyFrom_TakesEverything(t *testing.T) {
	withPool(t, "", func(t *testing.T, _ *wire.Server, pool *pgxpool.Pool) {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		_, err = conn.Conn().PgConn().CopyFrom(t.Context(), &slowReader{left: 3}, "COPY t FROM STDIN")
		if err != nil {
			t.Error(err)
		}
	})
}

// slowReader yields a line a minute.
type slowReader struct{ left int }

func (r *slowReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	r.left--
	time.Sleep(time.Minute)
	return copy(p, "line\n"), nil
}

func TestSleep_TakesItsTimeAndNoMore(t *testing.T) {
	withPool(t, "", func(t *testing.T, _ *wire.Server, pool *pgxpool.Pool) {
		start := time.Now()
		if _, err := pool.Exec(t.Context(), "SELECT pg_sleep(600)"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 10*time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

func TestSleep_EndsAtTheInstantOfItsDeadline(t *testing.T) {
	withPool(t, "", func(t *testing.T, _ *wire.Server, pool *pgxpool.Pool) {
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		start := time.Now()
		_, err := pool.Exec(ctx, "SELECT pg_sleep(600)")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestNotifications_ReachWhoListens(t *testing.T) {
	withPool(t, "", func(t *testing.T, srv *wire.Server, pool *pgxpool.Pool) {
		conn, err := pool.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
		if _, err := conn.Exec(t.Context(), "LISTEN news"); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Hour, func() { srv.Notify("news", "extra"); srv.Notify("other", "nothing") })
		n, err := conn.Conn().WaitForNotification(t.Context())
		if err != nil || n.Payload != "extra" {
			t.Errorf("got %v, %v", n, err)
		}
	})
}

func TestFaults_FailAsRealServersDo(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	tests := map[string]struct {
		fault func(*wire.Server)
		check func(error) bool
	}{
		"a refused password":   {func(s *wire.Server) { s.RefuseWith("28P01", "no") }, func(err error) bool { return sqlState(err) == "28P01" }},
		"a refused connection": {func(s *wire.Server) { s.RefuseDial(refused) }, func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
		"a black hole":         {func(s *wire.Server) { s.Hang(true) }, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
		"a slow connect":       {func(s *wire.Server) { s.SetConnectDelay(time.Minute) }, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
		"slow queries":         {func(s *wire.Server) { s.SetQueryDelay(time.Minute) }, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			withPool(t, "", func(t *testing.T, srv *wire.Server, pool *pgxpool.Pool) {
				test.fault(srv)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				if _, err := pool.Exec(ctx, "SELECT 1"); !test.check(err) {
					t.Errorf("got %v", err)
				}
				srv.Accept()
				if _, err := pool.Exec(t.Context(), "SELECT 1"); err != nil {
					t.Errorf("after the fault: %v", err)
				}
			})
		})
	}
}

func TestSessions_ThatAreKilledOrCutAreReplaced(t *testing.T) {
	for name, end := range map[string]func(*wire.Server){"killed": (*wire.Server).KillAll, "cut": (*wire.Server).CloseAll} {
		t.Run(name, func(t *testing.T) {
			withPool(t, "pool_max_conns=1", func(t *testing.T, srv *wire.Server, pool *pgxpool.Pool) {
				if err := pool.Ping(t.Context()); err != nil {
					t.Fatal(err)
				}
				end(srv)
				time.Sleep(2 * time.Second) // pgxpool pings what was idle for more than one
				if err := pool.Ping(t.Context()); err != nil {
					t.Error(err)
				}
				if n := srv.Connects(); n < 2 {
					t.Errorf("%d connects", n)
				}
			})
		})
	}
}

func TestPool_SharesFourConnectionsAmongManyCallersForAnHour(t *testing.T) {
	withPool(t, "pool_max_conns=4 application_name=crowd", func(t *testing.T, srv *wire.Server, pool *pgxpool.Pool) {
		start := time.Now()
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for time.Since(start) < time.Hour {
					if _, err := pool.Exec(t.Context(), "SELECT pg_sleep(10)"); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		if n := srv.Sessions(); n != 4 {
			t.Errorf("%d sessions", n)
		}
		if name := srv.LastStartupParameters()["application_name"]; name != "crowd" {
			t.Errorf("application_name %q", name)
		}
	})
}
