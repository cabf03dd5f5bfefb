package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/common/model"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/otelpool/pgx/internal/e2e/collector"
	"github.com/otelpool/pgx/internal/e2e/prometheus"
)

// oneRule fires as soon as the metric is there.
const oneRule = `groups:
  - name: e2e
    rules:
      - alert: PoolUnhealthy
        expr: otelpool_health_level == 2
        labels: {severity: page}
`

func TestPrometheus_ScrapesTheCollectorAndAlerts(t *testing.T) {
	t.Parallel() // most of it is Prometheus waiting five seconds before it looks for its targets
	c := collector.Run(t)
	rules := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(rules, []byte(oneRule), 0o644); err != nil {
		t.Fatal(err)
	}
	prom := prometheus.Run(t, prometheus.Config{Targets: []string{c.PrometheusAddr()}, RuleFiles: []string{rules}})
	p := newProviders(t, c.OTLPEndpoint())
	level, err := p.meter.Meter("example.com/shop").Int64Gauge("otelpool.health.level", metric.WithUnit("{level}"))
	if err != nil {
		t.Fatal(err)
	}
	level.Record(t.Context(), 2, metric.WithAttributes(attribute.String("db.client.connection.pool.name", "main")))
	p.flush(t)

	awaitAll(t, func() error {
		got, err := prom.Query(t.Context(), `otelpool_health_level{job="e2e/shop", instance="shop-1"}`)
		if err != nil {
			return err
		}
		if len(got) != 1 || got[0].Value != 2 || got[0].Metric["db_client_connection_pool_name"] != "main" {
			return fmt.Errorf("got %v, want one series of the pool main with 2", got)
		}
		return nil
	})
	awaitAll(t, func() error {
		alerts, err := prom.Alerts(t.Context())
		if err != nil {
			return err
		}
		if len(alerts) != 1 || alerts[0].Name() != "PoolUnhealthy" || alerts[0].State != "firing" {
			return fmt.Errorf("alerts = %v, want PoolUnhealthy firing", alerts)
		}
		return nil
	})
}

func TestExemplar_LeadsFromPrometheusToTheTrace(t *testing.T) {
	t.Parallel()
	c := collector.Run(t)
	prom := prometheus.Run(t, prometheus.Config{Targets: []string{c.PrometheusAddr()}})
	p := newProviders(t, c.OTLPEndpoint())
	wait, err := p.meter.Meter("example.com/shop").Float64Histogram("db.client.connection.wait_time", metric.WithUnit("s"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, span := p.tracer.Tracer("example.com/shop").Start(t.Context(), "checkout")
	wait.Record(ctx, 0.3)
	span.End()
	p.flush(t)

	want := model.LabelValue(span.SpanContext().TraceID().String())
	awaitAll(t, func() error {
		got, err := prom.Exemplars(t.Context(), "db_client_connection_wait_time_seconds_bucket")
		if err != nil {
			return err
		}
		if len(got) == 0 || got[0].Labels["trace_id"] != want {
			return fmt.Errorf("exemplars = %v, want one with trace_id %s", got, want)
		}
		return nil
	})
}
