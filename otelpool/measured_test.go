package otelpool_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool"
)

// measured is a pool whose metrics are collected.
type measured struct {
	*pgxpool.Pool
	monitor *otelpool.Monitor
	readers []*sdkmetric.ManualReader
	config  *pgxpool.Config
	refuse  atomic.Pointer[error] // what BeforeConnect fails with
}

// settled waits until the releases are counted, nobody waits, no leak is suspected, and the sampler has run since the call.
func (m *measured) settled(t *testing.T, releases float64) collection {
	t.Helper()
	var c collection
	since := time.Now()
	eventually(t, fmt.Sprintf("%v releases are seen", releases), func() bool {
		if !m.monitor.Health().At.After(since) {
			return false
		}
		c = collect(t, m.readers[0])
		name := []string{"db.client.connection.pool.name", m.monitor.Name()}
		return sum(t, c, "otelpool.releases", name...) == releases && sum(t, c, "otelpool.leaks.active", name...) == 0 &&
			sum(t, c, "db.client.connection.pending_requests", name...) == 0
	})
	return c
}

// workload does a little of everything:
//
//	8 acquires, of which 1 timed out, 1 was cancelled and 1 failed to connect; 3 opened, 2 closed, 5 released
func (m *measured) workload(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	a, b := acquire(t, ctx, m.Pool), acquire(t, ctx, m.Pool)
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	if _, err := m.Acquire(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	gone, giveUp := context.WithCancel(ctx)
	giveUp()
	if _, err := m.Acquire(gone); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := a.Exec(ctx, "SELECT pg_sleep(0.02)"); err != nil {
		t.Fatal(err)
	}
	a.Release()
	if _, err := b.Exec(ctx, "BEGIN"); err != nil {
		t.Fatal(err)
	}
	b.Release() // in a transaction: closed
	eventually(t, "the connection is gone", func() bool { return m.Stat().TotalConns() == 1 })
	a = acquire(t, ctx, m.Pool)
	refusal := error(&pgconn.PgError{Code: "28P01"})
	m.refuse.Store(&refusal)
	if _, err := m.Acquire(ctx); err == nil {
		t.Fatal("a refused connect succeeded")
	}
	m.refuse.Store(nil)
	if err := a.Conn().Close(ctx); err != nil {
		t.Fatal(err)
	}
	a.Release() // closed by its holder
	eventually(t, "the connection is gone", func() bool { return m.Stat().TotalConns() == 0 })
	acquire(t, ctx, m.Pool).Release()
	acquire(t, ctx, m.Pool).Release()
}

// common are the attributes of every asynchronous series.
func (m *measured) common() []attribute.KeyValue {
	conn := m.config.ConnConfig
	return []attribute.KeyValue{
		semconv.DBClientConnectionPoolName(m.monitor.Name()), semconv.DBSystemNamePostgreSQL,
		semconv.DBNamespace(conn.Database), semconv.ServerAddress(conn.Host), semconv.ServerPort(int(conn.Port)),
	}
}

func measure(t *testing.T, readers []*sdkmetric.ManualReader, name string, opts ...otelpool.Option) *measured {
	t.Helper()
	var sdk []sdkmetric.Option
	for _, r := range readers {
		sdk = append(sdk, sdkmetric.WithReader(r))
	}
	return measureWith(t, sdkmetric.NewMeterProvider(sdk...), readers, name, opts...)
}

func measureWith(t *testing.T, provider *sdkmetric.MeterProvider, readers []*sdkmetric.ManualReader, name string, opts ...otelpool.Option) *measured {
	t.Helper()
	m := &measured{readers: readers}
	calm := healthcheck.Evidence()
	calm.WorsenAfter = 1e6 // what the workload does to health is not at stake here
	opts = append(quiet(otelpool.WithMeterProvider(provider), otelpool.WithPoolName(name), otelpool.WithServerProbe(false),
		otelpool.WithPolicy(calm)), opts...)
	cfg := parse(t, dsnOf(t))
	cfg.MaxConns, cfg.MinConns, cfg.MinIdleConns, cfg.HealthCheckPeriod = 2, 0, 0, time.Hour
	cfg.BeforeConnect = func(context.Context, *pgx.ConnConfig) error {
		if err := m.refuse.Load(); err != nil {
			return *err
		}
		return nil
	}
	if err := otelpool.Configure(cfg, opts...); err != nil {
		t.Fatal(err)
	}
	m.config, m.Pool = cfg, newPool(t, cfg)
	m.monitor = instrument(t, m.Pool)
	return m
}

const workloadReleases = 5
