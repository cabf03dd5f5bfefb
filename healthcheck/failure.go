package healthcheck

import (
	"strings"
	"time"

	"github.com/otelpool/pgx/internal/errtype"
	"github.com/otelpool/pgx/internal/pooler"
)

// failure is an error of reaching the server, and when it happened; the zero failure is none.
type failure struct {
	at         time.Time
	kind, text string // error.type, and the text without secrets
}

// String is the failure's type and, where it has one, its text.
func (e failure) String() string {
	if e.text == "" {
		return e.kind
	}
	return e.kind + ", " + e.text
}

// cause classifies the failure. One SQLSTATE serves the server that starts and the one that stops; its text tells them apart
// where it is in English.
func (e failure) cause() Cause {
	c := Classify(e.kind)
	if c == CauseServerStarting && strings.Contains(e.text, "shutting down") {
		return CauseServerShutdown
	}
	switch e.complaint() {
	case pooler.Full:
		return CauseTooManyConnections
	case pooler.Queued:
		return CausePoolerQueue
	}
	if _, ok := remedies[string(c)]; !ok {
		return CauseInsufficientData // an error that no connect should end with
	}
	return c
}

func (e failure) candidate(weight float64, evidence []string) candidate {
	fix := remedyFor(e.cause(), e.kind)
	if fixed, is := poolerRemedies[e.complaint()]; is {
		fix = fixed
	}
	return newCandidate(weight, e.cause(), fix.summary, evidence, fix.advice)
}

// complaint is what a pooler in front of the server complained of, if it did.
func (e failure) complaint() pooler.Complaint {
	complaint, _ := pooler.Read(e.text)
	return complaint
}

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
