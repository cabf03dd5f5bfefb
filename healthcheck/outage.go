package healthcheck

import (
	"slices"
	"time"
)

// outageCauses are the causes by which a pool has no server, as opposed to having trouble with one.
var outageCauses = []Cause{
	CauseUnreachable, CauseRejectedCredentials, CauseTooManyConnections, CauseServerStarting, CauseServerShutdown,
}

// outageTracker follows whether an unhealthy pool is so because its server is lost. Under a policy of thresholds it may be,
// or stay, unhealthy for being busy.
type outageTracker struct {
	on     bool
	others int // samples in a row that had another reason
}

// serverLost says that the newest verdict, explained by cause, is that there is no server: no way through to it, or a stuck
// pool for which it has fallen silent.
func (f *facts) serverLost(v *verdict, cause Cause) bool {
	lost := v.symptoms&cannotServe != 0 || v.symptoms&stuckPool != 0 && f.reach.serverSilent(f)
	return lost && slices.Contains(outageCauses, cause)
}

// observe makes of one verdict what it means in a state that has lasted for so long. An outage ends with the state, or after as
// many samples and as much time as a better status needs.
func (o *outageTracker) observe(p *Policy, lost, late bool, state State, lasted time.Duration) {
	switch {
	case state != StateUnhealthy:
		*o = outageTracker{}
	case lost:
		*o = outageTracker{on: true}
	case o.on && !late:
		o.others++
		o.on = o.others < p.ImproveAfter || lasted < p.MinStateDuration
	}
}
