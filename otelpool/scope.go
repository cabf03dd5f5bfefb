package otelpool

import "github.com/otelpool/pgx/internal/telemetry"

// ScopeName is the name of the instrumentation scope of every signal, the import path of this package.
const ScopeName = telemetry.ScopeName

// Version is the version of the instrumentation scope: that of this module in the running program, without the v.
func Version() string { return telemetry.Version() }
