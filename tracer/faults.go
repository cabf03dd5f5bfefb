package tracer

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/errtype"
	"github.com/otelpool/pgx/internal/pooler"
	"github.com/otelpool/pgx/internal/redact"
)

// maxErrorTypes bounds the label values of connect failures; further ones are counted as "_OTHER".
const maxErrorTypes = 32

// Fault is the last error of one kind; the zero Fault if there was none. The text has no secret in it.
type Fault struct {
	Type string // see package internal/errtype
	Text string
	At   time.Time
}

// fault is a Fault that writers replace whole. Errors are rare; nothing here is on the path of success.
type fault struct {
	mu   sync.Mutex // guards the rest
	kind string
	text string
	at   int64
}

func (f *fault) note(at int64, kind string, err error) {
	text := redact.Error(worded(err))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kind, f.text, f.at = kind, text, at
}

// worded is err, or what may be shown of it: what the server says of a query, in AfterConnect or PrepareConn, may quote data; what
// it says of a connect does not.
func worded(err error) (shown error) {
	shown = err
	defer func() { _ = recover() }() // it may be anybody's error, and have methods of its own
	var query *pgconn.PgError
	var connect *pgconn.ConnectError
	if errors.As(err, &query) && !errors.As(err, &connect) {
		return fmt.Errorf("a hook's query failed with SQLSTATE %s", errtype.Of(query))
	}
	return shown
}

func (f *fault) read(t *Tracer) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return Fault{Type: f.kind, Text: f.text, At: t.wall(f.at)}
}

// faults are the errors that tell why a pool is not well.
type faults struct {
	acquire  fault // acquires that failed, cancelled ones apart
	connect  fault // connects that failed, cancelled siblings apart
	lost     fault // connections that broke under a query
	readOnly fault // statements refused with read_only_sql_transaction

	statements statementFaults

	mu           sync.Mutex // guards connectTypes
	connectTypes map[string]int64
}

func (f *faults) countConnect(kind string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.connectTypes == nil {
		f.connectTypes = make(map[string]int64)
	}
	if _, known := f.connectTypes[kind]; !known && len(f.connectTypes) >= maxErrorTypes {
		kind = errtype.Other
	}
	f.connectTypes[kind]++
}

// queryFailed notes what the error of a query says about the server. The text of query errors may quote data, so only its
// type is kept.
func (t *Tracer) queryFailed(s *slot, at int64, err error) {
	switch kind := errtype.Of(err); kind {
	case errtype.ReadOnly:
		t.counters.add(counts.ReadOnly, 1)
		t.faults.readOnly.note(at, errtype.ReadOnly, nil)
	default:
		t.statementFailed(s, kind, err)
	}
}

// connectionLost notes a connection that broke under its query. One that the client itself gave up on, by a deadline or a
// cancellation, says nothing about the server.
func (t *Tracer) connectionLost(s *slot, at int64, err error) {
	kind := errtype.Of(err)
	if kind == errtype.Timeout || kind == errtype.Canceled {
		return
	}
	t.counters.add(counts.Lost, 1)
	t.faults.lost.note(at, kind, poolersWords(err))
	if !t.events.push(event{kind: EventConnectionLost, at: at, pid: s.pid, errorType: kind}) {
		t.events.dropped.Add(1)
	}
}

// poolersWords is what a pooler said, as far as it is known to quote no data; nil if it was no pooler.
func poolersWords(err error) error {
	var refusal *pgconn.PgError
	if !errors.As(err, &refusal) {
		return nil
	}
	if _, words := pooler.Read(refusal.Message); words != "" {
		return errors.New(words)
	}
	return nil
}

// Faults are the last errors of each kind; [Counters] says how many there were.
type Faults struct {
	Acquire, Connect, Lost, ReadOnly Fault
	ConnectTypes                     map[string]int64 // failed connects by error.type

	StatementTimeout, CachedPlan, PreparedStatement StatementFault
}

// Faults reads the last error of each kind.
func (t *Tracer) Faults() Faults {
	out := Faults{
		Acquire: t.faults.acquire.read(t), Connect: t.faults.connect.read(t),
		Lost: t.faults.lost.read(t), ReadOnly: t.faults.readOnly.read(t),

		StatementTimeout:  t.faults.statements.read(counts.StatementTimeouts),
		CachedPlan:        t.faults.statements.read(counts.CachedPlanErrors),
		PreparedStatement: t.faults.statements.read(counts.PreparedStatementErrors),
	}
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	out.ConnectTypes = maps.Clone(t.faults.connectTypes)
	return out
}
