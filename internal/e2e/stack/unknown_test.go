package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otelpool/pgx/internal/e2e/collector"
	"github.com/otelpool/pgx/internal/e2e/prometheus"
)

// TestPoolHealthUnknown_CallsWhileAPoolIsNotJudged, all the way from an SDK to the pager. From outside nobody can stop the judging
// of a pool, so the test makes the two series that show it.
func TestPoolHealthUnknown_CallsWhileAPoolIsNotJudged(t *testing.T) {
	c, pager := collector.Run(t), newPager(t)
	prometheus.Run(t, prometheus.Config{
		File: path(t, "collector-config", "prometheus", "prometheus.yml"),
		Replace: []string{"otel-collector:8889", c.PrometheusAddr(), "alertmanager:9093", pager.Listener.Addr().String(),
			"15s", "1s", "rules.yml", quickRules(t)},
	})
	var level atomic.Int64
	level.Store(-1)
	exportLevel(t, c.OTLPEndpoint(), &level)
	eventually(t, func() error {
		if !pager.hasFired("PoolHealthUnknown") {
			return fmt.Errorf("the pool is unknown, and only %q have fired", pager.names())
		}
		return nil
	})
	level.Store(0)
	eventually(t, func() error { return pager.called("PoolHealthUnknown") })
}

// exportLevel exports the level of a pool whose state is healthy, as its monitor does when the judgement that said so has grown old.
func exportLevel(t *testing.T, endpoint string, level *atomic.Int64) {
	t.Helper()
	exporter, err := otlpmetricgrpc.New(t.Context(), otlpmetricgrpc.WithEndpointURL(endpoint))
	if err != nil {
		t.Fatal(err)
	}
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithResource(resource.NewSchemaless(attribute.String("service.name", "shop"), attribute.String("service.instance.id", "a"))),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithInterval(200*time.Millisecond))))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = provider.Shutdown(ctx) // the collector may be gone by now
	})
	meter := provider.Meter("example.com/shop")
	pool := attribute.String("db.client.connection.pool.name", "orders")
	_, err1 := meter.Int64ObservableGauge("otelpool.health.level", metric.WithUnit("{level}"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(level.Load(), metric.WithAttributes(pool))
			return nil
		}))
	_, err2 := meter.Int64ObservableUpDownCounter("otelpool.health.status", metric.WithUnit("{state}"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(1, metric.WithAttributes(pool, attribute.String("otelpool.health.state", "healthy")))
			o.Observe(0, metric.WithAttributes(pool, attribute.String("otelpool.health.state", "initializing")))
			return nil
		}))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
}

// TestLevelPanels_ShowUnknownAsAWord: the number -1 would explain nothing.
func TestLevelPanels_ShowUnknownAsAWord(t *testing.T) {
	var d struct{ Panels []json.RawMessage }
	if err := json.Unmarshal(dashboardJSON(t), &d); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, raw := range d.Panels {
		if text := string(raw); strings.Contains(text, "otelpool_health_level") {
			shown++
			if !strings.Contains(text, `"-1": {"text": "unknown"`) {
				t.Errorf("a panel shows no unknown: %s", text)
			}
		}
	}
	if shown == 0 {
		t.Error("no panel shows the level")
	}
}
