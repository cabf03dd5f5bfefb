package otelpool_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

func TestQuerySpans_ComeWithoutAcquireSpanOrSecondAcquireMetric(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	reader := sdkmetric.NewManualReader()
	opts := quiet(
		otelpool.WithTracerProvider(provider),
		otelpool.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))),
		otelpool.WithQuerySpans(),
	)
	pool := newPool(t, configured(t, opts...))
	instrument(t, pool)
	ctx, request := provider.Tracer("test").Start(t.Context(), "request")
	if _, err := pool.Exec(ctx, "SELECT 42"); err != nil {
		t.Fatal(err)
	}
	request.End()
	var names []string
	for _, s := range spans.Ended() {
		names = append(names, s.Name())
	}
	if !slices.Contains(names, "SELECT") {
		t.Errorf("no span of the query among %q", names)
	}
	if slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, "acquire") }) {
		t.Errorf("acquires have spans: %q", names)
	}
	for name, m := range collect(t, reader) {
		for _, set := range attributeSets(t, m) {
			if op, ok := set.Value("pgx.operation.type"); ok && op == attribute.StringValue("acquire") {
				t.Errorf("%s measures acquires once more: %v", name, set)
			}
		}
	}
}

func TestQuerySpans_HaveTheTextOfStatementsOnlyOnRequest(t *testing.T) {
	for _, asked := range []bool{false, true} {
		spans := tracetest.NewInMemoryExporter()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
		pool := newPool(t, configured(t, quiet(otelpool.WithQuerySpans(), otelpool.WithTracerProvider(provider), otelpool.WithSQLText(asked))...))
		ctx, span := provider.Tracer("").Start(t.Context(), "request")
		if _, err := pool.Exec(ctx, "SELECT 'card 4111'"); err != nil {
			t.Fatal(err)
		}
		span.End()
		found := false
		for _, s := range spans.GetSpans() {
			for _, a := range s.Attributes {
				found = found || strings.Contains(a.Value.String(), "card 4111")
			}
			found = found || strings.Contains(s.Name, "card 4111")
		}
		if found != asked {
			t.Errorf("asked for: %t, there: %t", asked, found)
		}
	}
}

func TestQuerySpans_CanBeTurnedOffByTheEnvironment(t *testing.T) {
	t.Setenv(otelpool.EnvQuerySpans, "false")
	if otelpool.Settings(t, otelpool.WithQuerySpans(), otelpool.WithEnv())["WithQuerySpans"] != "false" {
		t.Error("false does not turn them off")
	}
}

func TestQuerySpans_CannotBeTurnedOffTooLate(t *testing.T) {
	pool := newPool(t, configured(t, quiet(otelpool.WithQuerySpans())...))
	t.Setenv(otelpool.EnvQuerySpans, "false")
	if _, err := otelpool.Instrument(pool, otelpool.WithEnv()); !errors.Is(err, otelpool.ErrInvalidOption) || !strings.Contains(err.Error(), otelpool.EnvQuerySpans) {
		t.Errorf("got %v", err)
	}
	instrument(t, pool)
}

func TestQuerySpans_ThatComeTooLateBlameWhoeverAskedForThem(t *testing.T) {
	pool := newPool(t, configured(t, quiet()...))
	t.Setenv(otelpool.EnvQuerySpans, "true")
	for blamed, opt := range map[string]otelpool.Option{
		"WithQuerySpans":       otelpool.WithQuerySpans(),
		otelpool.EnvQuerySpans: otelpool.WithEnv(),
	} {
		_, err := otelpool.Instrument(pool, opt)
		var wrong *otelpool.OptionError
		if !errors.As(err, &wrong) || wrong.Option != blamed {
			t.Errorf("got %v, want one that blames %s", err, blamed)
		}
	}
}

func TestWithQuerySpans_RefusesANilOptionByName(t *testing.T) {
	err := otelpool.Configure(pgtest.Config(t), otelpool.WithQuerySpans(nil), otelpool.WithStackDepth(-1))
	if !errors.Is(err, otelpool.ErrInvalidOption) || !strings.Contains(err.Error(), "WithQuerySpans: nil as option 1") || !strings.Contains(err.Error(), "WithStackDepth") {
		t.Errorf("got %v", err)
	}
}
