package wire

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// session is one connection, served by one goroutine; two more move its bytes.
type session struct {
	server *Server
	conn   net.Conn
	pid    uint32
	in     *inbox
	out    *outbox

	send    sync.Mutex // serialises use of backend for sending: notifications come from outside
	backend *pgproto3.Backend

	once   sync.Once
	ended  chan struct{} // closed when the session is to end
	cancel chan struct{} // a token: interrupt the statement that runs

	// Of the serving goroutine.
	statements map[string]string
	portals    map[string]portal
	tx         byte // 'I', 'T' or 'E'
	skip       bool // after an error, until Sync

	mu       sync.Mutex // guards channels
	channels map[string]bool
}

type portal struct {
	sql     string
	params  [][]byte
	formats []int16 // of the results
}

func newSession(s *Server, conn net.Conn, pid uint32) *session {
	ss := &session{
		server: s, conn: conn, pid: pid, in: newInbox(), out: newOutbox(),
		ended: make(chan struct{}), cancel: make(chan struct{}, 1),
		statements: make(map[string]string), portals: make(map[string]portal), tx: 'I',
		channels: make(map[string]bool),
	}
	ss.backend = pgproto3.NewBackend(ss.in, ss.out)
	return ss
}

// serve runs the session to its end.
func (s *session) serve() {
	var filled, drained sync.WaitGroup
	filled.Go(func() { s.in.fill(s.conn, s.end) })
	drained.Go(func() { s.out.drain(s.conn) })
	if s.welcome() {
		for s.next() {
		}
	}
	// What was said last may still be on its way; who does not listen is not waited for.
	s.out.close()
	_ = s.conn.SetWriteDeadline(time.Now().Add(time.Second))
	drained.Wait()
	s.conn.Close()
	filled.Wait()
}

func (s *session) end() { s.once.Do(func() { close(s.ended) }) }

// cut ends the session without a word.
func (s *session) cut() {
	s.end()
	s.conn.Close()
}

// kill ends the session as an administrator does.
func (s *session) kill() {
	s.say(fatal("57P01", "terminating connection due to administrator command"))
	s.end()
	s.out.close()
}

func (s *session) interrupt() {
	select {
	case s.cancel <- struct{}{}:
	default:
	}
}

func (s *session) notify(channel, payload string) {
	s.mu.Lock()
	listens := s.channels[channel]
	s.mu.Unlock()
	if listens {
		s.say(&pgproto3.NotificationResponse{PID: s.pid, Channel: channel, Payload: payload})
	}
}

// say sends messages at once, unless the server hangs: then they come when it is done with that.
func (s *session) say(messages ...pgproto3.BackendMessage) {
	s.send.Lock()
	defer s.send.Unlock()
	for _, m := range messages {
		s.backend.Send(m)
	}
	_ = s.backend.Flush() // the outbox takes everything
}

// welcome does the start-up; it is false when the connection was for something else, or refused.
func (s *session) welcome() bool {
	for {
		message, err := s.backend.ReceiveStartupMessage()
		if err != nil || !s.awake() {
			return false
		}
		switch m := message.(type) {
		case *pgproto3.SSLRequest, *pgproto3.GSSEncRequest:
			_, _ = s.out.Write([]byte("N"))
		case *pgproto3.CancelRequest:
			s.server.cancel(m.ProcessID)
			return false
		case *pgproto3.StartupMessage:
			return s.admit(m)
		default:
			return false
		}
	}
}

func (s *session) admit(m *pgproto3.StartupMessage) bool {
	wrong := s.server.wrong()
	if !s.pause(wrong.connectDelay) {
		return false
	}
	if wrong.code != "" {
		s.say(fatal(wrong.code, wrong.text))
		return false
	}
	s.server.started(m.Parameters)
	s.say(
		&pgproto3.AuthenticationOk{},
		&pgproto3.ParameterStatus{Name: "server_version", Value: "17.0 (wire)"},
		&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"},
		&pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"},
		&pgproto3.ParameterStatus{Name: "in_hot_standby", Value: "off"},
		&pgproto3.ParameterStatus{Name: "default_transaction_read_only", Value: "off"},
		&pgproto3.BackendKeyData{ProcessID: s.pid, SecretKey: []byte{1, 2, 3, 4}},
		&pgproto3.ReadyForQuery{TxStatus: s.tx},
	)
	return true
}

// pause waits; it is false if the session ended meanwhile.
func (s *session) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ended:
		return false
	}
}

// awake waits while the server hangs; it is false if the session ended meanwhile.
func (s *session) awake() bool {
	hang := s.server.wrong().hang
	if hang == nil {
		return true
	}
	select {
	case <-hang:
		return true
	case <-s.ended:
		return false
	}
}

var errEnded = errors.New("session ended")

func fatal(code, message string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: message}
}

func failure(code, message string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: code, Message: message}
}
