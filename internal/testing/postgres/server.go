package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	superuser = "postgres"
	host      = "127.0.0.1"

	// startLimit bounds Start and StartAgain for callers whose context has no deadline. A loaded machine needs seconds.
	startLimit = time.Minute
)

// ErrRunning is returned by StartAgain when the server runs already.
var ErrRunning = errors.New("postgres: the server is running")

// ErrNotRunning is returned by calls that need a running server: Pause, Resume and Exec.
var ErrNotRunning = errors.New("postgres: the server is not running")

// ErrClosed is returned by every call that needs the cluster after Close has removed it.
var ErrClosed = errors.New("postgres: the server is closed")

// Server is one PostgreSQL cluster and, while it runs, its processes. Its methods may be called from any goroutine; those
// that change whether it runs take turns. Start makes one.
type Server struct {
	dir      string // everything below lives here and goes with it
	bin      binaries
	account  account
	opts     options
	port     int
	unlock   func() // gives up the lock that marks dir as in use
	watchdog *guard

	mu         sync.Mutex
	postmaster *process // guarded by mu; nil when it was never started
	paused     bool     // guarded by mu
	closed     bool     // guarded by mu
}

// Start creates a cluster and starts it; it returns once the server accepts connections, in one or two seconds. The caller
// must Close it. It gives up when ctx ends, or after a minute, and then leaves nothing behind. The error matches
// ErrNotInstalled when the machine has no PostgreSQL, and carries the server's own words when it refused to start.
func Start(ctx context.Context, opts ...Option) (_ *Server, err error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	s, err := newServer(newOptions(opts))
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("postgres: start: %w", err), s.Close())
		}
	}()
	if err := s.initialise(ctx); err != nil {
		return nil, err
	}
	if err := s.startOnFreePort(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// newServer finds the programs and makes the directory: all that can fail before there is something to clean up.
func newServer(opts options) (*Server, error) {
	acct, err := serverAccount()
	if err != nil {
		return nil, err
	}
	bin, err := findBinaries(opts.binDir)
	if err != nil {
		return nil, err
	}
	base, err := acct.tempDir()
	if err != nil {
		return nil, err
	}
	removeStale(acct)
	dir, unlock, err := makeDir(base, acct)
	if err != nil {
		return nil, err
	}
	watchdog, err := startGuard(dir, acct)
	if err != nil {
		unlock()
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Server{dir: dir, bin: bin, account: acct, opts: opts, unlock: unlock, watchdog: watchdog}, nil
}

// Host returns the address the server listens on, 127.0.0.1.
func (s *Server) Host() string { return host }

// Port returns the TCP port, the same for the server's whole life.
func (s *Server) Port() int { return s.port }

// LogFile returns the path of the server's log, which Close removes.
func (s *Server) LogFile() string { return filepath.Join(s.dir, "postgres.log") }

// RootCert returns the path of the certificate to trust, in PEM, or "" without WithTLS. For use as
// sslmode=verify-full&sslrootcert=….
func (s *Server) RootCert() string {
	if !s.opts.tls {
		return ""
	}
	return filepath.Join(s.dataDir(), certFile)
}

// DSN returns the URL of the database postgres for the superuser, without TLS.
func (s *Server) DSN() string { return s.DSNFor(superuser, s.opts.password, "postgres") }

// DSNFor returns the URL of a database for a user, without TLS. Neither needs to exist.
func (s *Server) DSNFor(user, password, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, password),
		Host:     net.JoinHostPort(host, strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// DSNForDatabase returns the URL of a database for the superuser, without TLS.
func (s *Server) DSNForDatabase(database string) string {
	return s.DSNFor(superuser, s.opts.password, database)
}

// Exec runs SQL as the superuser in the database postgres, on a connection of its own. Without arguments it may be several
// statements. The error matches ErrNotRunning or ErrClosed when that is why.
func (s *Server) Exec(ctx context.Context, sql string, args ...any) error {
	if err := s.mustRun(); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.DSN())
	if err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	// A fresh context: saying goodbye takes a moment, and a query that used up ctx deserves it as well.
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // the statement's own error is the one that counts
	}()
	if _, err := conn.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	return nil
}

// CreateDatabase creates an empty database, owned by the superuser. Any name will do; it is quoted.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	return s.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
}

func (s *Server) mustRun() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mustRunLocked()
}

func (s *Server) mustRunLocked() error {
	switch {
	case s.closed:
		return ErrClosed
	case s.postmaster == nil || s.postmaster.exited():
		return ErrNotRunning
	}
	return nil
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }
