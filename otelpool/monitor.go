package otelpool

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/tracer"
)

// Monitor observes one pool. All methods are safe for concurrent use and none but Close and Shutdown waits for anything.
type Monitor struct {
	name   string
	pool   *pgxpool.Pool
	config *config
	limits limits
	tracer *tracer.Tracer // nil in stat-only mode
	log    *eventLog

	recorder *recorder
	metrics  *metrics
	prober   *prober

	// last is what the latest tick saw and concluded; every outlet reads it and nothing else.
	last atomic.Pointer[observation]

	tick ticker // used by the loop alone

	nudge    chan struct{}      // asks the loop for an observation before its tick
	stop     context.CancelFunc // ends the loop
	stopped  chan struct{}      // closed when the loop has ended
	closing  sync.Once
	draining atomic.Bool
	closeErr error // of closing
}

// limits are the pool's bounds; they never change.
type limits struct {
	max, minConns, minIdle int32
}

// start registers and begins to observe. t is nil in stat-only mode.
func start(pool *pgxpool.Pool, cfg *pgxpool.Config, t *tracer.Tracer, c *config) (*Monitor, error) {
	name, renamed, err := live.claim(pool, c.poolName, derivedName(&cfg.ConnConfig.Config))
	if err != nil {
		return nil, err
	}
	m := &Monitor{
		name: name, pool: pool, config: c, tracer: t, stopped: make(chan struct{}),
		nudge:  make(chan struct{}, 1),
		limits: limits{max: cfg.MaxConns, minConns: cfg.MinConns, minIdle: cfg.MinIdleConns},
		log:    newEventLog(c.logger, name),
	}
	judge, err := healthcheck.NewJudge(name, c.policy)
	if err == nil {
		m.tick = ticker{monitor: m, judge: judge, started: time.Now()}
		m.recorder, err = newRecorder(c.meterProvider, name, m.log)
	}
	if err == nil {
		m.prober = newProber(m, cfg.ConnConfig, cfg.BeforeConnect)
		m.tick.observe(time.Now(), 0)
		m.metrics, err = registerMetrics(m, cfg.ConnConfig)
	}
	if err != nil {
		live.release(pool, name)
		return nil, err
	}
	if t != nil {
		t.SetDirect(m.log.eachEvent())
		t.SetRecorder(m.recorder)
	}
	m.announce(renamed)
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	go m.run(ctx)
	return m, nil
}

func (m *Monitor) announce(renamed bool) {
	if renamed {
		m.log.warn("pool.renamed", "another live pool has this pool's name: it was numbered, choose one by WithPoolName",
			slog.String("derived", m.name))
	}
	if m.tracer == nil {
		m.log.warn("pool.stat_only", "pool was built without the hook: waits, holds, leaks and causes cannot be seen; "+
			"call otelpool.Configure(cfg) before pgxpool.NewWithConfig(ctx, cfg)")
	}
}

// run ticks until ctx is done. A tick that comes late is told so: the process was starved or paused.
func (m *Monitor) run(ctx context.Context) {
	defer close(m.stopped)
	interval := m.config.healthInterval
	timer := time.NewTicker(interval)
	defer timer.Stop()
	previous := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.nudge:
			m.tick.observe(time.Now(), 0)
		case <-timer.C:
			now := time.Now()
			late := now.Sub(previous) - interval
			previous = now
			m.tick.observe(now, max(0, late))
		}
	}
}

// Name is the pool's name in all telemetry.
func (m *Monitor) Name() string { return m.name }

// Health returns the last judgement. It loads one pointer: it never touches the pool or the database. After Close it
// stays what it was, with the state terminated after Shutdown.
func (m *Monitor) Health() healthcheck.Report { return *m.last.Load().report }

// Holders returns every connection that is out of the pool right now, oldest first; nil in stat-only mode.
func (m *Monitor) Holders() []tracer.Holder {
	if m.tracer == nil {
		return nil
	}
	return m.tracer.Holders()
}

// Waiters returns the acquires that are waiting right now, oldest first, at most 512; nil in stat-only mode.
func (m *Monitor) Waiters() []tracer.Waiter {
	if m.tracer == nil {
		return nil
	}
	return m.tracer.Waiters()
}

// Sites returns the n call sites that held connections longest in sum; nil in stat-only mode or without stacks.
func (m *Monitor) Sites(n int) []tracer.SiteStat {
	if m.tracer == nil || n <= 0 {
		return nil
	}
	return m.tracer.Sites(n)
}

// Close stops observing: the callback is unregistered, the loop and the probe end, and the name is free again. The pool
// lives on. What had happened by then is recorded first. Closing twice is harmless.
func (m *Monitor) Close() error {
	m.closing.Do(func() {
		m.stop()
		<-m.stopped
		m.prober.close()
		if m.tracer != nil {
			m.tracer.Flush()
			m.tracer.SetRecorder(nil)
		}
		m.closeErr = m.metrics.unregister()
		live.release(m.pool, m.name)
	})
	return m.closeErr
}
