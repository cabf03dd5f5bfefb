package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/redact"
)

// serverSQL asks how full the server is and whether it takes writes.
const serverSQL = `
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
       current_setting('max_connections')::int,
       pg_is_in_recovery(),
       current_setting('default_transaction_read_only')::bool,
       (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND datname = current_database())`

// runningSQL asks who else has the server's CPU, or wants it: not the given backends, nor others of the same role and
// application, which are this program on other machines.
const runningSQL = `
SELECT coalesce(sum(n), 0)::int, coalesce((array_agg(application_name ORDER BY n DESC))[1], '')
FROM (SELECT application_name, count(*) AS n FROM pg_stat_activity
      WHERE backend_type = 'client backend' AND state = 'active' AND wait_event IS NULL
        AND pid <> ALL($1) AND pid <> pg_backend_pid() AND NOT (usename = current_user AND application_name = $2)
      GROUP BY application_name) others`

// backendsSQL asks what the server is doing for the given backends. Any role may see its own; of others it sees nulls.
const backendsSQL = `
SELECT pid, coalesce(backend_type, ''), coalesce(application_name, ''), coalesce(state, ''),
       coalesce(wait_event_type, ''), coalesce(wait_event, ''),
       coalesce(extract(epoch FROM clock_timestamp() - state_change), 0)::float8,
       coalesce(extract(epoch FROM clock_timestamp() - query_start), 0)::float8,
       coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::float8
FROM pg_stat_activity WHERE pid = ANY($1)`

// look asks the server about itself and about the connections that are held: in one round trip, another one that is measured,
// and a few more if somebody waits for a lock.
func (p *Probe) look(ctx context.Context, conn *pgx.Conn) (*healthcheck.ServerView, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	view, pids := &healthcheck.ServerView{At: time.Now()}, p.held()
	var questions pgx.Batch
	questions.Queue(serverSQL).QueryRow(func(row pgx.Row) error {
		return row.Scan(&view.Connections, &view.MaxConns, &view.InRecovery, &view.ReadOnly, &view.Sessions)
	})
	questions.Queue(backendsSQL, pids).Query(func(rows pgx.Rows) (err error) {
		view.Backends, err = pgx.CollectRows(rows, scanBackend)
		return err
	})
	questions.Queue(runningSQL, pids, p.application).QueryRow(func(row pgx.Row) error {
		return row.Scan(&view.Running, &view.RunningMost)
	})
	if err := conn.SendBatch(ctx, &questions).Close(); err != nil {
		return nil, fmt.Errorf("ask the server about itself and our backends: %w", err)
	}
	view.ReadOnly = view.ReadOnly || view.InRecovery
	if err := askLimits(ctx, conn, view); err != nil {
		return nil, err
	}
	view.RunningMost = redact.Text(view.RunningMost)
	var err error
	if view.Blockers, err = findBlockers(ctx, conn, view.Backends); err != nil {
		return nil, fmt.Errorf("ask the server who blocks ours: %w", err)
	}
	begun := time.Now()
	if err := conn.Ping(ctx); err != nil {
		return nil, fmt.Errorf("measure a round trip: %w", err)
	}
	view.RoundTrip = time.Since(begun)
	return view, nil
}

func backends(ctx context.Context, conn *pgx.Conn, pids []int32) ([]healthcheck.Backend, error) {
	rows, err := conn.Query(ctx, backendsSQL, pids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanBackend)
}

func scanBackend(row pgx.CollectableRow) (healthcheck.Backend, error) {
	var b healthcheck.Backend
	var pid int32
	var state, query, xact float64
	err := row.Scan(&pid, &b.Type, &b.Application, &b.State, &b.WaitEventType, &b.WaitEvent, &state, &query, &xact)
	b.PID, b.Application = uint32(pid), redact.Text(b.Application)
	b.StateFor, b.QueryFor, b.XactFor = fromSeconds(state), fromSeconds(query), fromSeconds(xact)
	return b, err
}

func fromSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
