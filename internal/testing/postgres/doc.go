// Package postgres runs a real PostgreSQL that lives as long as its owner: a fresh cluster in a temporary directory, on a
// free port of 127.0.0.1, tuned to start fast and to forget everything.
//
//	server, err := postgres.Start(ctx)
//	if err != nil {
//		return err
//	}
//	defer server.Close()
//	pool, err := pgxpool.New(ctx, server.DSN())
//
// It also breaks on demand: Kill is a crash, Pause a black hole, Stop and Restart are an orderly maintenance window.
// Faults injected with a mock tell how the mock fails; the point of this package is to see how PostgreSQL does.
//
// Nothing outlives the owner, not even when the owner is killed by SIGKILL: see guard.go. No goroutine runs between two
// calls, so a test may check for leaked goroutines while its server is up.
//
// The machine needs the server's own programs, initdb and postgres, from any supported release; see ErrNotInstalled.
package postgres
