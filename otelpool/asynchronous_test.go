package otelpool_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool"
	"github.com/otelpool/pgx/otelpool/internal/outlet/metrics"
)

// series is one expected point: its value, and its attributes beyond the common ones as pairs of key and value.
type series struct {
	value float64
	pairs []string
}

func one(value float64, pairs ...string) []series { return []series{{value, pairs}} }

// expected lists every asynchronous metric, by hand, with its values after the workload. -1 is a value that depends on the clock.
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
		{0, []string{"otelpool.outcome", "busy"}}, {1, []string{"otelpool.outcome", "in_transaction"}},
		{0, []string{"otelpool.outcome", "canceled"}}}},
	{"otelpool.connections.opened", "{connection}", "counter", false, one(3)},
	{"otelpool.connections.closed", "{connection}", "counter", false, []series{
		{1, []string{"otelpool.reason", "broken"}}, {0, []string{"otelpool.reason", "busy"}},
		{1, []string{"otelpool.reason", "in_transaction"}}, {0, []string{"otelpool.reason", "canceled"}},
		{0, []string{"otelpool.reason", "lifetime"}},
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

func noticeSeries() (out []series) {
	for _, k := range healthcheck.NoticeKinds {
		out = append(out, series{-1, []string{"otelpool.notice", string(k)}})
	}
	return out
}

func causeSeries() (out []series) {
	for _, c := range healthcheck.Causes {
		out = append(out, series{-1, []string{"otelpool.cause", string(c)}})
	}
	return out
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

func TestAsynchronousMetrics_ReadExactlyWhatHappened(t *testing.T) {
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
	// The histograms have a test of their own. A size is recommended only after more traffic than this.
	for _, name := range []string{"db.client.connection.create_time", "db.client.connection.wait_time", "db.client.connection.use_time"} {
		delete(got, name)
		delete(rows, name)
	}
	delete(rows, "otelpool.size.recommended")
	if len(got) != 0 || len(rows) != 0 {
		t.Errorf("unexpected metrics: %v; rows of the table that were not expected: %v", slices.Collect(maps.Keys(got)), slices.Collect(maps.Keys(rows)))
	}
}

func TestClockMetrics_ReadPlausibleValues(t *testing.T) {
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
