package wire

import (
	"errors"

	"github.com/jackc/pgx/v5/pgproto3"
)

// next serves one message; it is false when the session is over.
func (s *session) next() bool {
	message, err := s.backend.Receive()
	if err != nil || !s.awake() {
		return false
	}
	select {
	case <-s.ended:
		return false
	default:
	}
	switch m := message.(type) {
	case *pgproto3.Terminate:
		return false
	case *pgproto3.Sync:
		s.skip = false
		s.say(&pgproto3.ReadyForQuery{TxStatus: s.tx})
		return true
	case *pgproto3.Query:
		if err := s.simple(m.String); errors.Is(err, errEnded) {
			return false
		}
		s.say(&pgproto3.ReadyForQuery{TxStatus: s.tx})
		return true
	}
	if s.skip {
		return true
	}
	return s.extended(message)
}

// extended serves one message of the extended protocol.
func (s *session) extended(message pgproto3.FrontendMessage) bool {
	switch m := message.(type) {
	case *pgproto3.Parse:
		if !known(m.Query) {
			s.refuse(failure("42601", "syntax error at or near \""+m.Query+"\""))
			return true
		}
		s.statements[m.Name] = m.Query
		s.say(&pgproto3.ParseComplete{})
	case *pgproto3.Bind:
		p := portal{sql: s.statements[m.PreparedStatement], formats: append([]int16(nil), m.ResultFormatCodes...)}
		for _, v := range m.Parameters {
			p.params = append(p.params, append([]byte(nil), v...))
		}
		s.portals[m.DestinationPortal] = p
		s.say(&pgproto3.BindComplete{})
	case *pgproto3.Describe:
		s.describe(m)
	case *pgproto3.Execute:
		return s.execute(s.portals[m.Portal])
	case *pgproto3.Close:
		s.say(&pgproto3.CloseComplete{})
	}
	return true // Flush asks for what happens anyway
}

func (s *session) describe(m *pgproto3.Describe) {
	if m.ObjectType == 'S' {
		sql := s.statements[m.Name]
		s.say(&pgproto3.ParameterDescription{ParameterOIDs: parameters(sql)}, description(sql, nil))
		return
	}
	p := s.portals[m.Name]
	s.say(description(p.sql, p.formats))
}

// simple runs a statement of the simple protocol, which knows text only.
func (s *session) simple(sql string) error {
	if !known(sql) {
		s.refuse(failure("42601", "syntax error at or near \""+sql+"\""))
		s.skip = false
		return nil
	}
	if rows, ok := description(sql, nil).(*pgproto3.RowDescription); ok {
		s.say(rows)
	}
	err := s.run(portal{sql: sql})
	s.skip = false
	return err
}

func (s *session) execute(p portal) bool { return !errors.Is(s.run(p), errEnded) }

// run executes a statement and sends what comes of it.
func (s *session) run(p portal) error {
	wrong := s.server.wrong()
	if !s.pause(wrong.queryDelay) {
		return errEnded
	}
	select { // an interrupt of something earlier
	case <-s.cancel:
	default:
	}
	result, err := s.evaluate(p)
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		s.refuse(failure(refused.code, refused.text))
		return nil
	case err != nil:
		return err
	}
	s.send.Lock()
	defer s.send.Unlock()
	for _, v := range result.rows {
		s.backend.Send(&pgproto3.DataRow{Values: [][]byte{encode(v, p.formats)}})
	}
	if result.tag == "" {
		s.backend.Send(&pgproto3.EmptyQueryResponse{})
	} else {
		s.backend.Send(&pgproto3.CommandComplete{CommandTag: []byte(result.tag)})
	}
	_ = s.backend.Flush() // the outbox takes everything
	return nil
}

// refuse sends an error, spoils the transaction and ignores the rest of the pipeline.
func (s *session) refuse(e *pgproto3.ErrorResponse) {
	s.skip = true
	if s.tx == 'T' {
		s.tx = 'E'
	}
	s.say(e)
}
