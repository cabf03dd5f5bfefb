package otelpool_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

// application runs a script in which all kinds of calls succeed and fail, and keeps a record of their results.
type application struct {
	t    *testing.T
	pool *pgxpool.Pool
	saw  []string
}

// volatile matches what differs between any two runs: ports, process IDs, databases, addresses.
var volatile = regexp.MustCompile(`\d{4,}|0x[0-9a-f]+|database=\S+`)

func (a *application) note(what string, err error, results ...any) {
	a.t.Helper()
	line := what
	if len(results) > 0 {
		line += fmt.Sprint(": ", results)
	}
	if err != nil {
		line += ": error " + volatile.ReplaceAllString(err.Error(), "…")
		for _, target := range []error{
			context.Canceled, context.DeadlineExceeded, pgx.ErrNoRows, pgx.ErrTxClosed, pgx.ErrTxCommitRollback, net.ErrClosed, errOwn,
		} {
			if errors.Is(err, target) {
				line += fmt.Sprintf(" (is %v)", target)
			}
		}
		var pgErr *pgconn.PgError
		if errors.As(err, &pgErr) {
			line += " SQLSTATE " + pgErr.Code
		}
		line += fmt.Sprintf(" (timeout %v, safe to retry %v)", pgconn.Timeout(err), pgconn.SafeToRetry(err))
	}
	a.saw = append(a.saw, line)
	s := a.pool.Stat()
	a.saw = append(a.saw, fmt.Sprintf("  stat: acquires %d, canceled %d, new %d, max %d, acquired %d, lifetime %d, idle destroyed %d",
		s.AcquireCount(), s.CanceledAcquireCount(), s.NewConnsCount(), s.MaxConns(), s.AcquiredConns(),
		s.MaxLifetimeDestroyCount(), s.MaxIdleDestroyCount()))
}

var errOwn = errors.New("the application's own error")

func (a *application) run() {
	ctx := a.t.Context()
	one := func(what, sql string, args ...any) {
		a.t.Helper()
		var n int
		err := a.pool.QueryRow(ctx, sql, args...).Scan(&n)
		a.note(what, err, n)
	}
	one("a row", "SELECT 7")
	one("an argument", "SELECT $1::int", 8)
	one("no row", "SELECT 1 WHERE false")
	one("a syntax error", "SELEC")
	one("a server's error", "SELECT 1/0")

	tag, err := a.pool.Exec(ctx, "CREATE TABLE t (n int PRIMARY KEY)")
	a.note("exec", err, tag)
	n, err := a.pool.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"n"}, pgx.CopyFromRows([][]any{{1}, {2}, {3}}))
	a.note("copy", err, n)
	n, err = a.pool.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"n"}, pgx.CopyFromRows([][]any{{1}}))
	a.note("a copy that breaks a constraint", err, n)

	batch := &pgx.Batch{}
	batch.Queue("SELECT 1")
	batch.Queue("SELECT 1/0")
	a.note("a batch", a.pool.SendBatch(ctx, batch).Close())

	rows, err := a.pool.Query(ctx, "SELECT n FROM t ORDER BY n")
	a.note("rows begin", err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[int])
	a.note("rows end", err, list)

	a.note("a transaction", pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO t VALUES (4)")
		return err
	}))
	a.note("a transaction undone", pgx.BeginFunc(ctx, a.pool, func(pgx.Tx) error { return errOwn }))
	a.note("a transaction that failed", pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "SELECT 1/0")
		return err
	}))

	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, err = a.pool.Acquire(gone)
	a.note("an acquire given up", err)
	_, err = a.pool.Exec(gone, "SELECT 1")
	a.note("a query given up", err)

	held := a.pool.AcquireAllIdle(ctx)
	a.note("all idle", nil, len(held))
	for _, c := range held {
		c.Release()
	}
	a.full(ctx)

	hijacked, err := a.pool.Acquire(ctx)
	a.note("acquire", err)
	conn := hijacked.Hijack()
	a.note("hijack", conn.Close(ctx))
	a.note("ping", a.pool.Ping(ctx))
	a.pool.Reset()
	a.settle(0)
	a.note("reset", nil)
	a.pool.Close()
	a.note("close", nil)
	_, err = a.pool.Acquire(ctx)
	a.note("an acquire of a closed pool", err)
	a.pool.Close()
}

// full exhausts the pool and destroys connections in each way in which a release can.
func (a *application) full(ctx context.Context) {
	var all []*pgxpool.Conn
	for range a.pool.Config().MaxConns {
		c, err := a.pool.Acquire(ctx)
		a.note("acquire", err)
		all = append(all, c)
	}
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	_, err := a.pool.Acquire(short)
	a.note("an acquire of a full pool", err)
	_, err = all[0].Exec(ctx, "BEGIN")
	a.note("begin", err)
	_, err = all[1].Exec(ctx, "SELECT pg_terminate_backend(pg_backend_pid())")
	a.note("terminated", err)
	for _, c := range all {
		c.Release()
	}
	a.settle(a.pool.Config().MaxConns - 2)
	a.note("released", nil)
}

// settle waits until connections that are destroyed in the background are gone.
func (a *application) settle(total int32) {
	eventually(a.t, "the pool settles", func() bool { return a.pool.Stat().TotalConns() == total && a.pool.Stat().AcquiredConns() == 0 })
}

func TestApplication_BehavesAsWithoutOtelpool(t *testing.T) {
	run := func(opts []otelpool.Option) []string {
		cfg := pgtest.Config(t)
		cfg.MaxConns, cfg.HealthCheckPeriod = 3, time.Hour
		if opts != nil {
			if err := otelpool.Configure(cfg, opts...); err != nil {
				t.Fatal(err)
			}
		}
		pool := newPool(t, cfg)
		if opts != nil {
			instrument(t, pool)
		}
		a := &application{t: t, pool: pool}
		a.run()
		return a.saw
	}
	bare := run(nil)
	for name, opts := range map[string][]otelpool.Option{
		"configured":       quiet(),
		"with query spans": quiet(otelpool.WithQuerySpans()),
		"with everything":  quiet(otelpool.WithSQLText(true), otelpool.WithStackDepth(64), otelpool.WithLeakThreshold(time.Millisecond)),
	} {
		got := run(opts)
		for i := range max(len(got), len(bare)) {
			if i >= len(got) || i >= len(bare) || got[i] != bare[i] {
				t.Errorf("%s: line %d differs:\nbare: %q\nhere: %q", name, i, bare[min(i, len(bare)-1)], got[min(i, len(got)-1)])
				break
			}
		}
	}
}

func TestRefusal_IsReportedAsWithoutOtelpool(t *testing.T) {
	fail := func(configure bool) string {
		cfg := pgtest.Config(t)
		cfg.ConnConfig.Password = "wrong"
		if configure {
			if err := otelpool.Configure(cfg, quiet()...); err != nil {
				t.Fatal(err)
			}
		}
		pool := newPool(t, cfg)
		_, err := pool.Acquire(t.Context())
		if err == nil {
			t.Fatal("a wrong password was accepted")
		}
		return volatile.ReplaceAllString(err.Error(), "…")
	}
	if bare, hooked := fail(false), fail(true); bare != hooked {
		t.Errorf("bare: %s\nhooked: %s", bare, hooked)
	}
}
