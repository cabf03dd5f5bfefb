package probe

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/otelpool/pgx/healthcheck"
)

// Bounds of one search: the server holds its lock tables still to answer who blocks a session, and a queue may be long. Those
// who have waited longest lead to the same root as those behind them.
const (
	maxWaiters = 32
	maxSteps   = 8 // from one of ours to the root
)

const blockingSQL = `SELECT pid, pg_blocking_pids(pid) FROM unnest($1::int[]) AS waiting (pid)`

// findBlockers notes in ours who blocks them, and returns those who are not ours, up to the roots of the chains.
func findBlockers(ctx context.Context, conn *pgx.Conn, ours []healthcheck.Backend) ([]healthcheck.Backend, error) {
	known := make(map[uint32]bool)
	for i := range ours {
		known[ours[i].PID] = true
	}
	var others [][]healthcheck.Backend
	for waiting := waitingLongest(ours); len(waiting) > 0 && len(others) < maxSteps; {
		if err := askBlockers(ctx, conn, waiting); err != nil {
			return nil, err
		}
		next, err := backends(ctx, conn, newBlockers(waiting, known))
		if err != nil {
			return nil, err
		}
		others = append(others, next)
		waiting = waitingLongest(next)
	}
	return slices.Concat(others...), nil
}

// newBlockers lists who blocks waiting and is not known yet, and makes it known.
func newBlockers(waiting []*healthcheck.Backend, known map[uint32]bool) (pids []int32) {
	for _, b := range waiting {
		for _, pid := range b.BlockedBy {
			if pid != 0 && !known[pid] && len(pids) < maxWaiters { // 0 is a prepared transaction
				known[pid] = true
				pids = append(pids, int32(pid))
			}
		}
	}
	return pids
}

func askBlockers(ctx context.Context, conn *pgx.Conn, waiting []*healthcheck.Backend) error {
	by := make(map[int32]*healthcheck.Backend, len(waiting))
	for _, b := range waiting {
		by[int32(b.PID)] = b
	}
	rows, err := conn.Query(ctx, blockingSQL, slices.Collect(maps.Keys(by)))
	if err != nil {
		return err
	}
	var pid int32
	var blockers []int32
	_, err = pgx.ForEachRow(rows, []any{&pid, &blockers}, func() error {
		for _, blocker := range blockers {
			by[pid].BlockedBy = append(by[pid].BlockedBy, uint32(blocker))
		}
		return nil
	})
	return err
}

// waitingLongest returns those that wait for a lock, the longest first.
func waitingLongest(all []healthcheck.Backend) (waiting []*healthcheck.Backend) {
	for i := range all {
		if all[i].WaitEventType == "Lock" {
			waiting = append(waiting, &all[i])
		}
	}
	slices.SortFunc(waiting, func(a, b *healthcheck.Backend) int { return cmp.Compare(b.QueryFor, a.QueryFor) })
	return waiting[:min(maxWaiters, len(waiting))]
}
