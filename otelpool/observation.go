package otelpool

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/tracer"
)

// observation is what one tick saw and concluded. It is immutable: every outlet reads the latest one and none measures.
type observation struct {
	at     time.Time
	stat   *pgxpool.Stat
	snap   tracer.Snapshot // zero in stat-only mode
	full   bool            // whether the hook was there to see
	probe  probeState
	report *healthcheck.Report
	health *healthcheck.Snapshot // report and figures, for the health endpoints
	limits limits
	tally  tally
	rising rising  // set at each collection
	idle   float64 // share of held time without a query, over the last minute
	busy   bool    // whether anything was held in it
	recent []Point // oldest first, bounded
}

// tally counts what reports, and nobody else, can tell.
type tally struct {
	transitions int64
}

// rising are counts that the hook derives from others or corrects, kept from going back: to every backend a counter that
// goes back has been restarted, and its whole value counts as new.
type rising struct{ clean, hijacked int64 }

func (r rising) next(c *tracer.Counters) rising {
	clean := c.Counts[counts.Released]
	for i := range tracer.Reasons[:destroyReasons] {
		clean -= c.Counts[counts.DestroyedBroken+counts.Name(i)]
	}
	return rising{clean: max(r.clean, clean), hijacked: max(r.hijacked, c.Counts[counts.Hijacked])}
}

// usage is the share of the pool's connections that are held, 0 to 1.
func (o *observation) usage() float64 {
	if o.stat.MaxConns() <= 0 {
		return 0
	}
	return float64(o.stat.AcquiredConns()) / float64(o.stat.MaxConns())
}

// inVain says that a pool which nobody can look into, having no hook, went on connecting and has nothing to show for it.
func (o *observation) inVain(previous *observation) bool {
	return !o.full && previous != nil && o.stat.NewConnsCount() > previous.stat.NewConnsCount() &&
		o.stat.TotalConns() == o.stat.ConstructingConns()
}

// ticker makes observations. It belongs to the monitor's loop.
type ticker struct {
	monitor *Monitor
	judge   *healthcheck.Judge
	started time.Time
	tally   tally
	idle    idleShare
	recent  []Point
}

// observe takes one sample, has it judged, publishes the outcome and tells the log what is new. late is by how much the
// tick overran its interval.
func (t *ticker) observe(now time.Time, late time.Duration) {
	m := t.monitor
	previous := m.last.Load()
	o := &observation{at: now, full: m.tracer != nil, limits: m.limits, tally: t.tally}
	if m.tracer != nil {
		m.tracer.SetConnectionEvents(m.log.connectionSink()) // levels change at run time
		blameless := late
		if late < max(m.config.healthInterval, starvedAfter) {
			blameless = 0
		}
		m.tracer.Flush()
		o.snap = m.tracer.Sweep(func() int { return int(m.pool.Stat().AcquiredConns()) }, blameless)
	}
	o.idle, o.busy = t.idle.next(now, &o.snap)
	o.stat = m.pool.Stat()
	o.probe = m.prober.state()
	o.report = t.judge.Judge(m.sample(o, late))
	if previous != nil && previous.report.State != o.report.State {
		t.tally.transitions++
		o.tally.transitions = t.tally.transitions
	}
	t.recent = appendPoint(t.recent, m.point(o))
	o.recent = t.recent
	o.health = t.snapshot(o)
	m.last.Store(o)
	m.log.tell(previous, o, m)
	m.prober.react(o.report, o.inVain(previous))
}

// starvedAfter is the least lateness of a tick that counts as starvation of the process.
const starvedAfter = 500 * time.Millisecond

// sample puts an observation into the judge's words: the one place where the hook's and the pool's numbers meet.
func (m *Monitor) sample(o *observation, late time.Duration) healthcheck.Sample {
	s := healthcheck.Sample{
		At: o.at, Late: late, Full: o.full, Closed: m.draining.Load(), Server: o.probe.server, Probe: o.probe.probe,
		Pool: healthcheck.PoolCounts{
			Total: int(o.stat.TotalConns()), Idle: int(o.stat.IdleConns()), Used: int(o.stat.AcquiredConns()),
			Constructing: int(o.stat.ConstructingConns()), Max: int(o.stat.MaxConns()),
			MinConns: int(m.limits.minConns), MinIdle: int(m.limits.minIdle),
		},
	}
	if !o.full {
		s.Traffic.OK = o.stat.AcquireCount()
		s.Traffic.Canceled = o.stat.CanceledAcquireCount()
		s.Traffic.WaitTime = o.stat.AcquireDuration()
		return s
	}
	s.Traffic, s.Connect = traffic(&o.snap), connects(&o.snap)
	s.Holders, s.Waiters = holders(o.snap.Holders), waiters(o.snap.Waiters)
	return s
}

func traffic(snap *tracer.Snapshot) healthcheck.Traffic {
	c, f := &snap.Counters, &snap.Faults.Acquire
	t := healthcheck.Traffic{
		OK: c.Counts[counts.Acquired], Timeouts: c.Counts[counts.TimedOut], Canceled: c.Counts[counts.Canceled], Errors: c.Counts[counts.Failed], Releases: c.Counts[counts.Released],
		Waiting: int(c.Waiting), WaitTime: c.Counts.Time(counts.WaitTime), HoldTime: c.Counts.Time(counts.UseTime), QueryTime: c.Counts.Time(counts.QueryTime),
		MinWait: snap.MinWait, PeakWait: snap.PeakWait, Ended: snap.Ended,
		LastError: f.Text, LastErrorType: f.Type, LastErrorAt: f.At,
	}
	t.Cut = c.Counts[counts.DestroyedBroken] + c.Counts[counts.DestroyedBusy]
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
	out := healthcheck.Connects{
		Opened: c.Counts[counts.Opened], Failures: c.Counts[counts.ConnectFailures], InFlight: int(c.Connecting),
		ConnectTime: c.Counts.Time(counts.CreateTime), LastTime: c.LastCreate, LastAt: c.LastOpenedAt,
		LastError: f.Connect.Text, LastErrorType: f.Connect.Type, LastErrorAt: f.Connect.At,
		Lost: c.Counts[counts.Lost], LastLostType: f.Lost.Type, LastLostAt: f.Lost.At,
		ReadOnly: c.Counts[counts.ReadOnly], ReadOnlyAt: f.ReadOnly.At,
	}
	for i := range tracer.Reasons {
		out.Closed += c.Counts[counts.ClosedBroken+counts.Name(i)]
	}
	return out
}

func holders(held []tracer.Holder) []healthcheck.Holder {
	held = held[:min(len(held), healthcheck.MaxHolders)]
	out := make([]healthcheck.Holder, 0, len(held))
	for _, h := range held {
		out = append(out, healthcheck.Holder{
			Site: h.Site, Age: h.Age, Idle: h.Idle, Querying: h.Querying, InTx: h.InTx, Tier: healthcheck.Tier(h.Evidence),
			Expected: h.Expected != "", Waiting: h.NestedAcquire, PID: h.PID, Queries: h.Queries,
		})
	}
	return out
}

func waiters(waiting []tracer.Waiter) []healthcheck.Waiter {
	waiting = waiting[:min(len(waiting), healthcheck.MaxWaiters)]
	out := make([]healthcheck.Waiter, 0, len(waiting))
	for _, w := range waiting {
		out = append(out, healthcheck.Waiter{Site: w.Site, Age: w.Age, Held: w.NestedAcquire})
	}
	return out
}
