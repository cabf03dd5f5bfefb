package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/testing/postgres"
)

// patience bounds what pgtest itself asks of the server.
const patience = 30 * time.Second

// Server returns the server that all tests of this binary share, or nil when OTELPOOL_TEST_DATABASE_URL names another.
func Server() *postgres.Server { return shared.server }

// Start starts a server for one test alone, to break at will; it is closed at the test's end.
func Start(t testing.TB, opts ...postgres.Option) *postgres.Server {
	t.Helper()
	server, err := postgres.Start(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// Config returns the parsed DSN of a fresh database; see DSN.
func Config(t testing.TB) *pgxpool.Config {
	t.Helper()
	config, err := pgxpool.ParseConfig(DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// DSN creates an empty database for this test and returns its DSN. The database is dropped at the test's end, whoever is
// still connected. Each call makes another one.
func DSN(t testing.TB) string {
	t.Helper()
	if shared.dsn == "" {
		t.Fatal(errNoMain)
	}
	name := databaseName(t.Name())
	if err := administer(t.Context(), "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		drop := "DROP DATABASE IF EXISTS " + pgx.Identifier{name}.Sanitize() + " WITH (FORCE)"
		if err := administer(context.Background(), drop); err != nil { // t.Context is over by now
			t.Error(err)
		}
	})
	return withDatabase(shared.dsn, name)
}

func administer(ctx context.Context, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, shared.dsn)
	if err != nil {
		return fmt.Errorf("pgtest: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("pgtest: %s: %w", sql, err)
	}
	return nil
}

// databaseName tells whose database it is to whoever looks at the server, and is unique among the test binaries that share
// a server: 26 random letters after as much of the test's name as PostgreSQL's limit of 63 bytes leaves room for.
func databaseName(test string) string {
	const room = 63 - 26 - 1
	slug := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(test))
	return slug[:min(len(slug), room)] + "_" + strings.ToLower(rand.Text())
}

// withDatabase points a DSN, a URL or keywords and values, to another database.
func withDatabase(dsn, name string) string {
	if u, err := url.Parse(dsn); err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") {
		u.Path = "/" + name
		query := u.Query()
		query.Del("dbname") // would win over the path
		query.Del("database")
		u.RawQuery = query.Encode()
		return u.String()
	}
	return dsn + " dbname=" + name // the last of several counts; the name has only letters, digits and _
}
