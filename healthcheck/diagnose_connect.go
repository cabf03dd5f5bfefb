package healthcheck

import (
	"fmt"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/errtype"
)

// diagnoseConnecting explains why connecting fails, from the last error or from the silence.
func diagnoseConnecting(f *facts, v *verdict) candidate {
	r := &f.reach
	weight := 0.0
	switch {
	case v.symptoms&cannotServe != 0:
		weight = weightNoWay
	case v.symptoms&connectFailing != 0:
		weight = weightConnectFailing
	case v.symptoms&waits != 0 && !r.failing() && r.serverSilent(f):
		return f.noAnswer(weightSilent)
	case v.symptoms&connectionLost != 0 && f.happenedWithin(r.connect.at, f.p.ErrorWindow):
		weight = f.weighPast(v, weightConnectFailed)
	case v.symptoms&acquireFailed != 0 && ofConnection(f.s.Traffic.LastErrorType):
		return f.failedAcquire(f.weighPast(v, weightAcquireFailed))
	default:
		return candidate{}
	}
	if r.noServer {
		return f.noServerBehind(weight)
	}
	if !r.failing() && v.symptoms&cannotServe != 0 {
		return f.noAnswer(weight)
	}
	return r.connect.candidate(weight, f.connectEvidence())
}

// weighPast weighs what broke and works again. It does not explain a ratio that the policy objects to, unless no connection is left.
func (f *facts) weighPast(v *verdict, weight float64) float64 {
	if v.decisive == thresholds && f.reach.usable > 0 {
		return weight * pastBesideThreshold
	}
	return weight
}

// noAnswer finds that the server does not even refuse.
func (f *facts) noAnswer(weight float64) candidate {
	r, fix := &f.reach, remedies[errtype.Timeout]
	var evidence []string
	if r.silence.connects > 0 {
		evidence = append(evidence, fmt.Sprintf("connects have been in flight for %s and none has ended", short(r.silence.connects)))
	}
	if r.silence.answers > 0 {
		evidence = append(evidence, fmt.Sprintf("nothing came back from the server for %s", short(r.silence.answers)))
	}
	if t := &f.s.Traffic; t.Waiting > 0 && !f.contended {
		evidence = append(evidence, count(t.Waiting, "request")+" waiting for it, though the pool is not full")
	}
	return newCandidate(weight, CauseUnreachable, fix.summary, evidence, fix.advice)
}

// failedAcquire explains an acquire that failed because of its connection, though no connect is known to have failed: what the
// pool does to a connection before it hands it out is not seen from here, only how that ended.
func (f *facts) failedAcquire(weight float64) candidate {
	t := &f.s.Traffic
	e := failure{t.LastErrorAt, t.LastErrorType, t.LastError}
	return e.candidate(weight, []string{"an acquire failed " + f.ago(e.at) + ": " + e.String()})
}

func (f *facts) connectEvidence() []string {
	r := &f.reach
	evidence := []string{fmt.Sprintf("the last attempt failed %s: %s", f.ago(r.connect.at), r.connect)}
	if n := f.s.Counts[counts.ConnectFailures]; n > 0 {
		evidence = append(evidence, count(n, "connect")+" failed so far")
	}
	if r.lastAnsweredAt.IsZero() {
		evidence = append(evidence, "no connection has ever been made")
	} else {
		evidence = append(evidence, "the server last answered "+f.ago(r.lastAnsweredAt))
	}
	evidence = append(evidence, count(r.usable, "connection")+" left in the pool")
	if s := f.s.Server; s != nil && s.MaxConns > 0 {
		evidence = append(evidence, fmt.Sprintf("%d of the server's %d connections in use", s.Connections, s.MaxConns))
	}
	return evidence
}

func diagnoseReadOnly(f *facts, v *verdict) candidate {
	if v.symptoms&writeRefused == 0 {
		return candidate{}
	}
	fix := remedies[string(CauseReadOnly)]
	evidence := []string{fmt.Sprintf("%s refused with 25006, the last %s", count(f.s.Counts[counts.ReadOnly], "statement"), f.ago(f.s.Connect.ReadOnlyAt))}
	if s := f.s.Server; s != nil {
		switch {
		case s.InRecovery:
			evidence = append(evidence, "the server is a standby in recovery")
		case s.ReadOnly:
			evidence = append(evidence, "the server's transactions are read-only by default")
		default:
			evidence = append(evidence, "the server itself takes writes")
			fix = remedy{"Statements that write are sent in read-only transactions.",
				"Begin those transactions read-write, or reset default_transaction_read_only of the role."}
		}
	}
	return newCandidate(weightWriteRefused, CauseReadOnly, fix.summary, evidence, fix.advice)
}

// diagnoseSlowConnect finds callers that wait for a new connection, and not for a holder.
func diagnoseSlowConnect(f *facts, v *verdict) candidate {
	if v.symptoms&waits == 0 || v.symptoms&cannotServe != 0 {
		return candidate{}
	}
	d := &f.recent
	if f.last.connect() > d.connect() {
		d = &f.last
	}
	each := d.connect()
	connecting := f.s.Connect.InFlight > 0 && f.reach.silence.connects > 0
	if !connecting && each < max(longestWait(f.s), f.p.PeakWait)/2 {
		return candidate{}
	}
	weight := weightSlowConnect
	if f.contended {
		weight = weightSlowConnectFull
	}
	var evidence []string
	if n := d.added[counts.Opened]; n > 0 {
		evidence = append(evidence, fmt.Sprintf("%s made in %s, taking %s on average", count(n, "connection"), short(d.span), short(each)))
	}
	if n := f.s.Connect.InFlight; n > 0 {
		evidence = append(evidence, fmt.Sprintf("%s in flight for %s", count(n, "connect"), short(f.reach.silence.connects)))
	}
	evidence = append(evidence, "the longest wait was "+short(longestWait(f.s)))
	return newCandidate(weight, CauseSlowConnect, "Requests wait for connections that are slow to be made.", evidence,
		"Keep connections ready (MinConns, MinIdleConns, a longer MaxConnLifetime), and see what slows the handshake: DNS, TLS, authentication, distance.")
}
