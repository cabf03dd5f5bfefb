package healthcheck

import (
	"fmt"

	"github.com/otelpool/pgx/internal/counts"
)

// diagnoseShutdown explains sessions that the server or the network ended. A shutdown that the server announced
// stays the first cause until something has connected: that nobody listens now is only its consequence.
func diagnoseShutdown(f *facts, v *verdict) candidate {
	r := &f.reach
	after := !r.lastAnsweredAt.After(r.lost.at) && r.connect.at.After(r.lost.at)
	if r.lost.at.IsZero() || v.symptoms&(cannotServe|connectFailing|connectionLost) == 0 {
		return candidate{}
	}
	cause := Classify(r.lost.kind)
	announced := cause == CauseServerShutdown
	weight := 0.0
	switch {
	case announced && after && r.connect.cause() == CauseUnreachable:
		weight = weightShutdownSaid
	case !f.happenedWithin(r.lost.at, f.p.ErrorWindow):
		return candidate{}
	case v.symptoms&(cannotServe|connectFailing) != 0:
		weight = weightSessionsLost
	default:
		weight = f.weighPast(v, weightSessionsLostBefore)
	}
	evidence := []string{fmt.Sprintf("the last connection was lost %s%s", f.ago(r.lost.at), parenthesised(r.lost.String())),
		count(f.s.Counts[counts.Lost], "connection") + " lost so far"}
	if !r.lastAnsweredAt.After(r.lost.at) {
		evidence = append(evidence, "nothing has connected since")
	} else {
		evidence = append(evidence, "the server answered again within "+short(max(0, firstAnswerAfter(r.lost.at, f.all).Sub(r.lost.at))))
	}
	if r.lost.complaint() != 0 {
		return r.lost.candidate(weight, evidence)
	}
	return lostFinding(weight, cause, evidence)
}

func lostFinding(weight float64, cause Cause, evidence []string) candidate {
	switch cause {
	case CauseServerShutdown:
		return newCandidate(weight, cause, "The server ended our sessions: it was shut down or restarted, or somebody terminated them.",
			evidence, "If nobody meant to, read the server's log for who stopped it or called pg_terminate_backend.")
	case CauseHeldIdle:
		return newCandidate(weight, cause, "The server ended a session whose transaction the application left open.",
			evidence, "Commit or roll back before doing anything else that takes time.")
	}
	return newCandidate(weight, CauseUnreachable, "Connections to the database break.",
		evidence, "Look for a proxy, firewall or server crash that cuts them; read the server's log.")
}

func parenthesised(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
