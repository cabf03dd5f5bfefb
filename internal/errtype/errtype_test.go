package errtype

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/internal/testing/postgres"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// names lists every name that is no SQLSTATE.
var names = []string{Timeout, Canceled, PoolClosed, Refused, Reset, DNS, TLS, Network, Other}

type panicking struct{}

func (panicking) Error() string { panic("asked for its text") }
func (panicking) Is(error) bool { panic("compared") }

type uncomparable struct{ _ []int }

func (uncomparable) Error() string { return "uncomparable" }

func pgError(code string) error { return &pgconn.PgError{Code: code} }

func TestOf_NamesEachKindOfError(t *testing.T) {
	opError := func(op string, err error) error { return &net.OpError{Op: op, Net: "tcp", Err: err} }
	sys := func(errno syscall.Errno) error { return opError("dial", os.NewSyscallError("connect", errno)) }
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"nil", nil, ""},
		{"unique violation", pgError("23505"), "23505"},
		{"read only", pgError("25006"), ReadOnly},
		{"admin shutdown", pgError("57P01"), "57P01"},
		{"too many connections", pgError("53300"), "53300"},
		{"a class of its own", pgError("XX000"), "XX000"},
		{"wrapped", fmt.Errorf("insert: %w", pgError("23505")), "23505"},
		{"joined", errors.Join(errors.New("first"), pgError("28P01")), "28P01"},
		{"deadline and SQLSTATE: the server's word counts", errors.Join(context.DeadlineExceeded, pgError("57014")), "57014"},
		{"no SQLSTATE", pgError(""), Other},
		{"lower case", pgError("23p01"), Other},
		{"too long", pgError("235050"), Other},
		{"not ASCII", pgError("2350é"), Other},
		{"SQLSTATE with a secret", pgError("a b'c"), Other},
		{"deadline", context.DeadlineExceeded, Timeout},
		{"wrapped deadline", fmt.Errorf("acquire: %w", context.DeadlineExceeded), Timeout},
		{"I/O deadline", opError("read", os.ErrDeadlineExceeded), Timeout},
		{"canceled", context.Canceled, Canceled},
		{"pool closed", puddle.ErrClosedPool, PoolClosed},
		{"wrapped pool closed", fmt.Errorf("acquire: %w", puddle.ErrClosedPool), PoolClosed},
		{"refused", sys(syscall.ECONNREFUSED), Refused},
		{"reset", sys(syscall.ECONNRESET), Reset},
		{"broken pipe", sys(syscall.EPIPE), Reset},
		{"end of file", fmt.Errorf("receive message failed: %w", io.EOF), Reset},
		{"unexpected end of file", io.ErrUnexpectedEOF, Reset},
		{"closed under us", opError("read", net.ErrClosed), Reset},
		{"host unreachable", sys(syscall.EHOSTUNREACH), Network},
		{"timed out by the system", sys(syscall.ETIMEDOUT), Timeout},
		{"no such host", &net.DNSError{Err: "no such host", Name: "db", IsNotFound: true}, DNS},
		{"DNS server is slow", &net.DNSError{Err: "i/o timeout", IsTimeout: true}, DNS},
		{"record header", tls.RecordHeaderError{Msg: "not TLS"}, TLS},
		{"alert", tls.AlertError(42), TLS},
		{"alert from the peer", opError("remote error", errors.New("tls: bad certificate")), TLS},
		{"alert of our own", opError("local error", errors.New("tls: bad record MAC")), TLS},
		{"unknown authority", x509.UnknownAuthorityError{}, TLS},
		{"wrong host", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "db"}, TLS},
		{"expired", x509.CertificateInvalidError{Reason: x509.Expired}, TLS},
		{"certificate", &tls.CertificateVerificationError{Err: errors.New("x")}, TLS},
		{"any other", errors.New("bad luck"), Other},
		{"no rows", pgx.ErrNoRows, Other},
		{"a nil pointer to a PgError", (*pgconn.PgError)(nil), Other},
		{"a nil pointer to an OpError", (*net.OpError)(nil), Other},
		{"one that panics", panicking{}, Other},
		{"one that cannot be compared", uncomparable{}, Other},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Of(test.err); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestOf_AllocatesLittleForAPgError(t *testing.T) {
	err := pgError("23505")
	if n := testing.AllocsPerRun(100, func() { Of(err) }); n > 1 { // errors.As moves its target to the heap
		t.Errorf("%v allocations", n)
	}
}

// TestOf_NamesErrorsAsPgxReturnsThem takes errors as pgx returns them.
func TestOf_NamesErrorsAsPgxReturnsThem(t *testing.T) {
	server := pgtest.Start(t, postgres.WithTLS())
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closedPort := nobody.Addr().String()
	nobody.Close()
	silent := listen(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	hangUp := listen(t, func(net.Conn) {})
	babble := listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 8)) // the request for TLS
		_, _ = conn.Write([]byte("Sthis is no TLS at all"))
		_, _ = io.Copy(io.Discard, conn)
	})
	refuseTLS := listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 8))
		_, _ = conn.Write([]byte("N"))
		_, _ = io.Copy(io.Discard, conn)
	})
	for _, test := range []struct {
		name, dsn string
		want      string
	}{
		{"wrong password", server.DSNFor("postgres", "wrong", "postgres"), "28P01"},
		{"no such database", server.DSNForDatabase("nowhere"), "3D000"},
		{"nothing listens", "postgres://a:b@" + closedPort + "/c?sslmode=disable", Refused},
		{"no such host", "postgres://a:b@nowhere.invalid/c?sslmode=disable", DNS},
		{"nothing answers", "postgres://a:b@" + silent + "/c?sslmode=disable", Timeout},
		{"hangs up", "postgres://a:b@" + hangUp + "/c?sslmode=disable", Reset},
		{"speaks no TLS", "postgres://a:b@" + babble + "/c?sslmode=require", TLS},
		{"refuses TLS", "postgres://a:b@" + refuseTLS + "/c?sslmode=require", TLS},
		{"unknown certificate", tlsDSN(server.DSN(), "verify-full"), TLS},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if test.want == Timeout {
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
			}
			conn, err := pgx.Connect(ctx, test.dsn)
			if err == nil {
				_ = conn.Close(ctx)
				t.Fatal("connected")
			}
			if got := Of(err); got != test.want {
				t.Errorf("%q, want %q: %v", got, test.want, err)
			}
		})
	}
}

func tlsDSN(dsn, mode string) string {
	cfg, _ := pgx.ParseConfig(dsn)
	return fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s sslmode=%s", cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Database, mode)
}

// listen serves connections by handle until the test ends.
func listen(t *testing.T, handle func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			handle(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

func FuzzOf_IsBounded(f *testing.F) {
	f.Add("23505", uint8(0))
	f.Add("", uint8(1))
	f.Add("password=hunter2", uint8(2))
	f.Fuzz(func(t *testing.T, text string, shape uint8) {
		var err error = &pgconn.PgError{Code: text, Message: text}
		if shape&1 != 0 {
			err = errors.New(text)
		}
		if shape&2 != 0 {
			err = fmt.Errorf("%s: %w", text, err)
		}
		if shape&4 != 0 {
			err = errors.Join(err, errors.New(text))
		}
		if shape&8 != 0 {
			err = &net.OpError{Op: text, Err: err}
		}
		got := Of(err)
		if !slices.Contains(names, got) && !(validSQLState(got) && got == text) {
			t.Errorf("%q of %v", got, err)
		}
	})
}
