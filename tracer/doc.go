// Package tracer is the hook that pgxpool calls: it times how long callers wait for a connection, how long they hold
// it and how long connecting takes, and keeps the table of who holds what.
//
// A [Tracer] implements all seven tracing interfaces of pgx. It knows nothing of metrics, logs or health.
//
// # For applications
//
// Most programs use package otelpool, which installs the hook, reads it once a tick and tells the world. Of this package they
// meet [ExpectLongHold], and what a Monitor returns: [Holder], [Waiter], [Frame] and [SiteStat].
//
// # For facades
//
// The rest is for packages like otelpool, which install the hook and read it.
//
//   - To install: [New], [Compose] and [Find]; the hooks of the configuration, [Tracer.WrapBeforeConnect],
//     [Tracer.WrapAfterConnect], [Tracer.WrapBeforeClose]; then [Tracer.Bind], [Tracer.Adjust] and [Tracer.SetLimits].
//   - To read once a tick: [Tracer.Sweep], by one goroutine. It runs no foreign code.
//   - To read at any time, on any goroutine: [Tracer.Counters], [Tracer.Faults], [Tracer.Holders], [Tracer.Waiters], [Tracer.Sites].
//   - To be told: durations by [Tracer.SetRecorder], which [Tracer.Flush] replays; acquires and releases one by one by
//     [Tracer.SetConnectionEvents]; leaks and lost connections by [Snapshot].
//   - To stay out of the books: [Untracked].
//
// Nothing here depends on an order of calls, but that the hook must be in the configuration before the pool is built.
//
// # What it costs
//
// One allocation an acquire: the context value that pgx hands back at the end of the acquire, which doubles as the
// record of the hold. There is no lock on the path of an acquire, a query or a release; what readers need is written
// with atomics, and readers never write what a holder reads. Stacks are return addresses found by following frame
// pointers, about a nanosecond a frame, interned once a call site and symbolised only when somebody looks: see package
// internal/callstack. A pool takes 34 kB of memory, and half a kilobyte for each call path up to 256 of them.
//
// # What it never does
//
// It never changes an error, blocks, panics or touches a connection that somebody else holds.
package tracer
