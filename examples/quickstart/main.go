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
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			log.Print("metrics were not delivered: ", err)
		}
	}()

	if os.Getenv("DATABASE_URL") == "" {
		return errors.New("set DATABASE_URL=postgres://user:pass@localhost/db")
	}
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
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return monitor.Shutdown(ctx) // drains and closes the pool; on expiry the error names whoever still holds a connection
}
