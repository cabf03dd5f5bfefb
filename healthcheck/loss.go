package healthcheck

import (
	"slices"
	"time"
)

// outageCauses are the causes by which a pool has no server, as opposed to having trouble with one.
var outageCauses = []Cause{
	CauseUnreachable, CauseRejectedCredentials, CauseTooManyConnections, CauseServerStarting, CauseServerShutdown,
}

// loss follows whether an unhealthy pool is so because its server is lost. Under a policy of thresholds it may be, or stay,
// unhealthy for being busy.
type loss struct {
	on     bool
	others int // samples in a row that had another reason
}

// lost says that the newest verdict, explained by why, is that there is no server: no way through to it, or a stuck pool
// to which it has stopped to answer.
func (f *facts) lost(v *verdict, why []Finding) bool {
	gone := v.symptoms&cannotServe != 0 || v.symptoms&stuckPool != 0 && f.reach.serverSilent(f)
	return gone && slices.Contains(outageCauses, why[0].Cause)
}

// observe makes of one verdict what it means in a state that has lasted for so long. A loss ends with the state, or as
// hesitantly as a status gets better.
func (l *loss) observe(p *Policy, lost, late bool, state State, lasted time.Duration) {
	switch {
	case state != StateUnhealthy:
		*l = loss{}
	case lost:
		*l = loss{on: true}
	case l.on && !late:
		l.others++
		l.on = l.others < p.ImproveAfter || lasted < p.MinStateDuration
	}
}
