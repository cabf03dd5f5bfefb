package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// errExited reports a postmaster that ended before it accepted a connection.
var errExited = errors.New("the server exited while starting")

// The ports to choose from lie below every system's ephemeral range. In that range an outgoing connection could take the
// port while the server is down, and a client that keeps dialling 127.0.0.1 would sooner or later connect to itself.
const (
	lowestPort  = 15000
	highestPort = 32000
)

// startOnFreePort settles the port. Nobody can reserve one for another process, so it tries again if it was lost meanwhile.
func (s *Server) startOnFreePort(ctx context.Context) error {
	const attempts = 5
	var err error
	for range attempts {
		if s.port, err = freePort(ctx); err != nil {
			return err
		}
		if err = s.launch(ctx); !errors.Is(err, errExited) || portIsFree(ctx, s.port) {
			return err
		}
	}
	return err
}

func freePort(ctx context.Context) (int, error) {
	for ctx.Err() == nil {
		if port := lowestPort + rand.IntN(highestPort-lowestPort); portIsFree(ctx, port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("looking for a free port: %w", context.Cause(ctx))
}

func portIsFree(ctx context.Context, port int) bool {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp4", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// launch starts the postmaster and waits until it accepts connections; if it does not, launch stops it again.
func (s *Server) launch(ctx context.Context) error {
	log, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the server has its own copy
	cmd := exec.Command(s.bin.postgres, "-D", s.dataDir(), "-p", strconv.Itoa(s.port))
	s.prepare(cmd)
	cmd.Stdout, cmd.Stderr = log, log
	if s.postmaster, err = startProcess(cmd); err != nil {
		return err
	}
	s.paused = false
	if err := s.awaitReady(ctx); err != nil {
		return errors.Join(err, s.killAll())
	}
	return nil
}

// awaitReady logs in again and again: a port that answers is not yet a server that serves.
func (s *Server) awaitReady(ctx context.Context) error {
	const pause, patience = 10 * time.Millisecond, 2 * time.Second
	for {
		if s.postmaster.exited() {
			return fmt.Errorf("%w: %s", errExited, s.logTail())
		}
		err := s.logIn(ctx, patience)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the server to accept connections: %w (last: %v)", context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}

func (s *Server) logIn(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := pgconn.Connect(ctx, s.DSN())
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func (s *Server) logTail() string {
	text, err := os.ReadFile(s.LogFile())
	if err != nil {
		return err.Error()
	}
	return lastLines(string(text))
}
