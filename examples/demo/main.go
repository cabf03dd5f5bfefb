// Demo: a small shop that works its database, watched by otelpool.
//
// It starts a throwaway PostgreSQL of its own, or uses DATABASE_URL, and shows the pool live in the terminal: how many
// connections are held and by whom, how long callers wait, what state the pool is in and why. Where
// OTEL_EXPORTER_OTLP_ENDPOINT is set it sends metrics, traces and logs there.
//
//	go run ./examples/demo             until Ctrl-C
//	go run ./examples/demo -for 20s    by itself
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/otelpool/pgx/examples/internal/otlp"
	"github.com/otelpool/pgx/otelpool"
)

func main() {
	flags := flag.NewFlagSet("demo", flag.ExitOnError)
	duration := flags.Duration("for", 0, "stop after this long; 0 runs until interrupted")
	flags.Parse(os.Args[1:])
	if flags.NArg() > 0 || *duration < 0 {
		fmt.Fprintf(os.Stderr, "demo: unexpected arguments %q, or -for %v is negative\n", flags.Args(), *duration)
		flags.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *duration)
		defer cancel()
	}
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run plays the demo until ctx is done. Running out of time is how it is meant to end.
func run(ctx context.Context, out io.Writer) (err error) {
	sdk, err := otlp.Setup(ctx, "otelpool-demo")
	if err != nil {
		return fmt.Errorf("set telemetry up: %w", err)
	}
	defer func() { err = errors.Join(err, finish("send the last telemetry", sdk.Shutdown)) }()

	dsn, closeDatabase, err := database(ctx, out)
	if err != nil {
		return notIfDone(ctx, err)
	}
	defer func() { err = errors.Join(err, closeDatabase()) }()

	screen := newScreen(out)
	logger := slog.New(slog.NewMultiHandler(handlers(sdk, screen)...))
	pool, monitor, err := otelpool.Open(ctx, dsn, otelpool.WithLogger(logger), otelpool.WithPoolName("shop"),
		otelpool.WithLeakThreshold(5*time.Second), otelpool.WithQuerySpans(), otelpool.WithEnv())
	if err != nil {
		return err
	}
	screen.say("database   %s", target(dsn))
	if sdk.Endpoint != "" {
		screen.say("telemetry  metrics, traces and logs over OTLP gRPC to %s", sdk.Endpoint)
	} else {
		screen.say("telemetry  nowhere: set OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 to send it to a collector")
	}

	shop := newShop(pool, otel.Tracer("github.com/otelpool/pgx/examples/demo"))
	if err := shop.open(ctx); err != nil {
		return errors.Join(notIfDone(ctx, err), finish("close the pool", monitor.Shutdown))
	}
	closed := shop.work(ctx)
	screen.watch(ctx, monitor)
	closed()
	screen.summary(monitor)
	return finish("close the pool", monitor.Shutdown)
}

// handlers are where log records go: to the terminal from WARN on, to the collector from INFO on.
func handlers(sdk *otlp.SDK, screen *screen) []slog.Handler {
	all := []slog.Handler{screen.handler(slog.LevelWarn)}
	if sdk.Logger != nil {
		all = append(all, sdk.Logger.Handler())
	}
	return all
}

// finish gives what ends the demo ten seconds.
func finish(what string, stop func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := stop(ctx); err != nil {
		return fmt.Errorf("%s: %w", what, err)
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

// target is a connection string without its password.
func target(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil || u.Host == "" {
		return "as DATABASE_URL says"
	}
	return u.Redacted()
}
