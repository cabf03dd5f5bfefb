package e2e

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelpool/pgx/internal/e2e/collector"
)

func TestInstance_IsThePodThenTheHostWhereNoIDIsGiven(t *testing.T) {
	c := collector.Run(t)
	for _, identity := range [][]attribute.KeyValue{
		{attribute.String("host.name", "host-1")},
		{attribute.String("host.name", "host-2")},
		{attribute.String("host.name", "host-2"), attribute.String("k8s.pod.name", "shop-abc")},
		{attribute.String("host.name", "host-2"), attribute.String("service.instance.id", "my-own")},
	} {
		p := newReplica(t, c.OTLPEndpoint(), identity...)
		record(t, p.meter.Meter("example.com/shop"), usage)
		p.flush(t)
	}

	want := []string{"host-1", "host-2", "my-own", "shop-abc"}
	awaitAll(t, func() error {
		families, err := c.Prometheus(t.Context())
		if err != nil {
			return err
		}
		var got []string
		for _, series := range families["otelpool_usage_ratio"].GetMetric() {
			got = append(got, collector.Labels(series)["instance"])
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("instances = %v, want %v", got, want)
		}
		return nil
	})
}

// TestInstance_IsTheSameForSpansLogsAndMetrics: links from one signal to another use it.
func TestInstance_IsTheSameForSpansLogsAndMetrics(t *testing.T) {
	for _, file := range []string{"collector.yaml", "gateway.yaml"} {
		t.Run(file, func(t *testing.T) {
			c := collector.RunWith(t, collector.Config{Files: []string{file}, Overlays: []string{collector.FilesOnly}})
			p := newReplica(t, c.OTLPEndpoint(), attribute.String("host.name", "host-1"))
			record(t, p.meter.Meter("example.com/shop"), usage)
			_, span := p.tracer.Tracer("example.com/shop").Start(t.Context(), "checkout")
			span.End()
			slog.New(otelslog.NewHandler("example.com/shop", otelslog.WithLoggerProvider(p.logger))).Info("the pool is up")
			p.flush(t)

			awaitAll(t, func() error {
				metrics, err := c.Metrics()
				if err != nil {
					return err
				}
				spans, err := c.Spans()
				if err != nil {
					return err
				}
				logs, err := c.Logs()
				if err != nil {
					return err
				}
				if len(metrics) != 1 || len(spans) != 1 || len(logs) != 1 {
					return fmt.Errorf("%d metrics, %d spans, %d logs, want one of each", len(metrics), len(spans), len(logs))
				}
				for signal, from := range map[string]collector.Origin{
					"metric": metrics[0].Origin, "span": spans[0].Origin, "log record": logs[0].Origin,
				} {
					if got := attr(from.Resource.Attributes(), "service.instance.id"); got != "host-1" {
						return fmt.Errorf("the %s is of instance %q, want host-1", signal, got)
					}
				}
				return nil
			})
		})
	}
}
