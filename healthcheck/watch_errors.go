package healthcheck

import (
	"fmt"

	"github.com/otelpool/pgx/internal/counts"
)

// manyTimeouts is how many statement timeouts within a minute are worth a notice: one may be the one slow report of the day.
const manyTimeouts = 3

func watchStatementTimeouts(f *facts, _ *noticer, _ Status) (Notice, bool) {
	return f.statementErrors(counts.StatementTimeouts, manyTimeouts, &f.s.Errors.StatementTimeout, NoticeStatementTimeouts,
		"The server ends statements that run longer than statement_timeout.",
		"Find what makes them slow (pg_stat_statements, EXPLAIN, locks). Do not raise the timeout before that is known.")
}

func watchCachedPlans(f *facts, _ *noticer, _ Status) (Notice, bool) {
	return f.statementErrors(counts.CachedPlanErrors, 1, &f.s.Errors.CachedPlan, NoticeCachedPlan,
		"Cached plans return other columns than when they were prepared: a migration has changed a table.",
		"Wait: pgx forgets such a statement, so each connection fails once for it. If it lasts, call Reset on the pool. "+
			"Before the next migration, name the columns instead of SELECT *.")
}

func watchPreparedStatements(f *facts, _ *noticer, _ Status) (Notice, bool) {
	return f.statementErrors(counts.PreparedStatementErrors, 1, &f.s.Errors.PreparedStatement, NoticePreparedStatements,
		"Prepared statements are not where the client left them: a pooler shares the server's sessions, or somebody deallocates them.",
		"Behind a pooler in transaction mode, turn on its support for prepared statements (PgBouncer 1.21: max_prepared_statements), "+
			"or set default_query_exec_mode=exec in the connection string.")
}

// statementErrors raises a notice when at least least statements have failed in one way within the last minute.
func (f *facts) statementErrors(n counts.Name, least int64, last *QueryError, k NoticeKind, summary, advice string) (Notice, bool) {
	failed := f.minute.added[n]
	if failed < least {
		return Notice{}, false
	}
	evidence := []string{fmt.Sprintf("%s failed so in the last minute", count(failed, "statement"))}
	if last.Type != "" {
		evidence[0] += ", the last with SQLSTATE " + last.Type
	}
	if last.Site != "" {
		evidence = append(evidence, "its connection was taken at "+last.Site)
	}
	return NewNotice(k, summary, evidence, advice), true
}
