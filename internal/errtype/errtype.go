// Package errtype names errors for the error.type attribute: few values, each stable, none with a secret in it.
//
// A PostgreSQL error is named by its SQLSTATE, as the OpenTelemetry conventions for databases ask; everything else by
// one of the constants here. The same names tell the judge why a database cannot be reached.
package errtype

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"
)

// Names for errors that did not come from PostgreSQL itself.
const (
	Timeout    = "timeout"            // a deadline passed
	Canceled   = "canceled"           // the caller gave up
	PoolClosed = "pool_closed"        // the pool was closed
	Refused    = "connection_refused" // nothing listens there
	Reset      = "connection_reset"   // the peer or the network cut the connection
	DNS        = "dns"                // the host name did not resolve
	TLS        = "tls"                // the handshake or the certificate failed
	Network    = "network"            // any other network error
	ReadOnly   = "25006"              // SQLSTATE read_only_sql_transaction
	Other      = "_OTHER"             // the conventions' fallback
)

// Of returns the name of err, or "" for nil. It looks through wrapped errors. An error
// that panics when asked, for instance a nil pointer in an interface, is Other.
func Of(err error) (name string) {
	if err == nil {
		return ""
	}
	defer func() {
		if recover() != nil {
			name = Other
		}
	}()
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr != nil && validSQLState(pgErr.Code) {
		return pgErr.Code
	}
	switch {
	case errors.Is(err, puddle.ErrClosedPool):
		return PoolClosed
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Canceled
	}
	return network(err)
}

func network(err error) string {
	var dns *net.DNSError
	var netErr net.Error
	switch {
	case errors.As(err, &dns):
		return DNS
	case isTLS(err):
		return TLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return Reset
	case errors.As(err, &netErr):
		if netErr.Timeout() {
			return Timeout
		}
		return Network
	case withoutTLS(err):
		return TLS
	}
	return Other
}

// withoutTLS reports whether pgconn was refused TLS, or gave it up for a reason without a type: it has only words for that.
func withoutTLS(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) && strings.Contains(connect.Unwrap().Error(), ": tls error: ")
}

func isTLS(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") {
		return true // an alert, whose own type crypto/tls keeps to itself
	}
	var header tls.RecordHeaderError
	var alert tls.AlertError
	var cert *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &header) || errors.As(err, &alert) || errors.As(err, &cert) ||
		errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid)
}

// validSQLState guards the label's cardinality: five capital letters or digits, as PostgreSQL defines them.
func validSQLState(code string) bool {
	if len(code) != 5 {
		return false
	}
	for _, c := range []byte(code) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
