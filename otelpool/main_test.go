package otelpool_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// patience is how long a test waits for what must happen, on a busy machine.
const patience = 20 * time.Second

// eventually waits until ok returns true. The failure message says what did not happen.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// journal keeps what a logger writes, as JSON.
type journal struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

func (j *journal) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(j, &slog.HandlerOptions{Level: level}))
}

type record map[string]any

// of returns the records of one event, oldest first.
func (j *journal) of(t testing.TB, event string) []record {
	t.Helper()
	var out []record
	for _, line := range bytes.Split([]byte(j.String()), []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%q is no record: %v", line, err)
		}
		if r["otel.event.name"] == event {
			out = append(out, r)
		}
	}
	return out
}

// quiet are the options of a pool whose telemetry does not matter to the test.
func quiet(more ...otelpool.Option) []otelpool.Option {
	return append([]otelpool.Option{
		otelpool.WithLogger(slog.New(slog.DiscardHandler)),
		otelpool.WithMeterProvider(noop.NewMeterProvider()),
		otelpool.WithHealthInterval(20 * time.Millisecond),
	}, more...)
}

// configured returns a configuration with the hook in it.
func configured(t testing.TB, opts ...otelpool.Option) *pgxpool.Config {
	t.Helper()
	cfg := pgtest.Config(t)
	if err := otelpool.Configure(cfg, opts...); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// newPool builds a pool that is closed at the test's end.
func newPool(t testing.TB, cfg *pgxpool.Config) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// instrument returns a Monitor that is closed at the test's end.
func instrument(t testing.TB, pool *pgxpool.Pool, opts ...otelpool.Option) *otelpool.Monitor {
	t.Helper()
	monitor, err := otelpool.Instrument(pool, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := monitor.Close(); err != nil {
			t.Error(err)
		}
	})
	return monitor
}

// acquire takes a connection that goes back at the test's end if it has not before.
func acquire(t testing.TB, ctx context.Context, pool *pgxpool.Pool) *pgxpool.Conn {
	t.Helper()
	conn, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Release)
	return conn
}

// collection is what a reader collected, by the name of the metric.
type collection map[string]metricdata.Metrics

func collect(t testing.TB, reader sdkmetric.Reader) collection {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	out := make(collection)
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			out[m.Name] = m
		}
	}
	return out
}

// attributeSets returns the attributes of each series of m.
func attributeSets(t testing.TB, m metricdata.Metrics) []attribute.Set {
	t.Helper()
	var out []attribute.Set
	switch data := m.Data.(type) {
	case metricdata.Gauge[int64]:
		out = sets(data.DataPoints)
	case metricdata.Gauge[float64]:
		out = sets(data.DataPoints)
	case metricdata.Sum[int64]:
		out = sets(data.DataPoints)
	case metricdata.Sum[float64]:
		out = sets(data.DataPoints)
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			out = append(out, p.Attributes)
		}
	default:
		t.Fatalf("%s is a %T", m.Name, data)
	}
	return out
}

func sets[N int64 | float64](points []metricdata.DataPoint[N]) []attribute.Set {
	var out []attribute.Set
	for _, p := range points {
		out = append(out, p.Attributes)
	}
	return out
}

// sum adds up the series of a metric that have the attributes, given as pairs of key and value. Without such a series it
// returns -1.
func sum(t testing.TB, c collection, name string, pairs ...string) float64 {
	t.Helper()
	switch data := c[name].Data.(type) {
	case nil:
		return -1
	case metricdata.Gauge[int64]:
		return sumOf(data.DataPoints, pairs)
	case metricdata.Gauge[float64]:
		return sumOf(data.DataPoints, pairs)
	case metricdata.Sum[int64]:
		return sumOf(data.DataPoints, pairs)
	case metricdata.Sum[float64]:
		return sumOf(data.DataPoints, pairs)
	default:
		t.Fatalf("%s is a %T", name, data)
		return 0
	}
}

func sumOf[N int64 | float64](points []metricdata.DataPoint[N], pairs []string) float64 {
	total, found := 0.0, false
	for _, p := range points {
		if has(p.Attributes, pairs) {
			total, found = total+float64(p.Value), true
		}
	}
	if !found {
		return -1
	}
	return total
}

func has(set attribute.Set, pairs []string) bool {
	for i := 0; i < len(pairs); i += 2 {
		if v, ok := set.Value(attribute.Key(pairs[i])); !ok || v.String() != pairs[i+1] {
			return false
		}
	}
	return true
}

func dsnOf(t testing.TB) string { return pgtest.DSN(t) }

func names(m *otelpool.Monitor, cause healthcheck.Cause) bool {
	h := m.Health()
	return h.Names(cause)
}

func causes(m *otelpool.Monitor) (all []healthcheck.Cause) {
	for _, f := range m.Health().Findings {
		all = append(all, f.Cause)
	}
	return all
}

// useAll calls what can be called on a Monitor at any time.
func useAll(t *testing.T, m *otelpool.Monitor) {
	t.Helper()
	_, _ = m.Name(), m.Health()
	_, _, _ = m.Holders(), m.Waiters(), m.Sites(3)
	_ = fmt.Sprint(m.Stats())
}
