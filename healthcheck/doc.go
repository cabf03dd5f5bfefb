// Package healthcheck says whether a connection pool is well, and if it is not, why and what to do.
//
// A [Report] has a [State], a [Status] and, unless all is well, the [Finding] list with the likeliest [Cause] first. What counts
// as well is a [Policy]: [Evidence], [IdleRatio] or [Usage], or one of these with thresholds of your own. [Causes] lists what a
// report can name; each has a meaning and a runbook. Reports are immutable and may be shared.
//
// A [Source] is the [Snapshot] of a pool as of now, with its report. The packages httphealth and grpchealth serve sources to probes
// and people; [Report.AsOf] is the one place that says when a report is too old to be believed.
//
// # For facades
//
// The rest is for who observes a pool, as package otelpool does. Once a tick it builds a [Sample] of the pool and hands it to that
// pool's [Judge], made by [NewJudge], which answers with a report:
//
//   - A sample is made of [PoolCounts], [Traffic], [Connects], [HeldConn], [PendingAcquire], [Probe] and [ServerView] with its
//     [Backend] list. Its counts are those of the hook, so only a facade within this module can fill them.
//   - Judging reads no clock, takes no lock and touches neither pool nor database: the same samples give the same reports. A
//     [Judge] is for one goroutine. Publish its reports, in a [Snapshot], behind one atomic pointer.
//   - A facade that reconnects by itself asks [ShouldRetry] whether to try again and [Schedule] when. [Classify] names the cause
//     behind an error.
package healthcheck
