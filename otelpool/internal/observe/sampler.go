// Package observe looks at a pool once a tick and says what it saw. One goroutine does it, and it never calls code of the
// user: no log handler, no metrics library, no hook. So a tick that comes late says that the process did not get to run.
package observe

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/counts"
	"github.com/otelpool/pgx/otelpool/internal/guard"
	"github.com/otelpool/pgx/otelpool/internal/view"
	"github.com/otelpool/pgx/tracer"
)

// Config is what a Sampler looks at, and whom it tells. All is required but Hook.
type Config struct {
	Name     string
	Pool     *pgxpool.Pool
	Hook     *tracer.Tracer // nil for a pool without one
	Limits   view.Limits
	Interval time.Duration
	Policy   healthcheck.Policy
	Guard    *guard.Guard

	Audit   func(*view.View) []healthcheck.Notice // of the configuration; must not block
	Probe   func() (view.Probe, []view.Event)     // its state, and its events since it was asked last
	Publish func(*view.View)                      // must not block
	Gone    func()                                // the application closed the pool, and it is drained; called once, on a goroutine of its own
}

// Sampler makes views. The latest can be read at any time, by anybody.
type Sampler struct {
	Config
	started time.Time
	latest  atomic.Pointer[view.View]

	draining atomic.Bool
	wake     chan struct{}      // asks for a view before the next tick
	cancel   context.CancelFunc // ends the loop
	stopped  chan struct{}      // closed when the loop has ended

	countsMu sync.Mutex // guards counted
	counted  counts.Set // the highest of each count that was ever published

	// Of the loop alone, and of Stop when the loop has ended.
	judge       *healthcheck.Judge
	transitions int64
	outages     outages
	episodes    episodes
	minute      lastMinute
	history     []view.Point
	closing     hostClose
	stopping    bool // the next view is the last

	terminating sync.Once
}

// New returns a Sampler that has not looked yet. It fails if the policy does not validate.
func New(c Config) (*Sampler, error) {
	judge, err := healthcheck.NewJudge(c.Name, c.Policy)
	if err != nil {
		return nil, fmt.Errorf("otelpool: Instrument: %w", err)
	}
	return &Sampler{Config: c, started: time.Now(), judge: judge, wake: make(chan struct{}, 1), stopped: make(chan struct{})}, nil
}

// Start looks once before it returns, and then once an interval until Stop.
func (s *Sampler) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.tick(time.Now(), 0)
	go s.run(ctx)
}

// Latest is the last view, nil before Start. It costs the load of one pointer.
func (s *Sampler) Latest() *view.View { return s.latest.Load() }

// Drain has every view say that the pool is shutting down, the first one at once.
func (s *Sampler) Drain() {
	s.draining.Store(true)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Stop ends the loop after one more view. An outage that is not over ends with it.
func (s *Sampler) Stop() {
	s.cancel()
	<-s.stopped
	s.stopping = true
	s.look(0)
}

// Terminate makes the last view say that the pool is closed. Call it after Stop.
func (s *Sampler) Terminate() {
	s.terminating.Do(func() {
		v := *s.latest.Load()
		before := v.Report.State
		v.Report = s.judge.Terminated(time.Now())
		if v.Report.State != before {
			v.Transitions++
		}
		v.Events = nil
		v.Health = health(&v)
		s.latest.Store(&v)
		s.Publish(&v)
	})
}

// run looks until ctx is done, or until the application has closed the pool.
func (s *Sampler) run(ctx context.Context) {
	defer close(s.stopped)
	timer := time.NewTicker(s.Interval)
	defer timer.Stop()
	previous := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			s.look(0)
		case <-timer.C:
			now := time.Now()
			late := now.Sub(previous) - s.Interval
			previous = now
			s.look(max(0, late))
			previous = previous.Add(s.Latest().Hook.LookTook) // that was our doing: nobody was starved
			if s.closing.drained {
				go s.Gone() // it waits for this loop
				return
			}
		}
	}
}

func (s *Sampler) look(late time.Duration) {
	s.Guard.Do("looking at the pool", func() { s.tick(time.Now(), late) })
}

// tick makes one view. late is by how much the tick overran its interval.
func (s *Sampler) tick(now time.Time, late time.Duration) {
	previous := s.latest.Load()
	v := &view.View{
		Pool: s.Name, At: now, ReadAt: now, StartedAt: s.started, Interval: s.Interval,
		Limits: s.Limits, HasHook: s.Hook != nil,
	}
	v.Events = s.followClose(now)
	s.read(v, late)
	s.conclude(v, previous, late)
	s.latest.Store(v)
	s.Publish(v)
}

// read asks the hook, the pool and the probe.
func (s *Sampler) read(v *view.View, late time.Duration) {
	if s.Hook != nil {
		v.Hook = s.Hook.Sweep(func() int { return int(s.Pool.Stat().AcquiredConns()) }, s.starvedFor(late))
		v.Hook.Counters.Counts = s.monotonic(v.Hook.Counters.Counts)
		for _, e := range v.Hook.Events {
			v.Events = append(v.Events, e)
		}
	}
	v.Stat = readStat(s.Pool)
	s.minute.add(v)
	probe, attempts := s.Probe()
	v.Probe = probe
	v.Events = append(v.Events, attempts...)
}

// conclude has the view judged, and adds what follows from the report and the one before it.
func (s *Sampler) conclude(v, previous *view.View, late time.Duration) {
	v.Report = s.judge.Judge(sample(v, late, s.draining.Load(), s.Audit(v)))
	if previous != nil && previous.Report.State != v.Report.State {
		s.transitions++
	}
	v.Transitions = s.transitions
	v.Events = append(v.Events, s.episodes.follow(v.Report)...)
	v.Notices = s.episodes.raised
	ended := s.outages.follow(v.Report, &v.Probe)
	if s.stopping && ended == nil {
		ended = s.outages.end(v.Report)
	}
	if ended != nil {
		v.Events = append(v.Events, *ended)
	}
	v.Outages = s.outages.Outages
	s.history = appendPoint(s.history, v)
	v.History = s.history
	v.Health = health(v)
}

// starved is the least lateness of a tick that says that the process did not get to run.
const starved = 500 * time.Millisecond

// starvedFor is for how long the process did not run. No holder could give a connection back in that time.
func (s *Sampler) starvedFor(late time.Duration) time.Duration {
	if late < max(s.Interval, starved) {
		return 0
	}
	return late
}

// Now is the latest view with the pool's figures and the hook's counters as of this moment, for those who show counts. The
// holders, the ages and the judgement in it are the latest view's. It is nil before Start.
func (s *Sampler) Now() *view.View {
	latest := s.latest.Load()
	if latest == nil {
		return nil
	}
	v := *latest
	v.ReadAt = time.Now()
	v.Stat = readStat(s.Pool)
	if s.Hook != nil {
		v.Hook.Counters, v.Hook.Faults = s.Hook.Counters(), s.Hook.Faults()
		v.Hook.Counters.Counts = s.monotonic(v.Hook.Counters.Counts)
	}
	v.Events = nil
	return &v
}

// monotonic keeps counts from going back. They are read one after the other while they move, by several readers at once, and
// to every backend a counter that goes back has been restarted.
func (s *Sampler) monotonic(read counts.Set) counts.Set {
	s.countsMu.Lock()
	defer s.countsMu.Unlock()
	for i := range read {
		s.counted[i] = max(s.counted[i], read[i])
	}
	return s.counted
}

func readStat(pool *pgxpool.Pool) view.Stat {
	s := pool.Stat()
	return view.Stat{
		Total: int(s.TotalConns()), Idle: int(s.IdleConns()), Used: int(s.AcquiredConns()),
		Constructing: int(s.ConstructingConns()), Max: int(s.MaxConns()),
		Acquires: s.AcquireCount(), EmptyAcquires: s.EmptyAcquireCount(), Canceled: s.CanceledAcquireCount(),
		NewConns: s.NewConnsCount(), AcquireTime: s.AcquireDuration(),
	}
}

// maxHistory bounds the points of a history: two minutes at the default interval.
const maxHistory = 120

// appendPoint returns a new slice: the old one belongs to readers.
func appendPoint(history []view.Point, v *view.View) []view.Point {
	if len(history) >= maxHistory {
		history = history[len(history)-maxHistory+1:]
	}
	return append(history[:len(history):len(history)], view.Point{
		At: v.At, Total: v.Stat.Total, Idle: v.Stat.Idle, Used: v.Stat.Used,
		Waiting: v.Waiting(), PeakWait: v.Hook.PeakWait, Status: v.Report.Status,
	})
}

// health is a view as the health endpoints show it.
func health(v *view.View) *healthcheck.Snapshot {
	text, at := v.LastError()
	return &healthcheck.Snapshot{
		Report: v.Report, Interval: v.Interval, StartedAt: v.StartedAt,
		Total: v.Stat.Total, Idle: v.Stat.Idle, Used: v.Stat.Used, Waiting: v.Waiting(), Max: v.Stat.Max,
		Latency: v.Hook.Counters.LastCreate, LatencyAt: v.Hook.Counters.LastOpenedAt,
		LastError: text, LastErrorAt: at,
	}
}
