package main

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/trace"
)

// workload is what a service does to its pool over the day, good and bad.
type workload struct {
	pool              *pgxpool.Pool
	tracer            trace.Tracer
	operations, leaks atomic.Int64

	stop    context.CancelFunc
	workers sync.WaitGroup
}

// workers is more than the pool has connections: now and then somebody waits.
const workers = 12

func newWorkload(pool *pgxpool.Pool, tracer trace.Tracer) *workload {
	ctx, stop := context.WithCancel(context.Background())
	w := &workload{pool: pool, tracer: tracer, stop: stop}
	for range workers {
		w.every(ctx, 20*time.Millisecond, w.operate)
	}
	w.every(ctx, 15*time.Second, w.forget)
	w.every(ctx, time.Minute, func(context.Context) { pool.Reset() })
	return w
}

func (w *workload) every(ctx context.Context, d time.Duration, do func(context.Context)) {
	w.workers.Go(func() {
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(d):
				do(ctx)
			}
		}
	})
}

func (w *workload) end() {
	w.stop()
	w.workers.Wait()
}

// operate does one of many things, below a stack of any depth: the table of call sites sees thousands.
func (w *workload) operate(ctx context.Context) {
	defer w.operations.Add(1)
	ctx, span := w.tracer.Start(ctx, "operation")
	defer span.End()
	operations := []func(context.Context) error{
		func(ctx context.Context) error { return w.pool.QueryRow(ctx, "SELECT 1").Scan(new(int)) },
		func(ctx context.Context) error { _, err := w.pool.Exec(ctx, "SELECT pg_sleep(0.005)"); return err },
		func(ctx context.Context) error { _, err := w.pool.Exec(ctx, "SELECT no_such_column"); return err },
		func(ctx context.Context) error {
			return pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error { _, err := tx.Exec(ctx, "SELECT 2"); return err })
		},
		func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			_, err := w.pool.Exec(ctx, "SELECT pg_sleep(0.1)")
			return err
		},
	}
	below(1+rand.IntN(60), func() { _ = operations[rand.IntN(len(operations))](ctx) }) // their errors are part of the day
}

// forget holds a connection for longer than the leak threshold.
func (w *workload) forget(ctx context.Context) {
	conn, err := w.pool.Acquire(ctx)
	if err != nil {
		return
	}
	defer conn.Release()
	w.leaks.Add(1)
	select {
	case <-ctx.Done():
	case <-time.After(4 * time.Second):
	}
}

//go:noinline
func below(frames int, f func()) {
	if frames == 0 {
		f()
		return
	}
	below(frames-1, f)
	runtime.KeepAlive(frames)
}
