package e2e

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.opentelemetry.io/contrib/bridges/otelslog"

	"github.com/otelpool/pgx/internal/e2e/collector"
)

func TestAnAgentDeliversToItsGatewayWhatItTookWhileTheGatewayWasAway(t *testing.T) {
	gateway := collector.RunWith(t, collector.Config{
		Files:    []string{"gateway.yaml"},
		Overlays: []string{collector.FilesOnly},
	})
	agent := collector.RunWith(t, collector.Config{
		Files: []string{"agent.yaml"},
		Env: map[string]string{
			"GATEWAY_ENDPOINT": strings.TrimPrefix(gateway.OTLPEndpoint(), "http://"),
			"GATEWAY_INSECURE": "true",
		},
	})
	if err := gateway.Kill(); err != nil {
		t.Fatal(err)
	}

	p := newProviders(t, agent.OTLPEndpoint())
	record(t, p.meter.Meter("example.com/shop"), "gauge", "otelpool.usage", "1")
	_, span := p.tracer.Tracer("example.com/shop").Start(t.Context(), "checkout")
	span.End()
	logger := slog.New(otelslog.NewHandler("example.com/shop", otelslog.WithLoggerProvider(p.logger)))
	logger.Warn("the pool is full", "event.name", "pool.exhausted")
	p.flush(t)

	if err := gateway.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitAll(t, func() error {
		metrics, err := gateway.Metrics()
		if err != nil {
			return err
		}
		spans, err := gateway.Spans()
		if err != nil {
			return err
		}
		logs, err := gateway.Logs()
		if err != nil {
			return err
		}
		if len(metrics) != 1 || len(spans) != 1 || len(logs) != 1 {
			return fmt.Errorf("%d metrics, %d spans, %d logs, want one of each", len(metrics), len(spans), len(logs))
		}
		if got := logs[0].EventName(); got != "pool.exhausted" {
			return fmt.Errorf("event name %q, want pool.exhausted", got)
		}
		return nil
	})
}
