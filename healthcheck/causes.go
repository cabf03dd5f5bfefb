package healthcheck

import "slices"

// Cause names what is wrong. The values are the label values of otelpool.health.cause and the names of the runbooks.
type Cause string

// The causes that a report can name.
const (
	CauseLeak                Cause = "leak"
	CauseNestedAcquire       Cause = "nested_acquire"
	CauseHeldIdle            Cause = "held_idle"
	CauseSlowDatabase        Cause = "slow_database"
	CauseLockContention      Cause = "lock_contention"
	CauseUndersized          Cause = "undersized"
	CauseUnreachable         Cause = "unreachable"
	CauseRejectedCredentials Cause = "rejected_credentials"
	CauseTooManyConnections  Cause = "too_many_connections"
	CauseServerStarting      Cause = "server_starting"
	CauseServerShutdown      Cause = "server_shutdown"
	CauseReadOnly            Cause = "read_only"
	CausePoolerQueue         Cause = "pooler_queue"
	CauseSlowConnect         Cause = "slow_connect"
	CauseCancelChurn         Cause = "cancel_churn"
	CauseProcessStarved      Cause = "process_starved"
	CauseInsufficientData    Cause = "insufficient_data"
)

// causes describes every cause once: the list, the runbooks' index and docs/health.md are made from it.
var causes = catalogue[Cause]{
	{CauseLeak,
		"A connection is held, nothing has been asked of the server for the leak threshold (30 s), and nobody is waiting for an answer on it.",
		"connections held past the threshold with nothing asked of the server, see [leaks](leaks.md); one is enough"},
	{CauseNestedAcquire,
		"Requests wait for a second connection while they hold a first.",
		"the same request holds one connection and waits for another, or a goroutine that its goroutine has started and may be waiting for does"},
	{CauseHeldIdle,
		"The application holds connections while it does something else: calls another service, reads a file, computes, sleeps.",
		"most holders idle, waiting for notifications or for rows to COPY, or holds spent mostly outside queries; also SQLSTATE 25P03"},
	{CauseSlowDatabase,
		"Holders wait for the server longer than they used to, or than half a second, so connections come back late and callers queue.",
		"holders wait for the server: three times as long as while the pool was healthy, or 500 ms and more; the finding says why, see below"},
	{CauseLockContention,
		"Our queries wait for locks that other sessions hold: a migration, a forgotten transaction, or our own transactions taking locks in different orders.",
		"`pg_stat_activity` says that our backends wait for a lock; names the session at the root of the queue, ours or not, and what it does"},
	{CauseUndersized,
		"The pool is too small for its traffic: holds are short, connections are used well, and callers still wait.",
		"a queue although holds are short, used well and no slower than before; never while the server has nothing to do for those who query"},
	{CausePoolerQueue,
		"Queries wait in a connection pooler, such as PgBouncer, for one of the few connections that it has to the server.",
		"a pooler is recognised by its PIDs; more queries are under way than the server has sessions of our role, or the probe is let in and waits for a session; and others are answered"},
	{CauseUnreachable,
		"The database cannot be reached: refused, no such host, no answer, or cut connections.",
		"connects fail (refused, DNS, TLS, timeout, reset, SQLSTATE 08xxx), or nothing comes back: after 5 s of silence that is an outage; after half a second, if connects used to be quick, it explains why callers wait"},
	{CauseRejectedCredentials,
		"The server refuses the role, the password or the database.",
		"SQLSTATE 28xxx, 3D000, 42501 or 57P04 on connect; after 28xxx the probe does not try again"},
	{CauseTooManyConnections,
		"The server has no connection left, or the role or the database has reached its limit (SQLSTATE 53300).",
		"53300 or 53400 on connect, or a pooler's words, such as `max_client_conn`"},
	{CauseServerStarting,
		"The server is starting up or recovering and takes no connections yet (57P03).",
		"57P03"},
	{CauseServerShutdown,
		"The server ended our sessions (57P01, 57P02): it was stopped or restarted, failed over, or somebody called pg_terminate_backend.",
		"sessions ended by 57P01, 57P02 or 57P05; or connects refused by 57P03 with a text that says so"},
	{CauseReadOnly,
		"The server refuses to write (25006): we reached a standby, it was made read-only, or the transaction was begun read-only.",
		"statements refused with 25006; the server's view tells a standby from a read-only transaction"},
	{CauseSlowConnect,
		"Requests wait for connections to be made: DNS, TLS, authentication or distance make each one slow.",
		"requests wait and connects take as long as the waits"},
	{CauseCancelChurn,
		"Queries are cancelled, by deadlines or by callers who give up, and pgx closes the connection of each: the pool is busy making new ones.",
		"within 5 s as many connections closed by cancelled queries as the pool has, at least 10, nearly as many made anew, and callers who wait longer than the target on average"},
	{CauseProcessStarved,
		"The process itself did not get to run: too little CPU, long garbage collections, a paused machine.",
		"samples come late"},
	{CauseInsufficientData,
		"The pool is not well, and nothing that was seen explains it.",
		"something is wrong and nothing above explains it, or no hook observes the pool"},
}

// Causes lists every cause that a report can name, in the order of their runbooks.
var Causes = causes.names()

// Meaning says in one sentence what a cause means. It is empty for an unknown one.
func (c Cause) Meaning() string { return causes.meaning(c) }

// Runbook is the URL of the page about the cause: how to see it, and what to do.
func (c Cause) Runbook() string {
	return "https://github.com/otelpool/pgx/blob/main/docs/runbooks/" + string(c) + ".md"
}

// Names reports whether one of the findings has the given cause.
func (r *Report) Names(c Cause) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Cause == c })
}
