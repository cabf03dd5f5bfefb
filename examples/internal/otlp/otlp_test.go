package otlp

import (
	"testing"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

func TestResource_IsNamedByTheEnvironment(t *testing.T) {
	for _, tt := range []struct{ name, attributes, service, instance string }{
		{"", "", "demo", ""},
		{"shop", "service.instance.id=one", "shop", "one"},
		{"", "service.name=shop", "shop", ""},
	} {
		t.Setenv("OTEL_SERVICE_NAME", tt.name)
		t.Setenv("OTEL_RESOURCE_ATTRIBUTES", tt.attributes)
		res, err := describe(t.Context(), "demo")
		if err != nil {
			t.Fatal(err)
		}
		service, _ := res.Set().Value(semconv.ServiceNameKey)
		instance, ok := res.Set().Value(semconv.ServiceInstanceIDKey)
		if service.AsString() != tt.service || !ok || tt.instance != "" && instance.AsString() != tt.instance {
			t.Errorf("%+v: got %v", tt, res)
		}
	}
}
