package healthcheck

import (
	"strings"

	"github.com/otelpool/pgx/internal/errtype"
)

// connectCauses names the cause of a failed connect, or of a session that the server ended, by its error type.
var connectCauses = map[string]Cause{
	errtype.Refused: CauseUnreachable,
	errtype.Reset:   CauseUnreachable,
	errtype.Timeout: CauseUnreachable,
	errtype.DNS:     CauseUnreachable,
	errtype.TLS:     CauseUnreachable,
	errtype.Network: CauseUnreachable,

	"3D000": CauseRejectedCredentials, // invalid_catalog_name: no such database
	"42501": CauseRejectedCredentials, // insufficient_privilege: the role lacks CONNECT
	"57P04": CauseRejectedCredentials, // database_dropped

	"53300": CauseTooManyConnections, // too_many_connections
	"53400": CauseTooManyConnections, // configuration_limit_exceeded: on connect, a limit on connections

	"57P01": CauseServerShutdown, // admin_shutdown, also pg_terminate_backend
	"57P02": CauseServerShutdown, // crash_shutdown
	"57P05": CauseServerShutdown, // idle_session_timeout
	"57P03": CauseServerStarting, // cannot_connect_now

	errtype.ReadOnly: CauseReadOnly,
	"25P03":          CauseHeldIdle, // idle_in_transaction_session_timeout
	"25P04":          CauseHeldIdle, // transaction_timeout
}

// Classify names the cause behind the error.type of a failed connect or a lost session: a SQLSTATE or a name from
// internal/errtype. Whole classes count too: 08 is the connection, 28 the authorisation. It returns "" for "" and for what
// the caller chose itself ("canceled", "pool_closed"), and [CauseInsufficientData] for anything it does not know.
func Classify(errorType string) Cause {
	switch errorType {
	case "", errtype.Canceled, errtype.PoolClosed:
		return ""
	}
	if c, ok := connectCauses[errorType]; ok {
		return c
	}
	if len(errorType) == 5 {
		switch {
		case strings.HasPrefix(errorType, "08"):
			return CauseUnreachable
		case strings.HasPrefix(errorType, "28"):
			return CauseRejectedCredentials
		}
	}
	return CauseInsufficientData
}

// ShouldRetry says whether trying again is harmless and can help. It is not while the server refuses our user or password,
// class 28: repeating a wrong password locks accounts and fills logs, and only a person can mend it. A database that does not
// exist may soon be created, and a missing right be granted.
func ShouldRetry(errorType string) bool { return !strings.HasPrefix(errorType, "28") }

// ofConnection says whether an acquire with this error failed because the server could not be reached. A timeout alone does not
// say so: the deadline may have passed in the queue.
func ofConnection(errorType string) bool {
	switch Classify(errorType) {
	case "", CauseInsufficientData, CauseHeldIdle:
		return false
	}
	return errorType != errtype.Timeout
}
