package pgtest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestDSN_IsOfAnEmptyDatabaseEachTime(t *testing.T) {
	first, second := DSN(t), DSN(t)
	for _, dsn := range []string{first, second} {
		// The second would fail if it found the first one's table.
		if _, err := connect(t, dsn).Exec(t.Context(), "CREATE TABLE mine ()"); err != nil {
			t.Error(err)
		}
	}
}

func TestDatabase_IsDroppedAtTheTestsEndWhoeverIsConnected(t *testing.T) {
	outer, name := t, ""
	t.Run("a test", func(t *testing.T) {
		config := Config(t)
		name = config.ConnConfig.Database
		pool, err := pgxpool.NewWithConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		outer.Cleanup(pool.Close) // later than the database's end
		if err := pool.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if slices.Contains(databases(t, shared.dsn), name) {
		t.Errorf("database %s is still there", name)
	}
}

func TestDatabaseName_ContainsTheTestsNameAndFitsPostgreSQLsLimit(t *testing.T) {
	t.Parallel()
	name := databaseName("TestÜber/a sub-test")
	if !strings.HasPrefix(name, "test_ber_a_sub_test_") {
		t.Errorf("name is %s", name)
	}
	if long := databaseName(strings.Repeat("TestLong", 30)); len(long) != 63 {
		t.Errorf("%s has %d bytes", long, len(long))
	}
}

func TestWithDatabase_TakesAnyFormOfDSN(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"postgres://u:p%40@h:1/old?sslmode=disable": "postgres://u:p%40@h:1/new?sslmode=disable",
		"postgresql://h?dbname=old&database=older":  "postgresql://h/new",
		"host=h user=u dbname=old password='a b' ":  "host=h user=u dbname=old password='a b'  dbname=new",
	} {
		got := withDatabase(dsn, "new")
		if got != want {
			t.Errorf("%s became %s, want %s", dsn, got, want)
		}
		config, err := pgx.ParseConfig(got)
		if err != nil {
			t.Fatal(err)
		}
		if config.Database != "new" {
			t.Errorf("%s means database %s", got, config.Database)
		}
	}
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // the database may be gone
	return conn
}

// databases lists the databases that DSN has made on a server.
func databases(t *testing.T, dsn string) []string {
	t.Helper()
	rows, err := connect(t, dsn).Query(t.Context(), "SELECT datname FROM pg_database WHERE datname LIKE 'test%'")
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}
