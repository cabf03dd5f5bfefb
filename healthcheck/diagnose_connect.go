package healthcheck

import (
	"fmt"
	"strings"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/errtype"
)

// remedy is what to say about a failed connect.
type remedy struct{ summary, advice string }

// remedies are by cause, and where the error type says more, by that.
var remedies = map[string]remedy{
	string(CauseUnreachable): {"The database cannot be reached over the network.",
		"Check that the server runs and that nothing between it and this process drops the connection."},
	errtype.Refused: {"Nothing listens at the database's address.",
		"Start the server, or correct the host and port."},
	errtype.DNS: {"The database's host name does not resolve.",
		"Correct the host name, or mend the name service that this process uses."},
	errtype.TLS: {"The TLS handshake with the database fails.",
		"Compare sslmode and the certificates on both sides; renew what has expired."},
	errtype.Timeout: {"The database does not answer: connecting times out.",
		"Check firewalls, routes and security groups between this process and the server, and whether the server hangs."},
	errtype.Reset: {"The connection is cut while it is being made.",
		"Look for a proxy, load balancer or server crash that closes it; read the server's log."},

	string(CauseRejectedCredentials): {"The server refuses our role, password or database.",
		"Correct the user and password in the configuration, or pg_hba.conf on the server; it is not retried by itself."},
	"3D000": {"The database of that name does not exist.",
		"Create the database, or correct its name in the configuration."},
	"57P04": {"The database was dropped.",
		"Create it again, or name the one that took its place in the configuration."},
	"42501": {"The role may not connect to this database.",
		"Grant it: GRANT CONNECT ON DATABASE … TO …."},

	string(CauseTooManyConnections): {"The server has no connection left for us.",
		"Lower MaxConns over all replicas below max_connections, raise it, or put a pooler in between."},
	string(CauseServerStarting): {"The server is starting up and takes no connections yet.",
		"Wait; if it lasts, read the server's log for recovery that does not end."},
	string(CauseServerShutdown): {"The server is shutting down.",
		"If nobody meant to, start it again and ask who stopped it."},
	string(CauseReadOnly): {"The server that we connect to does not take writes.",
		"Connect to the primary: target_session_attrs=read-write with all hosts listed."},
	string(CauseInsufficientData): {"Connecting fails for a reason that has no name here.",
		"Read the error; BeforeConnect and AfterConnect hooks fail like this as well."},
}

func remedyFor(c Cause, errorType string) remedy {
	if r, ok := remedies[errorType]; ok {
		return r
	}
	return remedies[string(c)]
}

// diagnoseConnecting explains why connecting fails, from the last error or from the silence.
func diagnoseConnecting(f *facts, v *verdict) []candidate {
	r := &f.reach
	weight := 0.0
	switch {
	case v.symptoms&cannotServe != 0:
		weight = weightNoWay
	case v.symptoms&connectFailing != 0:
		weight = weightConnectFailing
	case v.symptoms&waits != 0 && !r.failing() && r.serverSilent(f):
		return []candidate{f.noAnswer(weightSilent)}
	case v.symptoms&connectionLost != 0 && f.happenedWithin(r.connect.at, f.p.ErrorWindow):
		weight = f.weighPast(v, weightConnectFailed)
	case v.symptoms&acquireFailed != 0 && ofConnection(f.s.Traffic.LastErrorType):
		return []candidate{f.failedAcquire(f.weighPast(v, weightAcquireFailed))}
	default:
		return nil
	}
	if !r.failing() && v.symptoms&cannotServe != 0 {
		return []candidate{f.noAnswer(weight)}
	}
	cause := connectCause(r.connect.kind, r.connect.text)
	fix := remedyFor(cause, r.connect.kind)
	return []candidate{newCandidate(weight, cause, fix.summary, f.connectEvidence(), fix.advice)}
}

// weighPast weighs what broke and was mended: that does not explain a ratio that the policy objects to, unless nothing is left.
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
	cause := connectCause(t.LastErrorType, t.LastError)
	fix := remedyFor(cause, t.LastErrorType)
	evidence := []string{"an acquire failed " + f.ago(t.LastErrorAt) + ": " + describeError(t.LastErrorType, t.LastError)}
	return newCandidate(weight, cause, fix.summary, evidence, fix.advice)
}

// connectCause classifies a failure. One SQLSTATE serves the server that starts and the one that stops; its text tells them
// apart where it is in English.
func connectCause(errorType, text string) Cause {
	c := Classify(errorType)
	if c == CauseServerStarting && strings.Contains(text, "shutting down") {
		return CauseServerShutdown
	}
	if _, ok := remedies[string(c)]; !ok {
		return CauseInsufficientData // an error that no connect should end with
	}
	return c
}

func (f *facts) connectEvidence() []string {
	r := &f.reach
	evidence := []string{fmt.Sprintf("the last attempt failed %s: %s", f.ago(r.connect.at), describeError(r.connect.kind, r.connect.text))}
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

// describeError is an error by its type and, where it has one, its text.
func describeError(errorType, text string) string {
	if text == "" {
		return errorType
	}
	return errorType + ", " + text
}

// diagnoseShutdown explains sessions that the server or the network ended. A shutdown that we were told of stays the
// first cause for as long as nothing has connected since: that nobody listens now is only its consequence.
func diagnoseShutdown(f *facts, v *verdict) []candidate {
	r := &f.reach
	after := !r.lastAnsweredAt.After(r.lost.at) && r.connect.at.After(r.lost.at)
	if r.lost.at.IsZero() || v.symptoms&(cannotServe|connectFailing|connectionLost) == 0 {
		return nil
	}
	cause := Classify(r.lost.kind)
	told := cause == CauseServerShutdown
	weight := 0.0
	switch {
	case told && after && connectCause(r.connect.kind, r.connect.text) == CauseUnreachable:
		weight = weightShutdownSaid
	case !f.happenedWithin(r.lost.at, f.p.ErrorWindow):
		return nil
	case v.symptoms&(cannotServe|connectFailing) != 0:
		weight = weightSessionsLost
	default:
		weight = f.weighPast(v, weightSessionsLostBefore)
	}
	evidence := []string{fmt.Sprintf("the last connection was lost %s%s", f.ago(r.lost.at), parenthesised(r.lost.kind)),
		count(f.s.Counts[counts.Lost], "connection") + " lost so far"}
	if !r.lastAnsweredAt.After(r.lost.at) {
		evidence = append(evidence, "nothing has connected since")
	} else {
		evidence = append(evidence, "the server answered again within "+short(max(0, firstAnswerAfter(r.lost.at, f.all).Sub(r.lost.at))))
	}
	return []candidate{lostFinding(weight, cause, evidence)}
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

func diagnoseReadOnly(f *facts, v *verdict) []candidate {
	if v.symptoms&writeRefused == 0 {
		return nil
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
	return []candidate{newCandidate(weightWriteRefused, CauseReadOnly, fix.summary, evidence, fix.advice)}
}

// diagnoseSlowConnect finds waits that were waits for a new connection and not for a holder.
func diagnoseSlowConnect(f *facts, v *verdict) []candidate {
	if v.symptoms&waits == 0 || v.symptoms&cannotServe != 0 {
		return nil
	}
	d := &f.recent
	if f.last.connect() > d.connect() {
		d = &f.last
	}
	each := d.connect()
	connecting := f.s.Connect.InFlight > 0 && f.reach.silence.connects > 0
	if !connecting && each < max(longestWait(f.s), f.p.PeakWait)/2 {
		return nil
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
	return []candidate{newCandidate(weight, CauseSlowConnect, "Requests wait for connections that are slow to be made.", evidence,
		"Keep connections ready (MinConns, MinIdleConns, a longer MaxConnLifetime), and see what slows the handshake: DNS, TLS, authentication, distance.")}
}
