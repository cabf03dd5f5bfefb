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
// One way: pgxpool → hook (package tracer) → sample, once a tick → judge (package healthcheck) → report → outlets. The
// outlets, which are the metric callback, the log, HTTP and the methods of [Monitor], read the last report. None measures
// anything and none acquires a connection, so that asking costs nothing and can be done while everything burns. The metric
// callback reads the hook's counters too, as of now, so that they agree with the histograms of the same collection.
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
//	otelpool.hold.query_time        otelpool.size.recommended
//
// Kinds, units, attributes and meanings are in docs/metrics.md. Every series carries db.client.connection.pool.name.
//
// # What it never does to its host
//
// On its usual path the hook takes no lock for an acquire or a release, and allocates once. A short lock is taken where an
// acquire fails, finds its place among many waiters taken or is the first of its connection, and where a suspected leak comes
// back. It starts no goroutine and changes no error.
//
// A [Monitor] has one goroutine; a second one and a connection of its own exist only while the pool is not well, and
// [WithServerProbe] turns them off. No password, no query argument and, unless [WithSQLText] asks for it, no statement
// leaves through any outlet; the one exception are the errors on otelpgx's spans, see [WithQuerySpans].
package otelpool
