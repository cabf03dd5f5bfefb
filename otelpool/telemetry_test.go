package otelpool_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dbconv"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool"
	"github.com/otelpool/pgx/otelpool/internal/outlet/metrics"
)

// measured is a pool whose metrics are collected.
type measured struct {
	*pgxpool.Pool
	monitor *otelpool.Monitor
	readers []*sdkmetric.ManualReader
	config  *pgxpool.Config
	refuse  atomic.Pointer[error] // what BeforeConnect fails with
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

// settled waits until n connections were released and none is waited for, and the loop has looked since and suspects none.
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

const workloadReleases = 5

// series is one expected point: pairs of key and value beyond those on every series, and its value.
type series struct {
	value float64
	pairs []string
}

func one(value float64, pairs ...string) []series { return []series{{value, pairs}} }

// expected is every asynchronous metric, by hand, with what it reads after the workload; -1 for what depends on the clock.
var expected = []struct {
	name, unit, kind string // kind as in the documentation
	float            bool
	series           []series
}{
	{"db.client.connection.count", "{connection}", "updowncounter", false, []series{
		{1, []string{"db.client.connection.state", "idle"}}, {0, []string{"db.client.connection.state", "used"}}}},
	{"db.client.connection.idle.max", "{connection}", "updowncounter", false, one(2)},
	{"db.client.connection.idle.min", "{connection}", "updowncounter", false, one(0)},
	{"db.client.connection.max", "{connection}", "updowncounter", false, one(2)},
	{"db.client.connection.pending_requests", "{request}", "updowncounter", false, one(0)},
	{"db.client.connection.timeouts", "{timeout}", "counter", false, one(1)},
	{"otelpool.acquires", "{request}", "counter", false, []series{
		{5, []string{"otelpool.outcome", "ok"}}, {1, []string{"otelpool.outcome", "timeout"}},
		{1, []string{"otelpool.outcome", "canceled"}}, {1, []string{"otelpool.outcome", "error"}}}},
	{"otelpool.releases", "{request}", "counter", false, []series{
		{3, []string{"otelpool.outcome", "clean"}}, {1, []string{"otelpool.outcome", "broken"}},
		{0, []string{"otelpool.outcome", "busy"}}, {1, []string{"otelpool.outcome", "in_transaction"}}}},
	{"otelpool.connections.opened", "{connection}", "counter", false, one(3)},
	{"otelpool.connections.closed", "{connection}", "counter", false, []series{
		{1, []string{"otelpool.reason", "broken"}}, {0, []string{"otelpool.reason", "busy"}},
		{1, []string{"otelpool.reason", "in_transaction"}}, {0, []string{"otelpool.reason", "lifetime"}},
		{0, []string{"otelpool.reason", "idle"}}, {0, []string{"otelpool.reason", "discarded"}},
		{0, []string{"otelpool.reason", "hijacked"}}}},
	{"otelpool.connect.failures", "{attempt}", "counter", false, one(1, "error.type", "28P01")},
	{"otelpool.acquires.empty", "{request}", "counter", false, one(3)},
	{"otelpool.usage", "1", "gauge", true, one(0)},
	{"otelpool.active.peak", "{connection}", "gauge", false, one(2)},
	{"otelpool.wait.peak", "s", "gauge", true, one(-1)},
	{"otelpool.holders.oldest_age", "s", "gauge", true, one(0)},
	{"otelpool.waiters.oldest_age", "s", "gauge", true, one(0)},
	{"otelpool.hold.idle_ratio", "1", "gauge", true, one(-1)},
	{"otelpool.hold.query_time", "s", "counter", true, one(-1)},
	{"otelpool.leaks", "{connection}", "counter", false, []series{
		{0, []string{"otelpool.leak.tier", "idle_held"}}, {0, []string{"otelpool.leak.tier", "orphaned"}}}},
	{"otelpool.leaks.active", "{connection}", "updowncounter", false, one(0)},
	{"otelpool.leaks.recovered", "{connection}", "counter", false, one(0)},
	{"otelpool.health.status", "{state}", "updowncounter", false, stateSeries()},
	{"otelpool.health.level", "{level}", "gauge", false, one(-1)},
	{"otelpool.health.cause", "{cause}", "gauge", false, causeSeries()},
	{"otelpool.health.notice", "{notice}", "gauge", false, noticeSeries()},
	{"otelpool.notices", "{notice}", "counter", false, noticeSeries()},
	{"otelpool.health.transitions", "{transition}", "counter", false, one(-1)},
	{"otelpool.outages", "{outage}", "counter", false, one(0)},
	{"otelpool.outage.duration", "s", "counter", true, one(0)},
	{"otelpool.reconnects", "{attempt}", "counter", false, []series{
		{0, []string{"otelpool.outcome", "ok"}}, {0, []string{"otelpool.outcome", "error"}}}},
}

func stateSeries() (out []series) {
	for _, s := range []string{"initializing", "healthy", "degraded", "unhealthy", "recovering", "shutting_down", "terminated"} {
		out = append(out, series{-1, []string{"otelpool.health.state", s}})
	}
	return out
}

func causeSeries() (out []series) {
	for _, c := range healthcheck.Causes {
		out = append(out, series{-1, []string{"otelpool.cause", string(c)}})
	}
	return out
}

func noticeSeries() (out []series) {
	for _, k := range healthcheck.NoticeKinds {
		out = append(out, series{-1, []string{"otelpool.notice", string(k)}})
	}
	return out
}

// common are the attributes of every asynchronous series.
func (m *measured) common() []attribute.KeyValue {
	conn := m.config.ConnConfig
	return []attribute.KeyValue{
		semconv.DBClientConnectionPoolName(m.monitor.Name()), semconv.DBSystemNamePostgreSQL,
		semconv.DBNamespace(conn.Database), semconv.ServerAddress(conn.Host), semconv.ServerPort(int(conn.Port)),
	}
}

func points[N int64 | float64](m *measured, list []series) []metricdata.DataPoint[N] {
	var out []metricdata.DataPoint[N]
	for _, s := range list {
		attrs := m.common()
		for i := 0; i < len(s.pairs); i += 2 {
			attrs = append(attrs, attribute.String(s.pairs[i], s.pairs[i+1]))
		}
		out = append(out, metricdata.DataPoint[N]{Attributes: attribute.NewSet(attrs...), Value: N(s.value)})
	}
	return out
}

func aggregation[N int64 | float64](kind string, points []metricdata.DataPoint[N]) metricdata.Aggregation {
	if kind == "gauge" {
		return metricdata.Gauge[N]{DataPoints: points}
	}
	return metricdata.Sum[N]{DataPoints: points, Temporality: metricdata.CumulativeTemporality, IsMonotonic: kind == "counter"}
}

func TestEveryAsynchronousMetricReadsExactlyWhatHappened(t *testing.T) {
	m := measure(t, []*sdkmetric.ManualReader{sdkmetric.NewManualReader()}, "exact")
	m.workload(t)
	got := m.settled(t, workloadReleases)
	rows := make(map[string]metrics.Instrument)
	for _, row := range otelpool.Instruments() {
		rows[row.Name] = row
	}
	for _, want := range expected {
		metric := metricdata.Metrics{Name: want.name, Unit: want.unit, Description: rows[want.name].Description}
		if want.float {
			metric.Data = aggregation(want.kind, points[float64](m, want.series))
		} else {
			metric.Data = aggregation(want.kind, points[int64](m, want.series))
		}
		options := []metricdatatest.Option{metricdatatest.IgnoreTimestamp()}
		if want.series[0].value < 0 {
			options = append(options, metricdatatest.IgnoreValue())
		}
		metricdatatest.AssertEqual(t, metric, got[want.name], options...)
		delete(got, want.name)
		if metric.Description == "" {
			t.Errorf("%s has no description", want.name)
		}
		delete(rows, want.name)
	}
	// The histograms have a test of their own; a size is recommended only where there was traffic enough.
	for _, name := range []string{"db.client.connection.create_time", "db.client.connection.wait_time", "db.client.connection.use_time"} {
		delete(got, name)
		delete(rows, name)
	}
	delete(rows, "otelpool.size.recommended")
	if len(got) != 0 || len(rows) != 0 {
		t.Errorf("unexpected metrics: %v; rows of the table that were not expected: %v", slices.Collect(maps.Keys(got)), slices.Collect(maps.Keys(rows)))
	}
}

func TestWhatDependsOnTheClockReadsSense(t *testing.T) {
	m := measure(t, []*sdkmetric.ManualReader{sdkmetric.NewManualReader()}, "clock")
	m.workload(t)
	got := m.settled(t, workloadReleases)
	if v := sum(t, got, "otelpool.wait.peak"); v < 0.03 || v > patience.Seconds() {
		t.Errorf("wait.peak is %v s, the longest wait was 30 ms at least", v)
	}
	if v := sum(t, got, "otelpool.hold.idle_ratio"); v <= 0 || v >= 1 {
		t.Errorf("hold.idle_ratio is %v", v)
	}
	if v := sum(t, got, "otelpool.health.status"); v != 1 {
		t.Errorf("the pool is in %v states", v)
	}
	acquire(t, t.Context(), m.Pool)
	eventually(t, "a holder ages", func() bool { return sum(t, collect(t, m.readers[0]), "otelpool.holders.oldest_age") > 0.05 })
	acquire(t, t.Context(), m.Pool)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = m.Acquire(ctx)
	}()
	eventually(t, "a waiter ages", func() bool {
		c := collect(t, m.readers[0])
		return sum(t, c, "otelpool.waiters.oldest_age") > 0.05 && sum(t, c, "db.client.connection.pending_requests") == 1 &&
			sum(t, c, "otelpool.usage") == 1
	})
	cancel()
	<-done
}

func TestTheHistogramsCountEveryWaitHoldAndConnect(t *testing.T) {
	m := measure(t, []*sdkmetric.ManualReader{sdkmetric.NewManualReader()}, "histograms")
	m.workload(t)
	got := m.settled(t, workloadReleases)
	bounds := []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
	for _, tt := range []struct {
		convention interface {
			Name() string
			Unit() string
			Description() string
		}
		counts map[string]uint64 // by error.type
	}{
		{dbconv.ClientConnectionWaitTime{}, map[string]uint64{"": 5, "timeout": 1, "canceled": 1, "28P01": 1}},
		{dbconv.ClientConnectionUseTime{}, map[string]uint64{"": 5}},
		{dbconv.ClientConnectionCreateTime{}, map[string]uint64{"": 3}},
	} {
		metric := got[tt.convention.Name()]
		if metric.Unit != "s" || metric.Unit != tt.convention.Unit() || metric.Description != tt.convention.Description() {
			t.Errorf("%s: unit %q, description %q", metric.Name, metric.Unit, metric.Description)
		}
		data, _ := metric.Data.(metricdata.Histogram[float64])
		if data.Temporality != metricdata.CumulativeTemporality {
			t.Errorf("%s: temporality %v", metric.Name, data.Temporality)
		}
		counts := make(map[string]uint64)
		for _, p := range data.DataPoints {
			kind, failed := p.Attributes.Value("error.type")
			want := m.common()
			if failed {
				want = append(want, attribute.KeyValue{Key: "error.type", Value: kind})
				counts[kind.AsString()] = p.Count
			} else {
				counts[""] = p.Count
			}
			if set := attribute.NewSet(want...); !p.Attributes.Equals(&set) {
				t.Errorf("%s: attributes %v, want %v", metric.Name, p.Attributes, set)
			}
			if !slices.Equal(p.Bounds, bounds) {
				t.Errorf("%s: bounds %v", metric.Name, p.Bounds)
			}
			if p.Sum <= 0 {
				t.Errorf("%s: sum %v", metric.Name, p.Sum)
			}
		}
		if !maps.Equal(counts, tt.counts) {
			t.Errorf("%s: counts %v, want %v", metric.Name, counts, tt.counts)
		}
	}
}

func TestTheScopeNamesThisLibrary(t *testing.T) {
	m := measure(t, []*sdkmetric.ManualReader{sdkmetric.NewManualReader()}, "scope")
	var rm metricdata.ResourceMetrics
	if err := m.readers[0].Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	want := instrumentation.Scope{Name: "github.com/otelpool/pgx/otelpool", Version: "0.1.0", SchemaURL: semconv.SchemaURL}
	if len(rm.ScopeMetrics) != 1 || rm.ScopeMetrics[0].Scope != want {
		t.Errorf("got %+v, want %+v", rm.ScopeMetrics, want)
	}
}

func TestEveryReaderAndEveryCollectionSeesTheSame(t *testing.T) {
	readers := []*sdkmetric.ManualReader{sdkmetric.NewManualReader(), sdkmetric.NewManualReader()}
	m := measure(t, readers, "same")
	m.workload(t)
	first := m.settled(t, workloadReleases)
	for what, other := range map[string]collection{"a second reader": collect(t, readers[1]), "a second collection": collect(t, readers[0])} {
		if len(other) != len(first) {
			t.Errorf("%s sees %d metrics, not %d", what, len(other), len(first))
		}
		for name, metric := range first {
			options := []metricdatatest.Option{metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars()}
			if row := slices.IndexFunc(expected, func(e struct {
				name, unit, kind string
				float            bool
				series           []series
			}) bool {
				return e.name == name && e.series[0].value < 0
			}); row >= 0 {
				options = append(options, metricdatatest.IgnoreValue()) // health may have moved on
			}
			if !metricdatatest.AssertEqual(t, metric, other[name], options...) {
				t.Errorf("%s differs", what)
			}
		}
	}
}

func TestACollectionBetweenTicksHasTheSameInCountersAndHistograms(t *testing.T) {
	m := measure(t, []*sdkmetric.ManualReader{sdkmetric.NewManualReader()}, "between", otelpool.WithHealthInterval(time.Minute))
	for n := 1; n <= 3; n++ {
		acquire(t, t.Context(), m.Pool).Release()
		c := collect(t, m.readers[0])
		for histogram, counter := range map[string]string{
			"db.client.connection.wait_time":   "otelpool.acquires",
			"db.client.connection.use_time":    "otelpool.releases",
			"db.client.connection.create_time": "otelpool.connections.opened",
		} {
			points := c[histogram].Data.(metricdata.Histogram[float64]).DataPoints
			if counted := sum(t, c, counter); float64(points[0].Count) != counted {
				t.Errorf("after %d acquires %s has %d, %s says %v", n, histogram, points[0].Count, counter, counted)
			}
		}
		if counted := sum(t, c, "otelpool.acquires"); counted != float64(n) {
			t.Errorf("%v of %d acquires are counted", counted, n)
		}
	}
}

func TestDeltaTemporalityAddsUp(t *testing.T) {
	reader := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(func(sdkmetric.InstrumentKind) metricdata.Temporality {
		return metricdata.DeltaTemporality
	}))
	m := measure(t, []*sdkmetric.ManualReader{reader}, "delta")
	total := map[string]float64{}
	add := func() {
		c := collect(t, reader)
		for _, name := range []string{"otelpool.acquires", "otelpool.releases", "otelpool.connections.opened"} {
			total[name] += max(0, sum(t, c, name))
		}
		if h, ok := c["db.client.connection.wait_time"].Data.(metricdata.Histogram[float64]); ok {
			for _, p := range h.DataPoints {
				total["waits"] += float64(p.Count)
			}
		}
	}
	want := map[string]float64{"otelpool.acquires": 8, "otelpool.releases": 5, "otelpool.connections.opened": 3, "waits": 8}
	m.workload(t)
	eventually(t, "all has been collected", func() bool { add(); return maps.Equal(total, want) })
	acquire(t, t.Context(), m.Pool).Release()
	want["otelpool.acquires"]++
	want["otelpool.releases"]++
	want["waits"]++
	eventually(t, "one more has been collected", func() bool { add(); return maps.Equal(total, want) })
	add()
	if !maps.Equal(total, want) {
		t.Errorf("a collection without traffic added: %v, want %v", total, want)
	}
}

func TestNothingIsObservedAfterClose(t *testing.T) {
	cumulative := sdkmetric.NewManualReader()
	delta := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(sdkmetric.DeltaTemporalitySelector))
	m := measure(t, []*sdkmetric.ManualReader{cumulative, delta}, "gone")
	m.workload(t)
	m.settled(t, workloadReleases)
	collect(t, delta)
	if err := m.monitor.Close(); err != nil {
		t.Fatal(err)
	}
	acquire(t, t.Context(), m.Pool).Release()
	for name, metric := range collect(t, cumulative) {
		h, ok := metric.Data.(metricdata.Histogram[float64]) // the SDK forgets no histogram while it lives
		if !ok {
			t.Errorf("%s is still there", name)
			continue
		}
		for _, p := range h.DataPoints {
			if p.Count > workloadReleases {
				t.Errorf("%s was recorded after Close: %d", name, p.Count)
			}
		}
	}
	for name, metric := range collect(t, delta) {
		if len(attributeSets(t, metric)) != 0 {
			t.Errorf("%s is still there", name)
		}
	}
}

func TestTwoPoolsOfOneProviderAreCountedApart(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	readers := []*sdkmetric.ManualReader{reader}
	a, b := measureWith(t, provider, readers, "apart-a"), measureWith(t, provider, readers, "apart-b")
	a.workload(t)
	for range 3 {
		acquire(t, t.Context(), b.Pool).Release()
	}
	a.settled(t, workloadReleases)
	got := b.settled(t, 3)
	for pool, want := range map[string]float64{"apart-a": 5, "apart-b": 3} {
		if v := sum(t, got, "otelpool.acquires", "otelpool.outcome", "ok", "db.client.connection.pool.name", pool); v != want {
			t.Errorf("%s: %v acquires, want %v", pool, v, want)
		}
	}
	for name, metric := range got {
		for _, set := range attributeSets(t, metric) {
			if v, _ := set.Value("db.client.connection.pool.name"); v.AsString() != "apart-a" && v.AsString() != "apart-b" {
				t.Errorf("%s has a series without a pool: %v", name, set)
			}
		}
	}
	if err := a.monitor.Close(); err != nil {
		t.Fatal(err)
	}
	for _, set := range attributeSets(t, collect(t, reader)["otelpool.acquires"]) {
		if has(set, []string{"db.client.connection.pool.name", "apart-a"}) {
			t.Errorf("a closed pool still counts: %v", set)
		}
	}
}

func TestErrorTypesAreBounded(t *testing.T) {
	m := measure(t, []*sdkmetric.ManualReader{sdkmetric.NewManualReader()}, "bounded")
	const kinds = 40
	for i := range kinds {
		refusal := error(&pgconn.PgError{Code: "ZZ" + strconv.Itoa(100+i)})
		m.refuse.Store(&refusal)
		if _, err := m.Acquire(t.Context()); err == nil {
			t.Fatal("a refused connect succeeded")
		}
	}
	eventually(t, "all failures are seen", func() bool {
		return sum(t, collect(t, m.readers[0]), "otelpool.connect.failures") == kinds
	})
	got := collect(t, m.readers[0])
	for _, name := range []string{"otelpool.connect.failures", "db.client.connection.wait_time"} {
		all := attributeSets(t, got[name])
		if len(all) != 33 {
			t.Errorf("%s has %d series, want 32 and one for the rest", name, len(all))
		}
		if !slices.ContainsFunc(all, func(s attribute.Set) bool { return has(s, []string{"error.type", "_OTHER"}) }) {
			t.Errorf("%s has no series for the rest", name)
		}
	}
	var waits uint64
	for _, p := range got["db.client.connection.wait_time"].Data.(metricdata.Histogram[float64]).DataPoints {
		waits += p.Count
	}
	if waits != kinds {
		t.Errorf("%d waits were recorded, want %d", waits, kinds)
	}
}

func TestServersAreNamedAsConfigured(t *testing.T) {
	for dsn, want := range map[string][]attribute.KeyValue{
		"postgres://u@db.example/shop":                                {semconv.DBNamespace("shop"), semconv.ServerAddress("db.example")},
		"postgres://u@db.example:5432/shop":                           {semconv.DBNamespace("shop"), semconv.ServerAddress("db.example")},
		"postgres://u@a.example:6432,b.example:6432/shop":             {semconv.DBNamespace("shop")},
		"postgres://u@db.example:443/shop":                            {semconv.DBNamespace("shop"), semconv.ServerAddress("db.example"), semconv.ServerPort(443)},
		"user=u host=/var/run/postgresql port=5433 dbname=shop":       {semconv.DBNamespace("shop"), semconv.ServerAddress("/var/run/postgresql"), semconv.ServerPort(5433)},
		"user=u host=db.example port=6432 dbname=shop sslmode=prefer": {semconv.DBNamespace("shop"), semconv.ServerAddress("db.example"), semconv.ServerPort(6432)},
		"postgres://u@db.example/%ff":                                 {semconv.ServerAddress("db.example")},
	} {
		want := attribute.NewSet(append(want, semconv.DBClientConnectionPoolName("p"), semconv.DBSystemNamePostgreSQL)...)
		got := attribute.NewSet(otelpool.CommonAttributes("p", parse(t, dsn).ConnConfig)...)
		if !got.Equals(&want) {
			t.Errorf("%s:\ngot  %v\nwant %v", dsn, got.ToSlice(), want.ToSlice())
		}
	}
}
