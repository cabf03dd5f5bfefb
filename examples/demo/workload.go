package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelpool/pgx/otelpool"
)

const (
	items   = 1000 // rows in the shop
	readers = 4    // goroutines that browse
	buyers  = 3    // goroutines that order
	burst   = 30   // callers that come at once
)

// shop is an application with a believable appetite: many short reads, some transactions, a job now and then, and bursts.
type shop struct {
	pool   *pgxpool.Pool
	tracer trace.Tracer
}

func newShop(pool *pgxpool.Pool, tracer trace.Tracer) *shop { return &shop{pool, tracer} }

// open makes the tables, in a schema of their own: the database may be somebody's.
func (s *shop) open(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `
		DROP SCHEMA IF EXISTS otelpool_demo CASCADE;
		CREATE SCHEMA otelpool_demo;
		CREATE TABLE otelpool_demo.items (id int PRIMARY KEY, stock int NOT NULL);
		CREATE TABLE otelpool_demo.orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item int NOT NULL, at timestamptz NOT NULL DEFAULT now());
		INSERT INTO otelpool_demo.items SELECT n, 1000000 FROM generate_series(1, 1000) AS n`)
	if err != nil {
		return fmt.Errorf("open the shop: %w", err)
	}
	return nil
}

// work puts everybody to work until ctx is done; closed waits until they have gone home. On a quiet day there is no rush, so
// that what goes wrong is what the script makes go wrong.
func (s *shop) work(ctx context.Context, quiet bool) (closed func()) {
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() { s.every(ctx, 20*time.Millisecond, "browse", s.browse) })
	}
	for range buyers {
		wg.Go(func() { s.every(ctx, 60*time.Millisecond, "order", s.order) })
	}
	wg.Go(func() { s.every(ctx, 4*time.Second, "take stock", s.takeStock) })
	if !quiet {
		wg.Go(func() { s.every(ctx, 6*time.Second, "rush", s.rush) })
	}
	return wg.Wait
}

// every runs a task again and again, about every interval, each time under a span of its own.
func (s *shop) every(ctx context.Context, interval time.Duration, name string, task func(context.Context) error) {
	for ctx.Err() == nil {
		jittered := time.Duration(float64(interval) * (0.5 + rand.Float64()))
		select {
		case <-ctx.Done():
			return
		case <-time.After(jittered):
		}
		s.once(ctx, name, task)
	}
}

func (s *shop) once(ctx context.Context, name string, task func(context.Context) error) {
	ctx, span := s.tracer.Start(ctx, name)
	defer span.End()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := task(ctx); err != nil {
		span.RecordError(err) // the demo goes on: a full pool is what people come to see
	}
}

func (s *shop) browse(ctx context.Context) error {
	var stock int
	return s.pool.QueryRow(ctx, "SELECT stock FROM otelpool_demo.items WHERE id = $1", 1+rand.IntN(items)).Scan(&stock)
}

func (s *shop) order(ctx context.Context) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		item := 1 + rand.IntN(items)
		if _, err := tx.Exec(ctx, "UPDATE otelpool_demo.items SET stock = stock - 1 WHERE id = $1", item); err != nil {
			return err
		}
		pause(ctx, 5*time.Millisecond) // the application thinks
		_, err := tx.Exec(ctx, "INSERT INTO otelpool_demo.orders (item) VALUES ($1)", item)
		return err
	})
}

// takeStock is the batch job: it keeps its connection longer than others and says so.
func (s *shop) takeStock(ctx context.Context) error {
	ctx = otelpool.ExpectLongHold(ctx, "stock-taking reads everything")
	_, err := s.pool.Exec(ctx, "SELECT sum(stock), pg_sleep(0.5) FROM otelpool_demo.items")
	return err
}

// rush is more callers at once than there are connections.
func (s *shop) rush(ctx context.Context) error {
	var wg sync.WaitGroup
	for range burst {
		wg.Go(func() {
			_, _ = s.pool.Exec(ctx, "SELECT pg_sleep(0.02)") // an error shows in the pool's own telemetry
		})
	}
	wg.Wait()
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
