package otlp

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// kept is an exporter that keeps what it gets.
type kept struct{ records []sdklog.Record }

func (k *kept) Export(_ context.Context, records []sdklog.Record) error {
	for _, r := range records {
		k.records = append(k.records, r.Clone())
	}
	return nil
}
func (*kept) Shutdown(context.Context) error   { return nil }
func (*kept) ForceFlush(context.Context) error { return nil }

func TestEventNamer_MovesTheNameAndNothingElse(t *testing.T) {
	for _, tt := range []struct {
		name  string
		attrs []any
		event string
		left  []string
	}{
		{"an event", []any{"a", 1, "otel.event.name", "leak.suspected", "b", 2}, "leak.suspected", []string{"a", "b"}},
		{"no event", []any{"a", 1}, "", []string{"a"}},
		{"no name", []any{"otel.event.name", 7}, "", []string{"otel.event.name"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var k kept
			provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(eventNamer{}), sdklog.WithProcessor(sdklog.NewSimpleProcessor(&k)))
			slog.New(otelslog.NewHandler("example.com/shop", otelslog.WithLoggerProvider(provider))).Info("a record", tt.attrs...)
			if err := provider.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(k.records) != 1 {
				t.Fatalf("%d records, want 1", len(k.records))
			}
			r := k.records[0]
			var left []string
			r.WalkAttributes(func(kv attribute.KeyValue) bool {
				left = append(left, string(kv.Key))
				return true
			})
			if got := r.EventName(); got != tt.event || !slices.Equal(left, tt.left) {
				t.Errorf("event %q with %q, want %q with %q", got, left, tt.event, tt.left)
			}
		})
	}
}
