package faults

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// execAt runs one statement on a connection of its own.
func execAt(ctx context.Context, dsn, sql string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}
