// Package telemetry names what otelpool sends: scope, attributes, log events. Where the OpenTelemetry conventions have a name,
// it comes from their generated packages and not from here.
package telemetry

import (
	"runtime/debug"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
)

// ScopeName identifies the instrumentation scope of every signal.
const ScopeName = "github.com/otelpool/pgx/otelpool"

const (
	module = "github.com/otelpool/pgx"
	next   = "0.1.0" // where the build does not know: a test, or a working copy
)

// Version is the version of this module in the running program, without the v.
var Version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return next
	}
	for _, m := range info.Deps {
		if m.Path == module && strings.HasPrefix(m.Version, "v") {
			return m.Version[1:]
		}
	}
	return next
})

// Attributes of our own, below the namespace otelpool.
const (
	KeyOutcome  = attribute.Key("otelpool.outcome")
	KeyReason   = attribute.Key("otelpool.reason")
	KeyState    = attribute.Key("otelpool.health.state")
	KeyCause    = attribute.Key("otelpool.cause")
	KeyNotice   = attribute.Key("otelpool.notice")
	KeyEvidence = attribute.Key("otelpool.leak.tier")
	KeyAttempts = attribute.Key("otelpool.reconnect.attempts")
)

// Buckets are the bounds of every duration histogram, in seconds. The SDK's own are meant for milliseconds.
var Buckets = [...]float64{
	0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
}
