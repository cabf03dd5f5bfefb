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

// prometheusName is the name that rules, dashboards and documentation use. A unit in braces leaves no trace in it; a gauge whose unit
// is 1 becomes a ratio.
func (i instrument) prometheusName() string {
	name := strings.ReplaceAll(i.name, ".", "_")
	if i.unit == "s" {
		name += "_seconds"
	}
	switch {
	case i.kind == "counter":
		name += "_total"
	case i.kind == "gauge" && i.unit == "1" && !strings.HasSuffix(name, "_ratio"):
		name += "_ratio"
	}
	return name
}

func TestInstruments_HaveThePrometheusNamesThatRulesUse(t *testing.T) {
	c := collector.Run(t)
	p := newProviders(t, c.OTLPEndpoint())
	meter := p.meter.Meter("github.com/otelpool/pgx/otelpool")
	all := documented(t)
	for _, i := range all {
		record(t, meter, i)
	}
	p.flush(t)

	awaitAll(t, func() error {
		families, err := c.Prometheus(t.Context())
		if err != nil {
			return err
		}
		for _, i := range all {
			if want := i.prometheusName(); families[want] == nil {
				return fmt.Errorf("%s in %s is not %s: the endpoint has\n%s", i.name, i.unit, want, names(families))
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
func record(t *testing.T, meter metric.Meter, in instrument) {
	t.Helper()
	attrs := metric.WithAttributes(attribute.String("db.client.connection.pool.name", "main"))
	var err error
	switch in.kind {
	case "counter":
		var i metric.Float64Counter
		i, err = meter.Float64Counter(in.name, metric.WithUnit(in.unit))
		i.Add(t.Context(), 1, attrs)
	case "updowncounter":
		var i metric.Int64UpDownCounter
		i, err = meter.Int64UpDownCounter(in.name, metric.WithUnit(in.unit))
		i.Add(t.Context(), 1, attrs)
	case "gauge":
		var i metric.Float64Gauge
		i, err = meter.Float64Gauge(in.name, metric.WithUnit(in.unit))
		i.Record(t.Context(), 0.5, attrs)
	case "histogram":
		var i metric.Float64Histogram
		i, err = meter.Float64Histogram(in.name, metric.WithUnit(in.unit))
		i.Record(t.Context(), 0.5, attrs)
	default:
		t.Fatalf("%s is of kind %q", in.name, in.kind)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func names(families map[string]*dto.MetricFamily) []string { return slices.Sorted(maps.Keys(families)) }
