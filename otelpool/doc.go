// Package otelpool tells who holds the connections of a pgxpool, where they took them, what is wrong with the pool and what
// to do about it: as OpenTelemetry metrics, spans and logs, and over HTTP.
//
// Two lines make an application observed:
//
//	cfg, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
//	err = otelpool.Configure(cfg)                // before the pool exists: pgx fixes its hooks at construction
//	pool, err := pgxpool.NewWithConfig(ctx, cfg)
//	monitor, err := otelpool.Instrument(pool)    // finds the hook, registers the callback, starts to judge
//	…
//	err = monitor.Shutdown(ctx)                  // drains the pool; the error names whoever keeps it open, and where
//
// [Open] does all of it in one call. [Instrument] on a pool that was never configured works in stat-only mode: it tells
// what [pgxpool.Pool.Stat] can and warns of the rest.
//
// # How data runs
//
// One way: pgxpool → hook (package tracer) → sample, once a tick → judge (package healthcheck) → view → outlets. A view is
// one immutable value. The outlets, which are metrics, logs, spans, HTTP and the methods of [Monitor], read the last one. None
// measures anything and none acquires a connection, so that asking costs nothing and can be done while everything burns.
// Counts and the pool's figures are read anew for a collection of metrics and for [Monitor.Stats], all at one moment.
//
// The goroutine that looks and judges never calls code of yours. Log handlers and exporters have goroutines of their own, and
// a bounded mailbox each: a slow one delays nobody and changes no judgement.
//
// # Metrics
//
// All of the semantic conventions for connection pools:
//
//	db.client.connection.count              connections, by state
//	db.client.connection.idle.max           most that may be idle
//	db.client.connection.idle.min           fewest that are kept idle
//	db.client.connection.max                most there may be
//	db.client.connection.pending_requests   acquires that have not ended
//	db.client.connection.timeouts           acquires whose deadline passed
//	db.client.connection.create_time        histogram of connects
//	db.client.connection.wait_time          histogram of acquires, failed ones with error.type
//	db.client.connection.use_time           histogram of holds
//
// And our own:
//
//	otelpool.acquires               otelpool.leaks                  otelpool.health.status
//	otelpool.releases               otelpool.leaks.active           otelpool.health.level
//	otelpool.connections.opened     otelpool.leaks.recovered        otelpool.health.cause
//	otelpool.connections.closed     otelpool.holders.oldest_age     otelpool.health.transitions
//	otelpool.connect.failures       otelpool.waiters.oldest_age     otelpool.outages
//	otelpool.usage                  otelpool.hold.idle_ratio        otelpool.outage.duration
//	otelpool.active.peak            otelpool.wait.peak              otelpool.reconnects
//	otelpool.hold.query_time        otelpool.size.recommended       otelpool.acquires.empty
//	otelpool.health.notice          otelpool.notices
//
// Kinds, units, attributes and meanings are in docs/metrics.md. Every series carries the pool's name
// (db.client.connection.pool.name), db.system.name, db.namespace and, where one server is configured, server.address and
// server.port.
//
// # What it never does to its host
//
// On its usual path the hook takes no lock for an acquire or a release, and allocates once. A short lock is taken where an
// acquire fails, finds its place among many waiters taken or is the first of its connection, and where a suspected leak comes
// back. It starts no goroutine and changes no error.
//
// A [Monitor] has four goroutines: one looks and judges, the log, the spans and the replay of durations have one each. One
// more and a connection of its own exist only while the pool is not well, and [WithServerProbe] turns them off. No password, no query argument and, unless [WithSQLText] asks for it, no statement
// leaves through any outlet; the one exception are the errors on otelpgx's spans, see [WithQuerySpans].
package otelpool
