package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"go.uber.org/goleak"

	"github.com/otelpool/pgx/internal/testing/postgres"
)

// EnvDatabaseURL names the environment variable with the DSN of a server to use instead of starting one.
const EnvDatabaseURL = "OTELPOOL_TEST_DATABASE_URL"

// shared is what Run sets up before the first test and tears down after the last; between the two it does not change.
var shared struct {
	server *postgres.Server // nil when the environment names one
	dsn    string           // its administrator; "" outside Run
}

// Main runs a package's tests with a server and exits; it is all that TestMain needs to do. See Run.
func Main(m *testing.M, opts ...goleak.Option) { os.Exit(Run(m, opts...)) }

// Run starts the server, runs the tests, closes the server and, if all went well, fails the run for every goroutine that is
// still there, filtered by opts. It returns the exit code, for a TestMain that has more to do.
func Run(m *testing.M, opts ...goleak.Option) int { return run(m, opts) }

func run(m *testing.M, opts []goleak.Option, serverOpts ...postgres.Option) int {
	if err := openShared(serverOpts); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return 1
	}
	code := m.Run()
	if err := closeShared(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest:", err)
		return max(code, 1)
	}
	if code != 0 {
		return code // a failed test may well have left goroutines; its own message matters more
	}
	if err := goleak.Find(opts...); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest: goroutines left after the tests:", err)
		return 1
	}
	return 0
}

func openShared(opts []postgres.Option) error {
	if dsn := os.Getenv(EnvDatabaseURL); dsn != "" {
		return openExternal(dsn)
	}
	server, err := postgres.Start(context.Background(), opts...)
	if err != nil {
		return err
	}
	shared.server, shared.dsn = server, server.DSN()
	return nil
}

// openExternal logs in once, so that a wrong address fails the run with one message rather than each test with its own.
func openExternal(dsn string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("%s: %w", EnvDatabaseURL, err) // pgconn leaves the password out
	}
	shared.dsn = dsn
	return conn.Close(ctx)
}

func closeShared() error {
	server := shared.server
	shared.server, shared.dsn = nil, ""
	if server == nil {
		return nil
	}
	return server.Close()
}

var errNoMain = errors.New("the package's TestMain does not call pgtest.Main")
