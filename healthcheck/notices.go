package healthcheck

import (
	"cmp"
	"slices"
)

// Notice is what is no trouble of the pool and is seen from here, or will be trouble. It never changes a status.
type Notice struct {
	Kind     NoticeKind `json:"kind"`
	Summary  string     `json:"summary"`  // one sentence
	Evidence []string   `json:"evidence"` // the numbers that decided it
	Advice   string     `json:"advice"`   // the remedy, imperative
	Runbook  string     `json:"runbook"`  // URL of the section about the kind
}

// NoticeKind names what a notice is about. The values are the label values of otelpool.health.notice and the names of the sections
// of docs/runbooks/notices.md.
type NoticeKind string

// The kinds of notices.
const (
	NoticeCachedPlan         NoticeKind = "cached_plan_errors"
	NoticePreparedStatements NoticeKind = "prepared_statement_errors"
	NoticeStatementTimeouts  NoticeKind = "statement_timeouts"
	NoticeSlowerQueries      NoticeKind = "slower_queries"
	NoticeMinConnsAboveLimit NoticeKind = "min_conns_above_limit"
	NoticeHooksReplaced      NoticeKind = "hooks_replaced"
	NoticeNoDeadline         NoticeKind = "acquires_without_deadline"
	NoticeLifetimesTogether  NoticeKind = "lifetimes_end_together"
	NoticeIdleAboveServer    NoticeKind = "idle_time_above_server"
	NoticeNoConnectTimeout   NoticeKind = "no_connect_timeout"
	NoticeNoLifetimeJitter   NoticeKind = "no_lifetime_jitter"
	NoticeDefaultMaxConns    NoticeKind = "default_max_conns"
	NoticeNoApplicationName  NoticeKind = "no_application_name"
)

// noticeKinds describes every kind once, the most important first: the order of a report's notices, the list and docs/health.md
// are made from it.
var noticeKinds = catalogue[NoticeKind]{
	{NoticeCachedPlan,
		"Statements fail after a migration, since a plan that was prepared before it returns other columns now.",
		"one error 0A000 of a cached plan within a minute"},
	{NoticePreparedStatements,
		"Statements fail since the server does not know a prepared statement, or knows another one of that name: the sign of a pooler between us and the server.",
		"one error 26000, 42P05, or 08P01 about a prepared statement, within a minute"},
	{NoticeStatementTimeouts,
		"The server ends statements that run longer than `statement_timeout`.",
		"3 errors 57014 within a minute that are not the answer to a cancel request of the client"},
	{NoticeSlowerQueries,
		"Queries take many times as long as usual, and nobody has to wait for a connection yet.",
		"a hold spends 5 times as long in queries as it usually does, and 20 ms or more, for 15 s, while the pool is healthy"},
	{NoticeMinConnsAboveLimit,
		"`MinConns` is more than the server has connections for.",
		"`MinConns` above `max_connections` less the reserved ones, once the probe has asked the server"},
	{NoticeHooksReplaced,
		"A hook that `Configure` had installed was replaced afterwards, so part of the pool cannot be seen.",
		"the pool has another Tracer, or it connects or closes without calling the installed `BeforeConnect`, `AfterConnect` or `BeforeClose`"},
	{NoticeNoDeadline,
		"Acquires have no deadline: when the pool is full, they wait for as long as it takes.",
		"10 holds within two minutes that were seen to begin without one, and a tenth of all that were seen"},
	{NoticeLifetimesTogether,
		"Connections reach the end of their lifetime at the same time, and have to be made anew at the same time.",
		"half of the pool, and at least 3 connections, closed for their lifetime within 5 s"},
	{NoticeIdleAboveServer,
		"The server ends idle sessions before the pool does, so the pool hands out connections that are gone.",
		"`MaxConnIdleTime` not below `idle_session_timeout`, once the probe has asked the server"},
	{NoticeNoConnectTimeout,
		"No `connect_timeout` is set: a server that does not answer keeps a connect waiting for two minutes.",
		"`ConnConfig.ConnectTimeout` is 0"},
	{NoticeNoLifetimeJitter,
		"Connections have a lifetime without jitter: those that were made together end together.",
		"`MaxConnLifetime` without `MaxConnLifetimeJitter`"},
	{NoticeDefaultMaxConns,
		"`MaxConns` is what pgxpool derives from the number of processors, which says nothing about the load or the server.",
		"`MaxConns` is the larger of 4 and the number of processors, and the connection string has no `pool_max_conns`"},
	{NoticeNoApplicationName,
		"The connections have no `application_name`, so nobody at the server can tell whose they are.",
		"the configuration has none"},
}

// NoticeKinds lists every kind, the most important first.
var NoticeKinds = noticeKinds.names()

// Meaning says in one sentence what a kind means. It is empty for an unknown one.
func (k NoticeKind) Meaning() string { return noticeKinds.meaning(k) }

// Runbook is the URL of the section about the kind.
func (k NoticeKind) Runbook() string {
	return "https://github.com/otelpool/pgx/blob/main/docs/runbooks/notices.md#" + string(k)
}

// NewNotice returns a notice with its runbook.
func NewNotice(k NoticeKind, summary string, evidence []string, advice string) Notice {
	return Notice{Kind: k, Summary: summary, Evidence: evidence, Advice: advice, Runbook: k.Runbook()}
}

// HasNotice reports whether one of the notices has the given kind.
func (r *Report) HasNotice(k NoticeKind) bool {
	return slices.ContainsFunc(r.Notices, func(n Notice) bool { return n.Kind == k })
}

// sortNotices puts the most important first and leaves out unknown kinds and all but the first of each: a report is bounded,
// whatever a sample says.
func sortNotices(all []Notice) []Notice {
	rank := func(n Notice) int { return slices.Index(NoticeKinds, n.Kind) }
	all = slices.DeleteFunc(all, func(n Notice) bool { return rank(n) < 0 })
	slices.SortStableFunc(all, func(a, b Notice) int { return cmp.Compare(rank(a), rank(b)) })
	return slices.CompactFunc(all, func(a, b Notice) bool { return a.Kind == b.Kind })
}
