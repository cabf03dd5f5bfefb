// Package tracer is the hook that pgxpool calls: it times how long callers wait for a connection, how long they hold
// it and how long connecting takes, and keeps the table of who holds what.
//
// A [Tracer] implements all seven tracing interfaces of pgx. Most programs never touch it: package otelpool installs it,
// reads it once a tick and tells the world. It knows nothing of metrics or health; durations leave through a [Recorder],
// everything else through [Tracer.Sweep] and [Tracer.Holders].
//
// # What it costs
//
// One allocation an acquire: the context value that pgx hands back at the end of the acquire, which doubles as the
// record of the hold. There is no lock on the path of an acquire, a query or a release; what readers need is written
// with atomics, and readers never write what a holder reads. Stacks are return addresses found by following frame
// pointers, about a nanosecond a frame, interned once a call site and symbolised only when somebody looks.
//
// # What it never does
//
// It never changes an error, blocks, panics, starts a goroutine or touches a connection that somebody else holds.
package tracer
