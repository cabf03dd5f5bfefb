package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelpool/pgx/internal/e2e/collector"
)

// An instrument and the Prometheus name it gets: rules, dashboards and documentation use the right-hand side. A unit in
// braces leaves no trace in the name; a gauge whose unit is 1 becomes a ratio.
var prometheusNames = []struct{ kind, name, unit, want string }{
	{"updown", "db.client.connection.count", "{connection}", "db_client_connection_count"},
	{"updown", "db.client.connection.idle.max", "{connection}", "db_client_connection_idle_max"},
	{"updown", "db.client.connection.idle.min", "{connection}", "db_client_connection_idle_min"},
	{"updown", "db.client.connection.max", "{connection}", "db_client_connection_max"},
	{"updown", "db.client.connection.pending_requests", "{request}", "db_client_connection_pending_requests"},
	{"counter", "db.client.connection.timeouts", "{timeout}", "db_client_connection_timeouts_total"},
	{"histogram", "db.client.connection.create_time", "s", "db_client_connection_create_time_seconds"},
	{"histogram", "db.client.connection.wait_time", "s", "db_client_connection_wait_time_seconds"},
	{"histogram", "db.client.connection.use_time", "s", "db_client_connection_use_time_seconds"},
	{"counter", "otelpool.acquires", "{acquire}", "otelpool_acquires_total"},
	{"counter", "otelpool.connections.closed", "{connection}", "otelpool_connections_closed_total"},
	{"updown", "otelpool.health.status", "1", "otelpool_health_status"},
	{"gauge", "otelpool.health.level", "{level}", "otelpool_health_level"},
	{"gauge", "otelpool.holders.oldest_age", "s", "otelpool_holders_oldest_age_seconds"},
	{"gauge", "otelpool.usage", "1", "otelpool_usage_ratio"},
	{"gauge", "otelpool.hold.idle_ratio", "1", "otelpool_hold_idle_ratio"},
	{"counter", "otelpool.hold.query_time", "s", "otelpool_hold_query_time_seconds_total"},
	{"counter", "otelpool.outage.duration", "s", "otelpool_outage_duration_seconds_total"},
}

func TestEveryInstrumentHasThePrometheusNameThatRulesUse(t *testing.T) {
	c := collector.Run(t)
	p := newProviders(t, c.OTLPEndpoint())
	meter := p.meter.Meter("github.com/otelpool/pgx/otelpool")
	for _, n := range prometheusNames {
		record(t, meter, n.kind, n.name, n.unit)
	}
	p.flush(t)

	awaitAll(t, func() error {
		families, err := c.Prometheus(t.Context())
		if err != nil {
			return err
		}
		for _, n := range prometheusNames {
			if families[n.want] == nil {
				return fmt.Errorf("%s in %s is not %s: the endpoint has\n%s", n.name, n.unit, n.want, names(families))
			}
		}
		return nil
	})
	text, err := c.PrometheusText(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`db_client_connection_wait_time_seconds_bucket{db_client_connection_pool_name="main",`,
		`target_info{host_name="host-1",instance="shop-1",job="e2e/shop"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s at the Prometheus endpoint:\n%s", want, text)
		}
	}
}

// record makes an instrument and records one value with it.
func record(t *testing.T, meter metric.Meter, kind, name, unit string) {
	t.Helper()
	attrs := metric.WithAttributes(attribute.String("db.client.connection.pool.name", "main"))
	var err error
	switch kind {
	case "counter":
		var i metric.Float64Counter
		i, err = meter.Float64Counter(name, metric.WithUnit(unit))
		i.Add(t.Context(), 1, attrs)
	case "updown":
		var i metric.Int64UpDownCounter
		i, err = meter.Int64UpDownCounter(name, metric.WithUnit(unit))
		i.Add(t.Context(), 1, attrs)
	case "gauge":
		var i metric.Float64Gauge
		i, err = meter.Float64Gauge(name, metric.WithUnit(unit))
		i.Record(t.Context(), 0.5, attrs)
	case "histogram":
		var i metric.Float64Histogram
		i, err = meter.Float64Histogram(name, metric.WithUnit(unit))
		i.Record(t.Context(), 0.5, attrs)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func names(families map[string]*dto.MetricFamily) []string { return slices.Sorted(maps.Keys(families)) }
