package tracer_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/tracer"
)

func runAll(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, sql := range statements {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// Each error of a statement that is counted, as the real server words it, and one beside it that must not be.
func TestStatementErrors_AreCountedByWhy(t *testing.T) {
	for name, tt := range map[string]struct {
		fail  func(t *testing.T, conn *pgx.Conn) error
		count counts.Name // 0 for none
		kind  string
	}{
		"statement_timeout": {func(t *testing.T, conn *pgx.Conn) error {
			runAll(t, conn, "SET statement_timeout = '10ms'")
			_, err := conn.Exec(t.Context(), "SELECT pg_sleep(10)")
			return err
		}, counts.StatementTimeouts, "57014"},
		"somebody cancels it": {func(t *testing.T, conn *pgx.Conn) error {
			_, err := conn.Exec(t.Context(), "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(10)")
			return err
		}, 0, ""},
		"a plan from before a migration": {func(t *testing.T, conn *pgx.Conn) error {
			runAll(t, conn, "CREATE TEMP TABLE items (id int)")
			read := func() error { return conn.QueryRow(t.Context(), "SELECT * FROM items").Scan(nil) }
			_ = read() // prepares it
			runAll(t, conn, "ALTER TABLE items ADD COLUMN name text")
			return read()
		}, counts.CachedPlanErrors, "0A000"},
		"something else that is not supported": {func(t *testing.T, conn *pgx.Conn) error {
			_, err := conn.Exec(t.Context(), "CREATE TABLE other.public.t (id int)")
			return err
		}, 0, ""},
		"a prepared statement that is gone": {func(t *testing.T, conn *pgx.Conn) error {
			read := func() error { return conn.QueryRow(t.Context(), "SELECT $1::int", 1).Scan(nil) }
			if err := read(); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.PgConn().Exec(t.Context(), "DEALLOCATE ALL").ReadAll(); err != nil {
				t.Fatal(err)
			}
			return read()
		}, counts.PreparedStatementErrors, "26000"},
		"a prepared statement that is there already": {func(t *testing.T, conn *pgx.Conn) error {
			runAll(t, conn, "PREPARE taken AS SELECT 1")
			_, err := conn.Prepare(context.WithoutCancel(t.Context()), "taken", "SELECT 2")
			return err
		}, counts.PreparedStatementErrors, "42P05"},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, pgtest.Config(t), tracer.Options{StackDepth: 8})
			defer w.pool.Close()
			conn := w.acquire(t.Context())
			defer conn.Release()
			if err := tt.fail(t, conn.Conn()); err == nil {
				t.Fatal("it did not fail")
			}
			f := w.hook.Faults()
			for n, fault := range map[counts.Name]tracer.StatementFault{
				counts.StatementTimeouts: f.StatementTimeout, counts.CachedPlanErrors: f.CachedPlan, counts.PreparedStatementErrors: f.PreparedStatement,
			} {
				want, kind := int64(0), ""
				if n == tt.count {
					want, kind = 1, tt.kind
				}
				if got := w.count(n); got != want || fault.Type != kind || (fault.Site != "") != (want > 0) {
					t.Errorf("count %d is %d, want %d; the last: %+v", n, got, want, fault)
				}
			}
		})
	}
}

// A query that needs a statement prepared fails with the error of that.
func TestStatementErrors_OfPreparingCountOnce(t *testing.T) {
	w := open(t, pgtest.Config(t), tracer.Options{})
	defer w.pool.Close()
	conn := w.acquire(t.Context())
	defer conn.Release()
	read := func() error { return conn.QueryRow(t.Context(), "SELECT $1::int", 1).Scan(nil) }
	if err := read(); err != nil {
		t.Fatal(err)
	}
	var name string // that pgx has given it
	if err := conn.QueryRow(t.Context(), "SELECT name FROM pg_prepared_statements WHERE statement = 'SELECT $1::int'").Scan(&name); err != nil {
		t.Fatal(err)
	}
	if err := conn.Conn().DeallocateAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	runAll(t, conn.Conn(), `PREPARE "`+name+`" AS SELECT 1`)
	if err := read(); err == nil || w.count(counts.PreparedStatementErrors) != 1 {
		t.Errorf("counted %d times: %v", w.count(counts.PreparedStatementErrors), err)
	}
}
