package healthcheck

import "slices"

// Causes lists every cause that a report can name, in the order of their runbooks.
var Causes = []Cause{
	CauseLeak, CauseNestedAcquire, CauseHeldIdle, CauseSlowDatabase, CauseLockContention, CauseUndersized,
	CauseUnreachable, CauseRejectedCredentials, CauseTooManyConnections, CauseServerStarting, CauseServerShutdown,
	CauseReadOnly, CauseSlowConnect, CauseProcessStarved, CauseInsufficientData,
}

// Names reports whether one of the findings has the given cause.
func (r *Report) Names(c Cause) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Cause == c })
}
