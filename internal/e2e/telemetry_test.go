package e2e

import (
	"context"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// patience bounds every wait for what should be there in a second or two.
const patience = 30 * time.Second

// providers are an application's SDK, with the exporters applications use.
type providers struct {
	meter  *sdkmetric.MeterProvider
	tracer *sdktrace.TracerProvider
	logger *sdklog.LoggerProvider
}

// flush sends everything now: the tests do not wait for intervals meant for production.
func (p providers) flush(t *testing.T) {
	t.Helper()
	for _, flush := range []func(context.Context) error{
		p.tracer.ForceFlush, p.meter.ForceFlush, p.logger.ForceFlush,
	} {
		if err := flush(t.Context()); err != nil {
			t.Fatalf("send to the collector: %v", err)
		}
	}
}

// newProviders makes an SDK that sends to endpoint by OTLP over gRPC, as the only replica of a shop.
func newProviders(t *testing.T, endpoint string) providers {
	t.Helper()
	return newReplica(t, endpoint,
		attribute.String("service.instance.id", "shop-1"), attribute.String("host.name", "host-1"))
}

// newReplica is newProviders for one replica of several.
func newReplica(t *testing.T, endpoint string, identity ...attribute.KeyValue) providers {
	t.Helper()
	ctx := t.Context()
	metrics, err := otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpointURL(endpoint))
	if err != nil {
		t.Fatal(err)
	}
	traces, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(endpoint))
	if err != nil {
		t.Fatal(err)
	}
	logs, err := otlploggrpc.New(ctx, otlploggrpc.WithEndpointURL(endpoint))
	if err != nil {
		t.Fatal(err)
	}
	res := resource.NewSchemaless(append(identity,
		attribute.String("service.name", "shop"), attribute.String("service.namespace", "e2e"))...)
	p := providers{
		meter: sdkmetric.NewMeterProvider(sdkmetric.WithResource(res),
			sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metrics, sdkmetric.WithInterval(time.Hour)))),
		tracer: sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(traces)),
		logger: sdklog.NewLoggerProvider(sdklog.WithResource(res),
			sdklog.WithProcessor(sdklog.NewBatchProcessor(logs))),
	}
	t.Cleanup(func() {
		// The collector may be gone by now; what matters is that the SDK leaves no goroutine.
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = p.meter.Shutdown(ctx)
		_ = p.tracer.Shutdown(ctx)
		_ = p.logger.Shutdown(ctx)
	})
	return p
}
