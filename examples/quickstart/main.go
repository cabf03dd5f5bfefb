// Quickstart: the two lines that an application adds, around them the least program that shows what they give.
//
//	DATABASE_URL=postgres://user:pass@localhost/db go run ./examples/quickstart
//
// Metrics go to a collector at OTEL_EXPORTER_OTLP_ENDPOINT, by default https://localhost:4317; without one a line says so at the
// end.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otelpool/pgx/otelpool"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) (err error) {
	if os.Getenv("DATABASE_URL") == "" {
		return errors.New("set DATABASE_URL=postgres://user:pass@localhost/db")
	}
	provider, err := meterProvider(ctx)
	if err != nil {
		return err
	}
	// Deferred calls run last first: the monitor has the provider export what it saw last, so the provider is shut down after it.
	defer within(2*time.Second, func(ctx context.Context) {
		if err := provider.Shutdown(ctx); err != nil {
			log.Print("metrics were not delivered: ", err)
		}
	})

	cfg, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	if err := otelpool.Configure(cfg, otelpool.WithMeterProvider(provider)); err != nil { // 1: before the pool exists
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	monitor, err := otelpool.Instrument(pool) // 2: once it does
	if err != nil {
		pool.Close()
		return err
	}
	// Drains and closes the pool; on expiry the error names whoever still holds a connection.
	defer within(10*time.Second, func(ctx context.Context) { err = errors.Join(err, monitor.Shutdown(ctx)) })

	var now time.Time
	if err := pool.QueryRow(ctx, "SELECT now()").Scan(&now); err != nil {
		return err
	}
	stats := monitor.Stats()
	fmt.Printf("%s: %d acquired, longest wait %.1f ms\n", monitor.Name(), stats.TotalAcquisitions, stats.PeakWaitTimeMS)
	return nil
}

// meterProvider exports every 15 s, unless OTEL_METRIC_EXPORT_INTERVAL says otherwise, to where OTEL_EXPORTER_OTLP_ENDPOINT
// says. Its resource has an instance ID: replicas without one would write to the same series.
func meterProvider(ctx context.Context) (*metric.MeterProvider, error) {
	exporter, err := otlpmetricgrpc.New(ctx)
	if err != nil {
		return nil, err
	}
	res, err := resource.New(ctx, resource.WithService(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, err
	}
	var every []metric.PeriodicReaderOption
	if os.Getenv("OTEL_METRIC_EXPORT_INTERVAL") == "" {
		every = append(every, metric.WithInterval(15*time.Second))
	}
	return metric.NewMeterProvider(metric.WithResource(res), metric.WithReader(metric.NewPeriodicReader(exporter, every...))), nil
}

func within(d time.Duration, f func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	f(ctx)
}
