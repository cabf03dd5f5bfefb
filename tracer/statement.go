package tracer

import (
	"errors"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/otelpool/pgx/internal/counts"
)

// StatementFault is the last statement that failed in one way; the zero StatementFault if there was none. What the server says of
// it may quote data and is not kept.
type StatementFault struct {
	Type string // SQLSTATE
	Site string // where its connection was acquired; empty without stacks, or if nobody had
}

// The ways to fail that are counted are counts.StatementTimeouts and those that follow.
const countedFailures = counts.PreparedStatementErrors - counts.StatementTimeouts + 1

type statementFaults [countedFailures]atomic.Pointer[StatementFault]

func (f *statementFaults) read(n counts.Name) StatementFault {
	if last := f[n-counts.StatementTimeouts].Load(); last != nil {
		return *last
	}
	return StatementFault{}
}

// statementFailed counts a failure that says more than that somebody wrote bad SQL. Preparing a statement and the query that needed
// it fail with one error, which counts once. The caller owns the connection of s.
func (t *Tracer) statementFailed(s *slot, kind string, err error) {
	var said *pgconn.PgError
	if !errors.As(err, &said) || said == s.counted {
		return
	}
	n, counted := countOf(kind, said)
	if !counted {
		return
	}
	s.counted = said
	fault := &StatementFault{Type: kind}
	if a := s.hold.Load(); a != nil {
		fault.Site = a.site.where().name
	}
	t.counters.add(n, 1)
	t.faults.statements[n-counts.StatementTimeouts].Store(fault)
}

// countOf names the count of an error. Servers speak many languages, so a message decides only where a code has several meanings and
// the source file's routine does not tell them apart.
func countOf(kind string, said *pgconn.PgError) (n counts.Name, counted bool) {
	switch kind {
	case "57014": // query_canceled
		return counts.StatementTimeouts, !strings.Contains(said.Message, "user request")
	case "0A000": // feature_not_supported
		return counts.CachedPlanErrors, said.Routine == "RevalidateCachedQuery" || strings.Contains(said.Message, "cached plan")
	case "26000", "42P05": // no such prepared statement; it exists already
		return counts.PreparedStatementErrors, true
	case "08P01": // protocol_violation
		return counts.PreparedStatementErrors, strings.Contains(said.Message, "prepared statement")
	}
	return 0, false
}
