// Package healthcheck says whether a connection pool is well, and if it is not, why and what to do.
//
// Once a tick its caller builds a [Sample] of a pool and hands it to that pool's [Judge], which answers with a [Report]:
// a [State], a [Status] and, unless all is well, the [Finding] list with the likeliest [Cause] first. What counts as well
// is a [Policy]: [Evidence], [IdleRatio] or [Usage], or one of these with thresholds of your own.
//
// Judging reads no clock, takes no lock and touches neither pool nor database; the same samples give the same reports.
// Reports are immutable: publish a [Snapshot] behind one atomic pointer, and the packages httphealth and grpchealth serve it
// to probes and people.
package healthcheck
