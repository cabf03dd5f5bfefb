package observe

import (
	"slices"
	"time"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/internal/pooler"
	"github.com/otelpool/pgx/otelpool/internal/view"
	"github.com/otelpool/pgx/tracer"
)

// sample is a view as the judge wants it: the one place where the hook's words and the judge's meet.
func sample(v *view.View, late time.Duration, closed bool, config []healthcheck.Notice) healthcheck.Sample {
	s := healthcheck.Sample{
		At: v.At, Late: late, HasTracer: v.HasHook, Closed: closed, Server: v.Probe.Server, Probe: v.Probe.Probe, Config: config,
		Pool: healthcheck.PoolCounts{
			Total: v.Stat.Total, Idle: v.Stat.Idle, Used: v.Stat.Used, Constructing: v.Stat.Constructing, Max: v.Stat.Max,
		},
	}
	if !v.HasHook {
		s.Counts[counts.Acquired] = v.Stat.Acquires
		s.Counts[counts.Canceled] = v.Stat.Canceled
		return s
	}
	s.Counts = v.Hook.Counters.Counts
	s.Traffic, s.Connect = traffic(&v.Hook), connects(&v.Hook)
	s.Errors = queryErrors(&v.Hook.Faults)
	s.LookSkipped = v.Hook.LookSkipped
	s.Holders, s.Waiters = heldConns(v.Hook.Holders), pendingAcquires(v.Hook.Waiters)
	s.Pooled = pooled(v)
	s.Canceled = canceledHolds(v.Hook.Canceled)
	return s
}

func traffic(snap *tracer.Snapshot) healthcheck.Traffic {
	f, c := &snap.Faults.Acquire, &snap.Counters
	t := healthcheck.Traffic{
		Waiting: int(c.Waiting), MinWait: snap.MinWait, PeakWait: snap.PeakWait, Ended: snap.Ended,
		LastError: f.Text, LastErrorType: f.Type, LastErrorAt: f.At,
	}
	if len(snap.Waiters) > 0 {
		t.OldestWait = snap.Waiters[0].Age
	}
	t.Occupied = c.Counts.Time(counts.UseTime) - c.Counts.Time(counts.ExcludedUseTime)
	for i := range snap.Holders {
		if h := &snap.Holders[i]; h.Expected == "" && h.Evidence < tracer.EvidenceIdleHeld {
			t.Occupied += h.Age
		}
	}
	return t
}

func connects(snap *tracer.Snapshot) healthcheck.Connects {
	c, f := &snap.Counters, &snap.Faults
	return healthcheck.Connects{
		InFlight: int(c.Connecting), LastTime: c.LastCreate, LastAt: c.LastOpenedAt,
		LastError: f.Connect.Text, LastErrorType: f.Connect.Type, LastErrorAt: f.Connect.At,
		LastLostType: f.Lost.Type, LastLost: f.Lost.Text, LastLostAt: f.Lost.At, ReadOnlyAt: f.ReadOnly.At,
	}
}

// pooled says whether a pooler stands before the server. Until the server was asked, PIDs tell that can be none.
func pooled(v *view.View) bool {
	if v.Probe.Asked {
		return v.Probe.Pooled
	}
	return slices.ContainsFunc(v.Hook.Holders, func(h tracer.Holder) bool { return pooler.IsKey(h.PID) })
}

func queryErrors(f *tracer.Faults) healthcheck.QueryErrors {
	return healthcheck.QueryErrors{
		StatementTimeout:  healthcheck.QueryError(f.StatementTimeout),
		CachedPlan:        healthcheck.QueryError(f.CachedPlan),
		PreparedStatement: healthcheck.QueryError(f.PreparedStatement),
	}
}

func heldConns(held []tracer.Holder) []healthcheck.HeldConn {
	held = held[:min(len(held), healthcheck.MaxHolders)]
	out := make([]healthcheck.HeldConn, 0, len(held))
	for i := range held {
		h := &held[i]
		out = append(out, healthcheck.HeldConn{
			Site: h.Site, Age: h.Age, Idle: h.Idle, Querying: h.Querying, InTx: h.InTx, Queries: h.Queries, QueryTime: h.QueryTime,
			NoDeadline: h.NoDeadline,
			Leaked:     h.Evidence >= tracer.EvidenceIdleHeld, Orphaned: h.Evidence >= tracer.EvidenceOrphaned,
			Expected: h.Expected != "", NestedAcquire: h.NestedAcquire, PID: h.PID,
			Open: h.Open, Listening: h.Listening, Producing: h.Producing, Doing: h.Doing, Activity: h.Activity,
		})
	}
	return out
}

func pendingAcquires(waiting []tracer.Waiter) []healthcheck.PendingAcquire {
	waiting = waiting[:min(len(waiting), healthcheck.MaxWaiters)]
	out := make([]healthcheck.PendingAcquire, 0, len(waiting))
	for i := range waiting {
		w := &waiting[i]
		out = append(out, healthcheck.PendingAcquire{Site: w.Site, NestedAcquire: w.NestedAcquire})
	}
	return out
}

func canceledHolds(canceled []tracer.CanceledHold) []healthcheck.CanceledHold {
	out := make([]healthcheck.CanceledHold, 0, len(canceled))
	for _, c := range canceled {
		out = append(out, healthcheck.CanceledHold{At: c.At, Site: c.Site, After: c.Query, Deadline: c.Deadline})
	}
	return out
}
