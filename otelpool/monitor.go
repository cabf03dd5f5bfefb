package otelpool

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/tracer"
)

// Monitor observes one pool. All methods are safe for concurrent use and none but Close and Shutdown waits for anything.
// A nil or zero Monitor observes nothing and its methods do nothing, so a program may go on when Instrument failed.
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

	tick      ticker    // used by the loop alone
	hostClose hostClose // so is this

	nudge    chan struct{}      // asks the loop for an observation before its tick
	stop     context.CancelFunc // ends the loop
	stopped  chan struct{}      // closed when the loop has ended
	closing  sync.Once
	draining atomic.Bool
	closeErr error       // of closing
	ending   sync.Once   // of the last report
	panicked atomic.Bool // a panic was logged
}

// limits are the pool's lower bounds; they never change.
type limits struct {
	minConns, minIdle int32
}

// start registers and begins to observe. t is nil in stat-only mode.
func start(pool *pgxpool.Pool, cfg *pgxpool.Config, t *tracer.Tracer, c *config) (*Monitor, error) {
	derived := derivedName(&cfg.ConnConfig.Config)
	name, renamed, err := live.claim(pool, c.poolName, derived)
	if err != nil {
		return nil, err
	}
	m := &Monitor{
		name: name, pool: pool, config: c, tracer: t, stopped: make(chan struct{}),
		nudge:  make(chan struct{}, 1),
		limits: limits{minConns: cfg.MinConns, minIdle: cfg.MinIdleConns},
		log:    newEventLog(c.logger, name),
	}
	if err := m.register(cfg); err != nil {
		return nil, err
	}
	if t != nil {
		t.Adjust(tracer.Options{StackDepth: c.stackDepth, LeakThreshold: c.leakThreshold, SQLText: c.sqlText})
		t.SetLimits(cfg.MaxConnLifetime, cfg.MaxConnIdleTime)
		t.SetConnectionEvents(m.log.connectionSink())
		t.SetRecorder(m.recorder)
	}
	if renamed {
		m.log.warn(telemetry.EventRenamed, "another live pool has this pool's name: it was numbered, choose one by WithPoolName",
			slog.String("derived", derived))
	}
	if t == nil {
		m.log.warn(telemetry.EventStatOnly, "pool was built without the hook: waits, holds, leaks and causes cannot be seen; "+
			"call otelpool.Configure(cfg), as the last change of cfg, before pgxpool.NewWithConfig(ctx, cfg)")
	}
	// Whatever panics here belongs to the host's providers or log handler; the first report is made before they are called.
	m.guarded("looking at the pool", func() { m.tick.observe(time.Now(), 0) })
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	go m.run(ctx)
	return m, nil
}

// register makes what can fail. If it does, or if a provider panics, the claim on the name is given up.
func (m *Monitor) register(cfg *pgxpool.Config) (err error) {
	done := false
	defer func() {
		if !done {
			live.release(m.pool, m.name)
		}
	}()
	judge, err := healthcheck.NewJudge(m.name, m.config.policy)
	if err != nil {
		return fmt.Errorf("otelpool: Instrument: %w", err)
	}
	m.tick = ticker{monitor: m, judge: judge, started: time.Now()}
	m.prober = newProber(m, cfg.ConnConfig, cfg.BeforeConnect)
	if m.recorder, err = newRecorder(m.config.meterProvider, m.name); err != nil {
		return err
	}
	m.metrics, err = registerMetrics(m, cfg.ConnConfig) // last: nothing after it can fail
	done = err == nil
	return err
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
			m.guarded("looking at the pool", func() { m.tick.observe(time.Now(), 0) })
		case <-timer.C:
			now := time.Now()
			late := now.Sub(previous) - interval
			previous = now
			gone := false
			m.guarded("looking at the pool", func() {
				gone = m.followClose(now)
				m.tick.observe(now, max(0, late))
			})
			if gone {
				go m.end() // which waits for this loop
				return
			}
		}
	}
}

// absent reports whether there is nothing to observe: Instrument did not make m.
func (m *Monitor) absent() bool { return m == nil || m.pool == nil }

// Name is the pool's name in all telemetry.
func (m *Monitor) Name() string {
	if m.absent() {
		return ""
	}
	return m.name
}

// Health returns the last judgement. It loads one pointer: it never touches the pool or the database. After Close it
// stays what it was, with the state terminated after Shutdown.
func (m *Monitor) Health() healthcheck.Report {
	if m.absent() {
		return healthcheck.Report{State: healthcheck.Initializing, Status: healthcheck.Unknown}
	}
	return *m.last.Load().report
}

// Holders returns every connection that is out of the pool right now, oldest first; nil in stat-only mode.
func (m *Monitor) Holders() []tracer.Holder {
	if m.absent() || m.tracer == nil {
		return nil
	}
	return m.tracer.Holders()
}

// Waiters returns the acquires that are waiting right now, oldest first, at most 512; nil in stat-only mode.
func (m *Monitor) Waiters() []tracer.Waiter {
	if m.absent() || m.tracer == nil {
		return nil
	}
	return m.tracer.Waiters()
}

// Sites returns the n call sites that held connections longest in sum; nil in stat-only mode or without stacks.
func (m *Monitor) Sites(n int) []tracer.SiteStat {
	if m.absent() || m.tracer == nil || n <= 0 {
		return nil
	}
	return m.tracer.Sites(n)
}

// Close stops observing: the callback is unregistered, the loop and the probe end, and the name is free again. The pool
// lives on. What had happened by then is recorded first, and exported if the MeterProvider can be told to (ForceFlush, as the
// SDK's can), which is waited for 2 s at most: so close the Monitor before the provider is shut down. Closing twice is harmless.
//
// A pool that its application closes by [pgxpool.Pool.Close] is followed to its end, with a warning that names who it waits
// for, and then the Monitor closes itself. Called by the handler of [WithLogger], Close returns at once, without an error, and
// what it has to wait for ends after it.
func (m *Monitor) Close() error {
	switch {
	case m.absent():
		return nil
	case inHandler(): // of a record that may be the loop's
		go m.close(func() {})
		return nil
	}
	return m.close(func() {})
}

// close does it, once. conclude may change the last observation before it is exported.
func (m *Monitor) close(conclude func()) error {
	m.closing.Do(func() {
		defer live.release(m.pool, m.name)
		m.stop()
		<-m.stopped
		m.guarded("looking at the pool", func() { m.tick.observe(time.Now(), 0) })
		m.log.tellSuppressed()
		m.guarded("the probe was ended", m.prober.close)
		conclude()
		m.flush()
		m.guarded("the last durations were recorded", m.silence)
		m.guarded("the callback was unregistered", func() { m.closeErr = m.metrics.unregister() })
	})
	return m.closeErr
}

// silence records what has ended, and nothing after.
func (m *Monitor) silence() {
	if m.tracer != nil {
		m.tracer.Flush()
		m.tracer.SetRecorder(nil)
	}
}
