package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/otelpool/pgx/internal/testing/postgres"
)

// database returns the connection string of DATABASE_URL, or that of a throwaway server and the server.
func database(ctx context.Context, out io.Writer) (dsn string, server *postgres.Server, err error) {
	if dsn = os.Getenv("DATABASE_URL"); dsn != "" {
		return dsn, nil, nil
	}
	began := time.Now()
	server, err = postgres.Start(ctx)
	if err != nil {
		return "", nil, fmt.Errorf("start a throwaway PostgreSQL (or set DATABASE_URL): %w", err)
	}
	fmt.Fprintf(out, "postgres   started on port %d in %v; it is removed at the end\n", server.Port(), time.Since(began).Round(10*time.Millisecond))
	return server.DSN() + "&pool_max_conns=10", server, nil
}
