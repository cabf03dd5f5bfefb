// Demo: a small shop that works its database, watched by otelpool.
//
// It starts a throwaway PostgreSQL of its own, or works in the schema otelpool_demo of DATABASE_URL, and shows the pool live in the terminal: how many
// connections are held and by whom, how long callers wait, what state the pool is in and why. Where
// OTEL_EXPORTER_OTLP_ENDPOINT is set it sends metrics, traces and logs there.
//
//	go run ./examples/demo             until Ctrl-C
//	go run ./examples/demo -for 20s    by itself
//	go run ./examples/demo -once       breaks the database in four ways, in about a minute, and shows what is said about it
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel"

	"github.com/otelpool/pgx/examples/internal/otlp"
	"github.com/otelpool/pgx/otelpool"
)

func main() {
	flags := flag.NewFlagSet("demo", flag.ExitOnError)
	duration := flags.Duration("for", 0, "stop after this long; 0 runs until interrupted")
	once := flags.Bool("once", false, "play the fault script once; exit 0 only if every fault is named rightly")
	flags.Parse(os.Args[1:])
	var mistakes []string
	if flags.NArg() > 0 {
		mistakes = append(mistakes, fmt.Sprintf("unexpected arguments %q", flags.Args()))
	}
	if *duration < 0 {
		mistakes = append(mistakes, fmt.Sprintf("-for is %v: want 0 or more", *duration))
	}
	if *once && os.Getenv("DATABASE_URL") != "" {
		mistakes = append(mistakes, "-once stops and starts its own server: unset DATABASE_URL")
	}
	if len(mistakes) > 0 {
		fmt.Fprintln(os.Stderr, "demo:", strings.Join(mistakes, "; "))
		flags.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx) // a deadline would make the last acquires time out
		defer cancel()
		time.AfterFunc(*duration, cancel)
	}
	if err := run(ctx, os.Stdout, *once); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run plays the demo until ctx is done, or the script once. Running out of time is how the former is meant to end.
func run(ctx context.Context, out io.Writer, once bool) (err error) {
	sdk, err := otlp.Setup(ctx, "otelpool-demo")
	if err != nil {
		return fmt.Errorf("set telemetry up: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		sdk.Shutdown(ctx)
	}()

	dsn, server, err := database(ctx, out)
	if err != nil {
		return notIfDone(ctx, err)
	}
	if server != nil {
		defer func() { err = errors.Join(err, server.Close()) }()
	}

	screen := newScreen(out)
	logger := slog.New(slog.NewMultiHandler(handlers(sdk, screen, once)...))
	opts := []otelpool.Option{otelpool.WithLogger(logger), otelpool.WithPoolName("shop"),
		otelpool.WithLeakThreshold(5 * time.Second), otelpool.WithQuerySpans(), otelpool.WithEnv()}
	if once {
		opts = append(opts, scriptOptions()...)
	}
	pool, monitor, err := otelpool.Open(ctx, dsn, opts...)
	if err != nil {
		return err
	}
	screen.say("database   %s", target(pool.Config().ConnConfig))
	if sdk.Endpoint != "" {
		screen.say("telemetry  metrics, traces and logs over OTLP gRPC to %s", sdk.Endpoint)
	} else {
		screen.say("telemetry  nowhere: set OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 to send it to a collector")
	}

	shop := newShop(pool, otel.Tracer("github.com/otelpool/pgx/examples/demo"))
	if err := shop.open(ctx); err != nil {
		return errors.Join(notIfDone(ctx, err), drain(monitor))
	}
	working, goHome := context.WithCancel(ctx)
	defer goHome()
	closed := shop.work(working, once)
	if once {
		err = shop.play(ctx, screen, monitor, shop.acts(server))
	} else {
		screen.watch(ctx, monitor)
	}
	goHome()
	closed()
	screen.summary(monitor)
	return errors.Join(err, drain(monitor))
}

// handlers are where log records go: to the terminal from WARN on, unless the script's timeline says the same, and to the
// collector from INFO on.
func handlers(sdk *otlp.SDK, screen *screen, once bool) (all []slog.Handler) {
	if !once {
		all = append(all, screen.handler(slog.LevelWarn))
	}
	if sdk.Logger != nil {
		all = append(all, sdk.Logger.Handler())
	}
	return all
}

// patience is how long what ends the demo may take.
const patience = 10 * time.Second

func drain(m *otelpool.Monitor) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.Shutdown(ctx); err != nil {
		return fmt.Errorf("close the pool: %w", err)
	}
	return nil
}

// notIfDone drops an error that only says that the demo was ended.
func notIfDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// target is where a configuration leads. A connection string cannot be shown: it has many places for a password.
func target(conn *pgx.ConnConfig) string { return fmt.Sprintf("%s at %s", conn.Database, conn.Host) }
