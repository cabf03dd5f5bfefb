// Package probe is the one connection that otelpool itself may have to the server: outside the pool, at most one, and only
// while the pool is not healthy, is full and about to be called so, or connects and has nothing to show for it. In an outage it
// tries whether the server is back. Once connected it asks what the server is doing for our connections. A pool that nobody
// has asked for a connection yet gets its first evidence from it.
//
// The sampler tells it each view, and it speaks by its state in the next one. What it runs of the application's, such as
// BeforeConnect, runs on its own goroutine and under no lock.
package probe

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/otelpool/internal/guard"
	"github.com/otelpool/pgx/otelpool/internal/view"
	"github.com/otelpool/pgx/tracer"
)

// Config is what a Probe probes. All is required but BeforeConnect and Hook.
type Config struct {
	On            bool // off, it never connects
	Pool          *pgxpool.Pool
	Hook          *tracer.Tracer
	Conn          *pgx.ConnConfig
	BeforeConnect func(context.Context, *pgx.ConnConfig) error // the application's: it may bring the credentials
	MinConns      int
	Interval      time.Duration // between looks at the server, at least a second
	Guard         *guard.Guard
}

// Probe runs one session at a time, each on a goroutine of its own. All methods are safe for concurrent use, and none but
// Close waits.
type Probe struct {
	Config
	application string          // of the pool's sessions
	life        context.Context // ends with the pool, and every session with it
	abort       context.CancelFunc

	mu     sync.Mutex // guards the rest; never held while anything else runs
	state  view.Probe
	events []view.Event       // failed attempts that nobody has asked for yet, bounded
	latest *view.View         // told last
	cancel context.CancelFunc // ends the running session; nil when there is none
	done   chan struct{}      // closed when the latest session has ended, and all before it
}

const (
	// name is the application_name by which the server's operators recognise the probe.
	name         = "otelpool probe"
	timeout      = 5 * time.Second
	maxAddresses = 6 // for which one attempt has time
	maxEvents    = 64
	unusedAfter  = 2 * time.Second
)

// New returns a Probe that does nothing until it is told a view.
func New(c Config) *Probe {
	conn := c.Conn.Copy()
	conn.Tracer = nil
	conn.OnNotice, conn.OnNotification = nil, nil
	if conn.RuntimeParams == nil {
		conn.RuntimeParams = make(map[string]string, 1)
	}
	application := conn.RuntimeParams["application_name"]
	conn.RuntimeParams["application_name"] = name // poolers refuse most other parameters
	if conn.ConnectTimeout <= 0 || conn.ConnectTimeout > timeout {
		conn.ConnectTimeout = timeout // of each address
	}
	conn.DefaultQueryExecMode = pgx.QueryExecModeExec // nothing prepared stays behind in a connection pooler
	conn.StatementCacheCapacity, conn.DescriptionCacheCapacity = 0, 0
	c.Conn = conn
	p := &Probe{Config: c, application: application}
	p.life, p.abort = context.WithCancel(context.Background())
	return p
}

// State is what the probe knows, and the attempts that failed since State was called last.
func (p *Probe) State() (view.Probe, []view.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	events := p.events
	p.events = nil
	return p.state, events
}

// Tell starts or ends a session as the view asks.
func (p *Probe) Tell(v *view.View) {
	p.mu.Lock()
	defer p.mu.Unlock()
	previous := p.latest
	p.latest = v
	switch {
	case v.Report.State == healthcheck.ShuttingDown:
		p.endSession()
		p.abort() // whatever a session is doing
	case !wanted(previous, v):
		p.endSession()
	case p.On && p.cancel == nil:
		p.beginSession()
	}
}

// wanted says whether a pool needs the probe.
func wanted(previous, v *view.View) bool {
	switch r := v.Report; {
	case r.Status == healthcheck.Degraded, r.Status == healthcheck.Unhealthy:
		return true
	default:
		return aboutToDegrade(v) || neverUsed(r) || connectsFailing(previous, v)
	}
}

// aboutToDegrade says that the pool will be called unwell if the next sample is like this one, and that its holders may be to
// blame: it is full, or somebody waits. Whether they wait for locks, or for a server that is gone, only asking it can tell, and
// the first finding is to be right.
func aboutToDegrade(v *view.View) bool {
	return v.Report.Verdict > healthcheck.Healthy && (v.Report.Usage >= 1 || v.Waiting() > 0)
}

// neverUsed says that the pool has connected to nothing because nobody wanted anything. Those who wait for it to be ready
// before they send it work would wait for ever.
func neverUsed(r *healthcheck.Report) bool {
	return r.State == healthcheck.Initializing && r.At.Sub(r.Since) >= unusedAfter
}

// connectsFailing says that a pool without a hook, into which nobody can look, went on connecting and has nothing to show for
// it.
func connectsFailing(previous, v *view.View) bool {
	return !v.HasHook && previous != nil && v.Stat.NewConns > previous.Stat.NewConns && v.Stat.Total == v.Stat.Constructing
}

// beginSession starts a session once the one before has hung up: there is at most one connection. The caller holds mu.
func (p *Probe) beginSession() {
	ctx, cancel := context.WithCancel(p.life)
	previous, done := p.done, make(chan struct{})
	p.cancel, p.done = cancel, done
	go func() {
		defer close(done)
		defer cancel()
		if previous != nil {
			<-previous
		}
		p.Guard.Do("probing the server", func() { p.run(ctx) })
	}()
}

// endSession does not wait: a session may be connecting, or reviving the pool. The caller holds mu.
func (p *Probe) endSession() {
	if p.cancel != nil {
		p.cancel()
		p.cancel = nil
	}
	p.state.Server = nil
}

// Close ends the probe for good. It waits for its session to hang up until patience is done.
func (p *Probe) Close(patience <-chan struct{}) {
	p.mu.Lock()
	p.On = false
	p.endSession()
	p.abort()
	done := p.done
	p.mu.Unlock()
	if done == nil {
		return
	}
	select {
	case <-done:
	case <-patience:
	}
}

// note changes what the judge is told of the probe.
func (p *Probe) note(change func(*view.Probe)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.state)
}

// failed notes an attempt that failed.
func (p *Probe) failed(a view.Attempt) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Failed++
	p.state.Error, p.state.ErrorType, p.state.ErrorAt = a.Error, a.ErrorType, a.At
	if len(p.events) < maxEvents {
		p.events = append(p.events, a)
	}
}

// connected notes an attempt that succeeded. It is a reconnect if something was lost: in an outage, or after attempts that
// failed. It says whether it is one.
func (p *Probe) connected(failedBefore bool) (reconnected bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	reconnected = failedBefore || p.latest != nil && p.missing(p.latest.Outages.Now.Since)
	if reconnected {
		p.state.Succeeded++
	}
	return reconnected
}

// missing says that an outage that began at since is under way, and that this is its first answer: behind a pooler each look has a
// connection of its own. The caller holds mu.
func (p *Probe) missing(since time.Time) bool {
	return !since.IsZero() && !(p.state.Pooled && p.state.OKAt.After(since))
}

// held lists the backends of the connections in use now: where callers give up, those of a moment ago are closed already.
func (p *Probe) held() []int32 {
	pids := []int32{} // nil would be NULL, of which nothing is true
	if p.Hook == nil || p.pooled() {
		return pids // a pooler's PIDs are no backend's, or another one's
	}
	holders := p.Hook.Holders()
	for i := range holders[:min(len(holders), healthcheck.MaxHolders)] {
		pids = append(pids, int32(holders[i].PID))
	}
	return pids
}

// inUse is how many connections the pool has besides the idle ones that were taken from it. Pgxpool counts those that are
// being closed among them, and closing one over which nothing comes back takes fifteen seconds; the hook does not.
func (p *Probe) inUse(taken int) int {
	stat := p.Pool.Stat()
	if p.Hook == nil {
		return int(stat.TotalConns()) - taken
	}
	c := p.Hook.Counters().Counts
	return int(c[counts.Acquired]-c[counts.Released]-c[counts.Hijacked]) + int(stat.ConstructingConns())
}
