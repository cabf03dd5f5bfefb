package telemetry

import (
	"log/slog"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// KeyEventName is the attribute that carries a log event's name. A log bridge for slog cannot set the record's own event name;
// this is the attribute that the conventions made for that, and the collector's transform moves it there.
const KeyEventName = string(semconv.OTelEventNameKey)

// Log events.
const (
	EventInitialized        = "pool.initialized"
	EventAcquired           = "connection.acquired"
	EventReleased           = "connection.released"
	EventStatistics         = "pool.statistics"
	EventExhausted          = "pool.exhausted"
	EventLeakSuspected      = "leak.suspected"
	EventLeakRecovered      = "leak.recovered"
	EventConnectionLost     = "connection.lost"
	EventReconnectAttempt   = "reconnect.attempt"
	EventReconnectSucceeded = "reconnect.succeeded"
	EventHealthChanged      = "health.changed"
	EventNoticeRaised       = "notice.raised"
	EventUsageHigh          = "pool.usage_high"
	EventRenamed            = "pool.renamed"
	EventStatOnly           = "pool.stat_only"
	EventDropped            = "observer.dropped"
	EventPanicked           = "observer.panicked"
	EventShutdownStarted    = "shutdown.started"
	EventShutdownWaiting    = "shutdown.waiting"
	EventShutdownCompleted  = "shutdown.completed"
)

// LogEvent is one row of the catalogue of log events. Docs/metrics.md is made of it, and a test compares every record with it.
type LogEvent struct {
	Name    string
	Levels  []slog.Level
	Fields  []string // beyond the event's name and the pool's; some records lack some
	Meaning string
}

// LogEvents is every log event there is.
var LogEvents = []LogEvent{
	{EventInitialized, levels(slog.LevelInfo, slog.LevelError),
		fields("max_connections", "min_connections", errorType, "error"),
		"INFO: the pool has its first connection. ERROR: the first attempt to connect failed. Each once."},
	{EventStatOnly, levels(slog.LevelWarn), nil,
		"The pool was built without the hook. The message says what to add."},
	{EventRenamed, levels(slog.LevelWarn), fields("derived"),
		"Another live pool has the derived name. This pool's was numbered."},
	{EventAcquired, levels(slog.LevelInfo), fields("wait_seconds", errorType, "trace_id", "span_id"),
		"One acquire ended. Written only with `WithConnectionEvents`."},
	{EventReleased, levels(slog.LevelInfo), fields("held_seconds", "trace_id", "span_id"),
		"One connection was released. Written only with `WithConnectionEvents`."},
	{EventStatistics, levels(slog.LevelInfo),
		fields("total", "idle", "used", "max_connections", "waiting", "acquires", "releases", "timeouts", "longest_wait_seconds", "status"),
		"The pool in numbers, once a minute."},
	{EventUsageHigh, levels(slog.LevelInfo, slog.LevelWarn), fields("usage", "used", "max_connections"),
		"Most connections are in use, once an episode. WARN under a policy that judges usage, else INFO."},
	{EventExhausted, levels(slog.LevelWarn),
		fields("holders", "waiting", "timeouts", "oldest_wait_seconds", "oldest_waiter", "trace_id", "last_connect_error", "last_connect_error_at"),
		"The pool is full and somebody waits, or a wait timed out: who holds the connections. Once an episode."},
	{EventLeakSuspected, levels(slog.LevelWarn), append(holderFields, string(semconv.CodeStacktraceKey), "suppressed"),
		"Connections may be leaked, with the place they were taken at. One record a place; at most 20 a minute, the rest is counted."},
	{EventLeakRecovered, levels(slog.LevelInfo), holderFields,
		"A suspected leak was released after all."},
	{EventConnectionLost, levels(slog.LevelWarn), fields("connections", errorType, "backend_pids"),
		"Connections broke under their queries, grouped by what ended them."},
	{EventReconnectAttempt, levels(slog.LevelWarn), fields("attempt", "delay_seconds", errorType, "error"),
		"The server probe could not connect, and when it tries again."},
	{EventReconnectSucceeded, levels(slog.LevelInfo), fields("outage_seconds", "status", string(KeyCause), "attempts"),
		"An outage is over."},
	{EventHealthChanged, levels(slog.LevelInfo, slog.LevelWarn, slog.LevelError),
		fields("status", "previous", string(KeyState), string(KeyCause), "evidence", "advice", "runbook"),
		"The status changed: ERROR to unhealthy, WARN to degraded, INFO otherwise. With the likeliest cause."},
	{EventNoticeRaised, levels(slog.LevelInfo), fields(string(KeyNotice), "evidence", "advice", "runbook"),
		"Something is no trouble of the pool and is seen from here, or will be trouble. Once an episode."},
	{EventShutdownStarted, levels(slog.LevelInfo), fields("used"),
		"The pool is being closed, by `Shutdown` or by the application."},
	{EventShutdownWaiting, levels(slog.LevelInfo, slog.LevelWarn), fields("holders"),
		"Who is waited for. WARN where the application closes the pool itself and may wait for ever."},
	{EventShutdownCompleted, levels(slog.LevelInfo, slog.LevelWarn), fields("took_seconds", "used", "holders"),
		"The pool is closed. WARN: time was up, and connections were still held."},
	{EventDropped, levels(slog.LevelWarn), fields("dropped"),
		"Events found no room in the queue before the log, or in the hook. The log handler is slower than what it has to write."},
	{EventPanicked, levels(slog.LevelError), fields("panic", "stack"),
		"A panic was caught, in otelpool or in what it calls. Only the first is written."},
}

const errorType = string(semconv.ErrorTypeKey)

var holderFields = fields("age_seconds", "idle_seconds", "backend_pid", "in_transaction", "queries", "context", "connections",
	"trace_id", "span_id", string(KeyEvidence), string(semconv.DBOperationNameKey), string(semconv.DBQueryTextKey),
	string(semconv.CodeFunctionNameKey), string(semconv.CodeFilePathKey), string(semconv.CodeLineNumberKey))

func levels(l ...slog.Level) []slog.Level { return l }

func fields(names ...string) []string { return names[:len(names):len(names)] }
