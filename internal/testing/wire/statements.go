package wire

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// oidInt4 is the type of every column and parameter there is.
const oidInt4 = 23

// result is what a statement yields: rows of one integer, and its tag, "" for an empty statement.
type result struct {
	rows []int
	tag  string
}

// refusal is an error that the server reports and survives.
type refusal struct{ code, text string }

func (r *refusal) Error() string { return r.code + ": " + r.text }

// statement is one rule of the server's little SQL.
type statement struct {
	pattern *regexp.Regexp
	rows    bool // has a result column
	run     func(s *session, p portal, match []string) (result, error)
}

func rule(pattern string, rows bool, run func(*session, portal, []string) (result, error)) statement {
	return statement{regexp.MustCompile(`(?is)^\s*(?:` + pattern + `)\s*;?\s*$`), rows, run}
}

var statements []statement

func init() { // rules refer to methods that refer to the rules
	statements = []statement{
		rule(`(?:--.*)?`, false, func(*session, portal, []string) (result, error) { return result{}, nil }),
		rule(`select pg_sleep\(\s*([\d.]+)\s*\)`, true, (*session).sleep),
		rule(`select generate_series\(\s*1\s*,\s*(\d+)\s*\)`, true, series),
		rule(`select error\('(\w{5})'\)`, true, func(_ *session, _ portal, m []string) (result, error) {
			return result{}, &refusal{m[1], "as asked for"}
		}),
		rule(`select die\(\)`, true, func(s *session, _ portal, _ []string) (result, error) {
			s.kill()
			return result{}, errEnded
		}),
		rule(`select (\d+|\$1(?:::int4?)?)`, true, constant),
		rule(`select "\w+" from "\w+"`, true, func(*session, portal, []string) (result, error) {
			return result{tag: "SELECT 0"}, nil
		}),
		rule(`(begin|start transaction)\b.*`, false, (*session).begin),
		rule(`(commit|end|rollback|abort)`, false, (*session).endTransaction),
		rule(`(rollback to|savepoint|release)\b.*`, false, (*session).savepoint),
		rule(`(insert|update|delete)\b.*`, false, change),
		rule(`copy\b.*from stdin.*`, false, (*session).copyIn),
		rule(`(listen|unlisten) "?([\w*]+)"?`, false, (*session).listen),
		rule(`(set|discard|deallocate)\b.*`, false, func(_ *session, _ portal, m []string) (result, error) {
			return result{tag: strings.ToUpper(m[1])}, nil
		}),
	}
}

func find(sql string) (*statement, []string) {
	for i := range statements {
		if m := statements[i].pattern.FindStringSubmatch(sql); m != nil {
			return &statements[i], m
		}
	}
	return nil, nil
}

func known(sql string) bool {
	st, _ := find(sql)
	return st != nil
}

// evaluate executes p. Its error is a refusal or errEnded.
func (s *session) evaluate(p portal) (result, error) {
	st, match := find(p.sql)
	switch {
	case st == nil:
		return result{}, &refusal{"42601", "syntax error"}
	case s.tx == 'E' && !strings.HasPrefix(strings.ToLower(strings.TrimSpace(p.sql)), "rollback"):
		return result{}, &refusal{"25P02", "current transaction is aborted"}
	}
	return st.run(s, p, match)
}

var placeholder = regexp.MustCompile(`\$\d+`)

// parameters are the types of the placeholders of sql.
func parameters(sql string) []uint32 {
	seen := make(map[string]bool)
	var oids []uint32
	for _, name := range placeholder.FindAllString(sql, -1) {
		if !seen[name] {
			seen[name] = true
			oids = append(oids, oidInt4)
		}
	}
	return oids
}

// description is what the results of sql look like.
func description(sql string, formats []int16) pgproto3.BackendMessage {
	if st, _ := find(sql); st == nil || !st.rows {
		return &pgproto3.NoData{}
	}
	return &pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{
		Name: []byte("value"), DataTypeOID: oidInt4, DataTypeSize: 4, TypeModifier: -1, Format: format(formats),
	}}}
}

func format(formats []int16) int16 {
	if len(formats) > 0 {
		return formats[0]
	}
	return pgproto3.TextFormat
}

func encode(v int, formats []int16) []byte {
	if format(formats) == pgproto3.BinaryFormat {
		return binary.BigEndian.AppendUint32(nil, uint32(v))
	}
	return strconv.AppendInt(nil, int64(v), 10)
}

// sleep takes as long as it is told, unless somebody cancels it or the session ends.
func (s *session) sleep(_ portal, m []string) (result, error) {
	seconds, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return result{}, &refusal{"22P02", "invalid number"}
	}
	timer := time.NewTimer(time.Duration(seconds * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return result{rows: []int{0}, tag: "SELECT 1"}, nil
	case <-s.cancel:
		return result{}, &refusal{"57014", "canceling statement due to user request"}
	case <-s.ended:
		return result{}, errEnded
	}
}

func series(_ *session, _ portal, m []string) (result, error) {
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return result{}, &refusal{"22P02", "invalid number"}
	}
	r := result{tag: fmt.Sprintf("SELECT %d", n)}
	for i := range n {
		r.rows = append(r.rows, i+1)
	}
	return r, nil
}

func constant(_ *session, p portal, m []string) (result, error) {
	text := m[1]
	if strings.HasPrefix(text, "$") {
		if len(p.params) == 0 {
			return result{}, &refusal{"42P02", "there is no parameter $1"}
		}
		if len(p.params[0]) == 4 { // binary
			v := int(int32(binary.BigEndian.Uint32(p.params[0])))
			return result{rows: []int{v}, tag: "SELECT 1"}, nil
		}
		text = string(p.params[0])
	}
	v, err := strconv.Atoi(text)
	if err != nil {
		return result{}, &refusal{"22P02", "invalid number"}
	}
	return result{rows: []int{v}, tag: "SELECT 1"}, nil
}

func (s *session) begin(portal, []string) (result, error) {
	s.tx = 'T'
	return result{tag: "BEGIN"}, nil
}

func (s *session) endTransaction(_ portal, m []string) (result, error) {
	tag := strings.ToUpper(m[1])
	if s.tx == 'E' {
		tag = "ROLLBACK"
	}
	s.tx = 'I'
	return result{tag: tag}, nil
}

func (s *session) savepoint(_ portal, m []string) (result, error) {
	if s.tx == 'E' {
		s.tx = 'T'
	}
	return result{tag: strings.ToUpper(strings.Fields(m[1])[0])}, nil
}

func change(_ *session, _ portal, m []string) (result, error) {
	tag := strings.ToUpper(m[1]) + " 1"
	if strings.EqualFold(m[1], "insert") {
		tag = "INSERT 0 1"
	}
	return result{tag: tag}, nil
}

// copyIn takes lines until there are no more.
func (s *session) copyIn(portal, []string) (result, error) {
	s.say(&pgproto3.CopyInResponse{OverallFormat: 1, ColumnFormatCodes: []uint16{1}})
	chunks := 0
	for {
		message, err := s.backend.Receive()
		if err != nil {
			return result{}, errEnded
		}
		switch m := message.(type) {
		case *pgproto3.CopyData:
			chunks++
		case *pgproto3.CopyDone:
			return result{tag: fmt.Sprintf("COPY %d", chunks)}, nil
		case *pgproto3.CopyFail:
			return result{}, &refusal{"57014", "COPY from stdin failed: " + m.Message}
		}
	}
}

func (s *session) listen(_ portal, m []string) (result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case strings.EqualFold(m[1], "listen"):
		s.channels[m[2]] = true
	case m[2] == "*":
		clear(s.channels)
	default:
		delete(s.channels, m[2])
	}
	return result{tag: strings.ToUpper(m[1])}, nil
}
