package wire

import (
	"context"
	"fmt"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// TB is what is used of testing.TB.
type TB interface {
	Helper()
	Fatal(args ...any)
}

// Server is a PostgreSQL server in memory. All methods are safe for concurrent use.
type Server struct {
	mu       sync.Mutex // guards the rest
	faults   faults
	sessions map[*session]struct{}
	lastPID  uint32
	connects int
	startup  map[string]string
	closed   bool
	running  sync.WaitGroup
}

// faults are what is wrong with the server. The zero value is a server that is well.
type faults struct {
	dial         error // new connections fail so
	code, text   string
	connectDelay time.Duration
	queryDelay   time.Duration
	hang         chan struct{} // nil, or closed when the server answers again
}

// NewServer returns a server that accepts connections.
func NewServer() *Server { return &Server{sessions: make(map[*session]struct{})} }

// Config returns a pool configuration that leads to this server, with the settings of dsn in key=value form, such as
// "pool_max_conns=4".
func (s *Server) Config(tb TB, dsn string) *pgxpool.Config {
	tb.Helper()
	cfg, err := pgxpool.ParseConfig("host=wire port=5432 user=app password=secret database=app sslmode=disable " + dsn)
	if err != nil {
		tb.Fatal(err)
	}
	cfg.ConnConfig.DialFunc = s.Dial
	cfg.ConnConfig.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	return cfg
}

// Dial connects to the server; network and address do not matter.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, fmt.Errorf("wire: server is closed: %w", net.ErrClosed)
	case s.faults.dial != nil:
		return nil, s.faults.dial
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	client, server := net.Pipe()
	s.lastPID++
	s.connects++
	session := newSession(s, server, s.lastPID)
	s.sessions[session] = struct{}{}
	s.running.Go(func() {
		session.serve()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.sessions, session)
	})
	return client, nil
}

// Close ends every session and waits until they have ended.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.Hang(false)
	s.CloseAll()
	s.running.Wait()
}

// RefuseWith makes new connections fail with a FATAL error of that SQLSTATE.
func (s *Server) RefuseWith(sqlstate, message string) {
	s.change(func(f *faults) { f.code, f.text = sqlstate, message })
}

// RefuseDial makes dialling fail with err.
func (s *Server) RefuseDial(err error) { s.change(func(f *faults) { f.dial = err }) }

// SetConnectDelay makes the server think for d before it lets a connection in.
func (s *Server) SetConnectDelay(d time.Duration) { s.change(func(f *faults) { f.connectDelay = d }) }

// SetQueryDelay makes every statement take d longer.
func (s *Server) SetQueryDelay(d time.Duration) { s.change(func(f *faults) { f.queryDelay = d }) }

// Accept ends all faults.
func (s *Server) Accept() {
	s.Hang(false)
	s.change(func(f *faults) { *f = faults{} })
}

// Hang makes the server take everything and answer nothing, until it is told to stop.
func (s *Server) Hang(on bool) {
	s.change(func(f *faults) {
		switch {
		case on && f.hang == nil:
			f.hang = make(chan struct{})
		case !on && f.hang != nil:
			close(f.hang)
			f.hang = nil
		}
	})
}

func (s *Server) change(f func(*faults)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.faults)
}

func (s *Server) wrong() faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// KillAll ends every session with 57P01, as an administrator does.
func (s *Server) KillAll() {
	for _, session := range s.all() {
		session.kill()
	}
}

// CloseAll cuts every session without a word.
func (s *Server) CloseAll() {
	for _, session := range s.all() {
		session.cut()
	}
}

// Notify sends a notification to every session that listens on channel.
func (s *Server) Notify(channel, payload string) {
	for _, session := range s.all() {
		session.notify(channel, payload)
	}
}

// cancel interrupts what the session with that process ID is doing.
func (s *Server) cancel(pid uint32) {
	for _, session := range s.all() {
		if session.pid == pid {
			session.interrupt()
		}
	}
}

func (s *Server) all() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*session, 0, len(s.sessions))
	for session := range s.sessions {
		out = append(out, session)
	}
	return out
}

// Sessions is how many connections there are now.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Connects is how many connections there have been.
func (s *Server) Connects() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connects
}

// LastStartupParameters are those of the latest connection that got in, such as application_name.
func (s *Server) LastStartupParameters() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.startup)
}

func (s *Server) started(parameters map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.startup = maps.Clone(parameters)
}
