// Quickstart: the two lines that an application adds, around them the least program that shows what they give.
//
//	DATABASE_URL=postgres://user:pass@localhost/db go run ./examples/quickstart
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelpool/pgx/otelpool"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	exporter, err := otlpmetricgrpc.New(ctx) // goes where OTEL_EXPORTER_OTLP_ENDPOINT says
	if err != nil {
		return err
	}
	provider := metric.NewMeterProvider(metric.WithReader(metric.NewPeriodicReader(exporter)))
	defer provider.Shutdown(ctx)

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
		return err
	}

	var now time.Time
	if err := pool.QueryRow(ctx, "SELECT now()").Scan(&now); err != nil {
		return err
	}
	stats := monitor.Stats()
	fmt.Printf("%s: %d acquired, longest wait %.1f ms\n", monitor.Name(), stats.TotalAcquisitions, stats.PeakWaitTimeMS)
	return monitor.Shutdown(ctx) // drains and closes the pool; on expiry the error names whoever still holds a connection
}
