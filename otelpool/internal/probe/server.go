package probe

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/healthcheck"
)

// serverSQL asks how full the server is and whether it takes writes.
const serverSQL = `
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
       current_setting('max_connections')::int,
       pg_is_in_recovery(),
       current_setting('default_transaction_read_only')::bool`

// backendsSQL asks what the server is doing for the given backends. Any role may see its own; of others it sees nulls.
const backendsSQL = `
SELECT pid, coalesce(state, ''), coalesce(wait_event_type, ''), coalesce(wait_event, ''),
       CASE WHEN wait_event_type = 'Lock' THEN pg_blocking_pids(pid) ELSE '{}' END,
       coalesce(extract(epoch FROM clock_timestamp() - state_change), 0)::float8,
       coalesce(extract(epoch FROM clock_timestamp() - query_start), 0)::float8
FROM pg_stat_activity WHERE pid = ANY($1)`

// look asks the server about itself and about the connections that are held.
func (p *Probe) look(ctx context.Context, conn *pgx.Conn) (*healthcheck.ServerView, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	view := &healthcheck.ServerView{At: time.Now()}
	err := conn.QueryRow(ctx, serverSQL).Scan(&view.Connections, &view.MaxConns, &view.InRecovery, &view.ReadOnly)
	if err != nil {
		return nil, fmt.Errorf("ask the server about itself: %w", err)
	}
	view.ReadOnly = view.ReadOnly || view.InRecovery
	if err := askLimits(ctx, conn, view); err != nil {
		return nil, err
	}
	pids := p.held()
	if len(pids) == 0 {
		return view, nil
	}
	rows, err := conn.Query(ctx, backendsSQL, pids)
	if err != nil {
		return nil, fmt.Errorf("ask the server about our backends: %w", err)
	}
	view.Backends, err = pgx.CollectRows(rows, scanBackend)
	if err != nil {
		return nil, fmt.Errorf("ask the server about our backends: %w", err)
	}
	for i := range view.Backends {
		b := &view.Backends[i]
		b.BlockedByOurs = len(b.BlockedBy) > 0 && !slices.ContainsFunc(b.BlockedBy, func(pid uint32) bool {
			return !slices.Contains(pids, int32(pid))
		})
	}
	return view, nil
}

func scanBackend(row pgx.CollectableRow) (healthcheck.Backend, error) {
	var b healthcheck.Backend
	var pid int32
	var blockers []int32
	var state, query float64
	err := row.Scan(&pid, &b.State, &b.WaitEventType, &b.WaitEvent, &blockers, &state, &query)
	b.PID = uint32(pid)
	for _, blocker := range blockers {
		b.BlockedBy = append(b.BlockedBy, uint32(blocker))
	}
	b.StateFor, b.QueryFor = fromSeconds(state), fromSeconds(query)
	return b, err
}

func fromSeconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
