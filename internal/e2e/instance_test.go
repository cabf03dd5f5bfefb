package e2e

import (
	"fmt"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelpool/pgx/internal/e2e/collector"
)

func TestReplicasWithoutAnInstanceIDAreToldApartByPodThenHost(t *testing.T) {
	c := collector.Run(t)
	for _, identity := range [][]attribute.KeyValue{
		{attribute.String("host.name", "host-1")},
		{attribute.String("host.name", "host-2")},
		{attribute.String("host.name", "host-2"), attribute.String("k8s.pod.name", "shop-abc")},
		{attribute.String("host.name", "host-2"), attribute.String("service.instance.id", "my-own")},
	} {
		p := newReplica(t, c.OTLPEndpoint(), identity...)
		record(t, p.meter.Meter("example.com/shop"), "gauge", "otelpool.usage", "1")
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
