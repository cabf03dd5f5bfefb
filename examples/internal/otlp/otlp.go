// Package otlp sets an example program's OpenTelemetry SDK up: metrics, traces and logs over OTLP gRPC to wherever the
// standard variables OTEL_EXPORTER_OTLP_* point, or nowhere if they are not set.
package otlp

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// SDK is what Setup made.
type SDK struct {
	Endpoint string       // where telemetry goes; "" if nowhere
	Logger   *slog.Logger // bridged to OTLP; nil without an endpoint
	stop     []func(context.Context) error
}

// Setup installs global providers for a service of the given name, unless OTEL_SERVICE_NAME gives another. Metrics are
// exported every 5 s, unless OTEL_METRIC_EXPORT_INTERVAL says otherwise. What cannot be delivered is warned of on slog's
// default logger, once a minute. Without an endpoint it installs nothing.
func Setup(ctx context.Context, service string) (*SDK, error) {
	endpoint := os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
	if endpoint == "" {
		return &SDK{}, nil
	}
	res, err := describe(ctx, service)
	if err != nil {
		return nil, err
	}
	metrics, err1 := otlpmetricgrpc.New(ctx)
	spans, err2 := otlptracegrpc.New(ctx)
	logs, err3 := otlploggrpc.New(ctx)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithResource(res), sdkmetric.WithReader(reader(metrics)))
	tp := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(spans))
	lp := sdklog.NewLoggerProvider(sdklog.WithResource(res),
		sdklog.WithProcessor(eventNamer{}), sdklog.WithProcessor(sdklog.NewBatchProcessor(logs)))
	otel.SetErrorHandler(newErrorHandler(slog.Default()))
	otel.SetMeterProvider(mp)
	otel.SetTracerProvider(tp)
	return &SDK{
		Endpoint: endpoint,
		Logger:   otelslog.NewLogger("github.com/otelpool/pgx/examples", otelslog.WithLoggerProvider(lp)),
		stop:     []func(context.Context) error{mp.Shutdown, tp.Shutdown, lp.Shutdown},
	}, nil
}

// describe names the service and this instance of it, without which replicas would write to the same series. The environment
// has the last word.
func describe(ctx context.Context, service string) (*resource.Resource, error) {
	return resource.New(ctx, resource.WithService(), resource.WithAttributes(semconv.ServiceName(service)),
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv())
}

func reader(exporter sdkmetric.Exporter) sdkmetric.Reader {
	if os.Getenv("OTEL_METRIC_EXPORT_INTERVAL") != "" {
		return sdkmetric.NewPeriodicReader(exporter)
	}
	return sdkmetric.NewPeriodicReader(exporter, sdkmetric.WithInterval(5*time.Second))
}

// Shutdown sends what is left, within ctx. What cannot be sent is warned of and is no error: no program should fail for its
// telemetry.
func (s *SDK) Shutdown(ctx context.Context) {
	for _, stop := range s.stop {
		if err := stop(ctx); err != nil {
			otel.Handle(err)
		}
	}
}
