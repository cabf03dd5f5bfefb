// Package telemetry names what otelpool sends: scope, metrics, attributes, log events. Where the OpenTelemetry
// conventions have a name, it comes from their generated packages and not from here.
package telemetry

import (
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// ScopeName and Version identify the instrumentation scope of every signal.
const (
	ScopeName = "github.com/otelpool/pgx/otelpool"
	Version   = "0.1.0"
)

// Attributes of our own, below the namespace otelpool.
const (
	KeyOutcome = attribute.Key("otelpool.outcome")
	KeyReason  = attribute.Key("otelpool.reason")
	KeyState   = attribute.Key("otelpool.health.state")
	KeyCause   = attribute.Key("otelpool.cause")
	KeyTier    = attribute.Key("otelpool.leak.tier")

	KeyAttempts = attribute.Key("otelpool.reconnect.attempts")
)

// Buckets are the bounds of every duration histogram, in seconds. The SDK's own are meant for milliseconds.
var Buckets = [...]float64{
	0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
}

// Log events: the value of the attribute otel.event.name. An OTLP log bridge for slog cannot set the record's own event name,
// so the collector's transform moves it there.
const (
	KeyEventName = string(semconv.OTelEventNameKey)

	EventInitialized        = "pool.initialized"
	EventAcquired           = "connection.acquired"
	EventReleased           = "connection.released"
	EventStatistics         = "pool.statistics"
	EventExhausted          = "pool.exhausted"
	EventLeakSuspected      = "leak.suspected"
	EventLeakRecovered      = "leak.recovered"
	EventConnectionLost     = "connection.lost"
	EventReconnectAttempt   = "reconnect.attempt"
	EventReconnectSucceeded = "reconnect.succeeded"
	EventHealthChanged      = "health.changed"
	EventUsageHigh          = "pool.usage_high"
	EventRenamed            = "pool.renamed"
	EventStatOnly           = "pool.stat_only"
	EventPanicked           = "observer.panicked"
	EventShutdownStarted    = "shutdown.started"
	EventShutdownWaiting    = "shutdown.waiting"
	EventShutdownCompleted  = "shutdown.completed"
)
