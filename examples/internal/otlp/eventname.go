package otlp

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// eventNamer moves the attribute otel.event.name into a record's own event name, which the slog bridge cannot set. It must come
// before the processor that exports. A collector with the transform of collector-config does the same: one of them is enough.
type eventNamer struct{}

// OnEmit implements [sdklog.Processor]. What it changes, the processors after it see.
func (eventNamer) OnEmit(_ context.Context, r *sdklog.Record) error {
	rest := make([]attribute.KeyValue, 0, r.AttributesLen())
	var name string
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		if kv.Key == semconv.OTelEventNameKey && kv.Value.Type() == attribute.STRING {
			name = kv.Value.AsString()
		} else {
			rest = append(rest, kv)
		}
		return true
	})
	if name != "" {
		r.SetEventName(name)
		r.SetAttributes(rest...)
	}
	return nil
}

// Enabled implements [sdklog.Processor]. Whether a record is wanted is for the processor that exports to say.
func (eventNamer) Enabled(context.Context, sdklog.EnabledParameters) bool { return false }

// Shutdown implements [sdklog.Processor].
func (eventNamer) Shutdown(context.Context) error { return nil }

// ForceFlush implements [sdklog.Processor].
func (eventNamer) ForceFlush(context.Context) error { return nil }
