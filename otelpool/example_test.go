package otelpool_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

// databaseURL is where the examples connect to; a program would read its own setting.
func databaseURL() string {
	if dsn := os.Getenv(pgtest.EnvDatabaseURL); dsn != "" {
		return dsn
	}
	return pgtest.Server().DSN()
}

// Two lines make a pool observable: one before it is built, one after.
func ExampleConfigure() {
	ctx := context.Background()
	cfg, err := pgxpool.ParseConfig(databaseURL())
	if err != nil {
		panic(err)
	}
	if err := otelpool.Configure(cfg, otelpool.WithPoolName("orders")); err != nil {
		panic(err)
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		panic(err)
	}
	monitor, err := otelpool.Instrument(pool)
	if err != nil {
		panic(err)
	}
	defer monitor.Shutdown(ctx)

	if _, err := pool.Exec(ctx, "SELECT 1"); err != nil {
		panic(err)
	}
	stats := monitor.Stats()
	fmt.Printf("%s: %d acquired, %d released, %d connection\n",
		monitor.Name(), stats.TotalAcquisitions, stats.TotalReleases, stats.ConnectionsCreated)
	// Output:
	// orders: 1 acquired, 1 released, 1 connection
}

// A pool that exists already can still be watched from outside; a warning says what cannot be seen.
func ExampleInstrument() {
	pool, err := pgxpool.New(context.Background(), databaseURL())
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	monitor, err := otelpool.Instrument(pool, otelpool.WithPoolName("from outside"))
	if err != nil {
		panic(err)
	}
	defer monitor.Close()

	conn, err := pool.Acquire(context.Background())
	if err != nil {
		panic(err)
	}
	defer conn.Release()
	fmt.Println("active:", monitor.Stats().ActiveConnections)
	fmt.Println("holders known:", len(monitor.Holders()))
	// Output:
	// active: 1
	// holders known: 0
}

func ExampleOpen() {
	ctx := context.Background()
	pool, monitor, err := otelpool.Open(ctx, databaseURL(),
		otelpool.WithPoolName("billing"),
		otelpool.WithLeakThreshold(time.Minute),
		otelpool.WithPolicy(healthcheck.Usage()),
		otelpool.WithEnv(), // last: whoever runs the program has the last word
	)
	if err != nil {
		panic(err)
	}
	defer monitor.Shutdown(ctx)

	var answer int
	if err := pool.QueryRow(ctx, "SELECT 42").Scan(&answer); err != nil {
		panic(err)
	}
	fmt.Println(monitor.Name(), answer)
	// Output:
	// billing 42
}

// All mistakes are reported at once, and none of them leaves anything half done.
func ExampleOptionError() {
	_, _, err := otelpool.Open(context.Background(), databaseURL(),
		otelpool.WithHealthInterval(time.Hour),
		otelpool.WithStackDepth(-1),
	)
	fmt.Println(err)
	fmt.Println(errors.Is(err, otelpool.ErrInvalidOption))
	// Output:
	// otelpool: WithHealthInterval: 1h0m0s is not accepted: want 10ms to 1m0s
	// otelpool: WithStackDepth: -1 is not accepted: want 0 (off) to 64 frames
	// true
}

// A connection that is meant to be held, for LISTEN or a batch, says so and is never suspected.
func ExampleExpectLongHold() {
	ctx := context.Background()
	pool, monitor, err := otelpool.Open(ctx, databaseURL(), otelpool.WithPoolName("listener"))
	if err != nil {
		panic(err)
	}
	defer monitor.Shutdown(ctx)

	conn, err := pool.Acquire(otelpool.ExpectLongHold(ctx, "LISTEN orders"))
	if err != nil {
		panic(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "LISTEN orders"); err != nil {
		panic(err)
	}
	for _, h := range monitor.Holders() {
		fmt.Printf("%s, last did %s\n", h.Expected, h.Operation)
	}
	// Output:
	// LISTEN orders, last did LISTEN
}

// Shutdown closes the pool for good. When time is up it says who did not let go.
func ExampleMonitor_Shutdown() {
	pool, monitor, err := otelpool.Open(context.Background(), databaseURL(), otelpool.WithPoolName("stuck"))
	if err != nil {
		panic(err)
	}
	forgotten, err := pool.Acquire(context.Background())
	if err != nil {
		panic(err)
	}
	defer forgotten.Release()

	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	var blocked *otelpool.ShutdownError
	if errors.As(monitor.Shutdown(ctx), &blocked) {
		for _, h := range blocked.Holders {
			fmt.Println("still held by", h.Stack[0].Function)
		}
	}
	// Output:
	// still held by github.com/otelpool/pgx/otelpool_test.ExampleMonitor_Shutdown
}

// Health is one pointer load: ask as often as you like.
func ExampleMonitor_Health() {
	ctx := context.Background()
	pool, monitor, err := otelpool.Open(ctx, databaseURL(), otelpool.WithPoolName("judged"), otelpool.WithHealthInterval(10*time.Millisecond))
	if err != nil {
		panic(err)
	}
	defer monitor.Shutdown(ctx)
	if err := pool.Ping(ctx); err != nil {
		panic(err)
	}
	for monitor.Health().Status == healthcheck.Unknown {
		time.Sleep(time.Millisecond)
	}
	report := monitor.Health()
	fmt.Println(report.Status)
	for _, f := range report.Findings { // none while it is healthy
		fmt.Println(f.Cause, f.Summary, f.Advice)
	}
	// Output:
	// healthy
}

// Mount the handler where only operators and probes reach it.
func ExampleMonitor_Handler() {
	_, monitor, err := otelpool.Open(context.Background(), databaseURL())
	if err != nil {
		panic(err)
	}
	defer monitor.Shutdown(context.Background())
	admin := http.Server{Addr: cmp.Or(os.Getenv("ADMIN_ADDR"), "localhost:8081"), Handler: monitor.Handler()}
	go admin.ListenAndServe()
	defer admin.Close()
}
