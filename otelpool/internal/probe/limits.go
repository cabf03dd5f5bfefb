package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/healthcheck"
)

// limitsSQL asks for what the pool's configuration is compared with. A server that is too old for a setting does not have it.
const limitsSQL = `
SELECT coalesce(sum(setting::bigint) FILTER (WHERE name <> 'idle_session_timeout'), 0)::int,
       coalesce(sum(setting::bigint) FILTER (WHERE name = 'idle_session_timeout'), 0)
FROM pg_settings WHERE name IN ('superuser_reserved_connections', 'reserved_connections', 'idle_session_timeout')`

func askLimits(ctx context.Context, conn *pgx.Conn, view *healthcheck.ServerView) error {
	var idle int64 // milliseconds
	if err := conn.QueryRow(ctx, limitsSQL).Scan(&view.Reserved, &idle); err != nil {
		return fmt.Errorf("ask the server about its limits: %w", err)
	}
	view.IdleSessionTimeout = time.Duration(idle) * time.Millisecond
	return nil
}
