// Package wire is a PostgreSQL server in memory, for tests in which time is fake.
//
// It speaks the real protocol over [net.Pipe], so a real pgxpool runs against it inside a [testing/synctest] bubble: no
// network, no process, and everything that blocks does so on channels and timers. It knows a handful of statements, enough
// to hold connections in every way that matters:
//
//	SELECT 7 · SELECT $1                one row
//	SELECT generate_series(1, n)        n rows
//	SELECT pg_sleep(seconds)            takes that long; can be cancelled
//	SELECT error('23505')               fails with that SQLSTATE
//	SELECT die()                        ends the session, as pg_terminate_backend does
//	BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE
//	INSERT, UPDATE, DELETE              one row affected
//	SELECT "a" FROM "t"                 no row; pgx asks it for the types before a COPY
//	COPY … FROM STDIN, LISTEN, UNLISTEN, SET, DISCARD, empty statements and comments
//
// Anything else is a syntax error. Close the pool and then the [Server] before a bubble ends: every goroutine of theirs
// belongs to it.
package wire
