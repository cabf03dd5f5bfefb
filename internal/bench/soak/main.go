// Soak runs a service's worth of everything against one observed pool for an hour and shows that nothing grows: neither the
// heap, nor goroutines, nor what a cycle costs.
//
//	go run ./internal/bench/soak               an hour
//	go run ./internal/bench/soak -for 10m -every 10s
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
	"runtime"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelpool/pgx/internal/testing/postgres"
	"github.com/otelpool/pgx/otelpool"
)

func main() {
	length := flag.Duration("for", time.Hour, "how long to run")
	every := flag.Duration("every", time.Minute, "how often to measure")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *every <= 0 || *length < 8**every {
		fmt.Fprintln(os.Stderr, "soak: -every must be above zero, and -for at least eight times as long")
		os.Exit(2)
	}
	if err := run(ctx, *length, *every); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, length, every time.Duration) (err error) {
	server, err := postgres.Start(ctx)
	if err != nil {
		return err
	}
	defer server.Close()
	reader := metric.NewManualReader()
	spans := sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter()))
	defer spans.Shutdown(context.Background())
	cfg, err := pgxpool.ParseConfig(server.DSN())
	if err != nil {
		return err
	}
	cfg.MaxConns, cfg.MaxConnLifetime, cfg.HealthCheckPeriod = 8, 30*time.Second, time.Second
	err = otelpool.Configure(cfg, otelpool.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(reader))),
		otelpool.WithTracerProvider(spans), otelpool.WithQuerySpans(), otelpool.WithLeakThreshold(2*time.Second),
		otelpool.WithLogger(slog.New(slog.NewJSONHandler(io.Discard, nil))))
	if err != nil {
		return err
	}
	observed, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	monitor, err := otelpool.Instrument(observed)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err = errors.Join(err, monitor.Shutdown(ctx)) // a connection that the workload never gives back is a finding
	}()
	bare, err := pgxpool.New(ctx, server.DSN())
	if err != nil {
		return err
	}
	defer bare.Close()

	w := newWorkload(observed, spans.Tracer("soak"))
	defer w.end()
	fmt.Printf("%8s %10s %12s %12s %14s %8s\n", "after", "heap KiB", "goroutines", "operations", "ns added", "leaks")
	var points []point
	start := time.Now()
	for tick := time.NewTicker(every); time.Since(start) < length; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		var rm metricdata.ResourceMetrics
		if err := reader.Collect(ctx, &rm); err != nil {
			return err
		}
		p, err := measure(ctx, bare, observed)
		if err != nil {
			return err
		}
		points = append(points, p)
		fmt.Printf("%8s %10.0f %12.0f %12d %14.0f %8d\n", time.Since(start).Round(time.Second), p.heap/1024, p.goroutines,
			w.operations.Load(), p.added, w.leaks.Load())
	}
	return verdict(points)
}

// patience is how long the workload's connections are waited for at the end.
const patience = 30 * time.Second

// point is one measurement.
type point struct{ heap, goroutines, added float64 }

// measure takes what is alive, and what the hook adds to a cycle: the quickest of many short runs of either pool, in turn, so
// that the workload beside them disturbs both alike.
func measure(ctx context.Context, bare, observed *pgxpool.Pool) (point, error) {
	quickest := [2]float64{1e18, 1e18}
	for range 40 {
		for i, pool := range []*pgxpool.Pool{bare, observed} {
			const cycles = 5_000
			start := time.Now()
			for range cycles {
				conn, err := pool.Acquire(ctx)
				if err != nil {
					return point{}, err
				}
				conn.Release()
			}
			quickest[i] = min(quickest[i], float64(time.Since(start))/cycles)
		}
	}
	runtime.GC()
	runtime.GC() // what the first one's finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return point{float64(m.HeapAlloc), float64(runtime.NumGoroutine()), quickest[1] - quickest[0]}, nil
}

// verdict compares the last quarter with the first, by their medians. The first measurement warms up.
func verdict(points []point) error {
	if len(points) < 2 {
		return fmt.Errorf("%d measurements are too few to compare", len(points))
	}
	points = points[1:]
	quarter := max(1, len(points)/4)
	var grown error
	for _, of := range []struct {
		what  string
		value func(point) float64
		limit func(first float64) float64
	}{
		{"heap, bytes", func(p point) float64 { return p.heap }, func(v float64) float64 { return 1.05*v + 512<<10 }},
		{"goroutines", func(p point) float64 { return p.goroutines }, func(v float64) float64 { return v + 5 }},
		{"added to a cycle, ns", func(p point) float64 { return p.added }, func(v float64) float64 { return 1.25 * v }},
	} {
		first, last := median(points[:quarter], of.value), median(points[len(points)-quarter:], of.value)
		fmt.Printf("%s: %.0f in the first quarter, %.0f in the last\n", of.what, first, last)
		if last > of.limit(first) {
			grown = errors.Join(grown, fmt.Errorf("%s grew from %.0f to %.0f", of.what, first, last))
		}
	}
	return grown
}

func median(points []point, value func(point) float64) float64 {
	var all []float64
	for _, p := range points {
		all = append(all, value(p))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
