package otelpool

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/poolstate"
	"github.com/otelpool/pgx/internal/redact"
	"github.com/otelpool/pgx/otelpool/internal/audit"
	"github.com/otelpool/pgx/otelpool/internal/guard"
	"github.com/otelpool/pgx/otelpool/internal/observe"
	"github.com/otelpool/pgx/otelpool/internal/outlet/logs"
	"github.com/otelpool/pgx/otelpool/internal/outlet/metrics"
	"github.com/otelpool/pgx/otelpool/internal/outlet/spans"
	"github.com/otelpool/pgx/otelpool/internal/probe"
	"github.com/otelpool/pgx/otelpool/internal/view"
	"github.com/otelpool/pgx/tracer"
)

// Instrument starts to observe a pool whose configuration went through [Configure], and returns the [Monitor] that does.
// A pool that did not works in stat-only mode: what [pgxpool.Pool.Stat] can tell, and one warning that says what is
// missing. Nothing is registered if there is an error, which matches [ErrNilPool], [ErrPoolClosed], [ErrInstrumented],
// [ErrSharedHook], [ErrNameTaken] or [ErrInvalidOption], or is what the MeterProvider said.
//
// Close the Monitor to stop observing, or shut it down to drain and close the pool too.
func Instrument(pool *pgxpool.Pool, opts ...Option) (*Monitor, error) {
	if pool == nil {
		return nil, fmt.Errorf("otelpool: Instrument: %w", ErrNilPool)
	}
	cfg := pool.Config()
	var installed any = cfg.ConnConfig.Tracer
	if asked, known := poolstate.Tracer(pool); known {
		installed = asked // Configure may have come too late
	}
	h, configured := tracer.Find[*hook](installed)
	var base *config
	if configured {
		base = h.config
	}
	c, err := newConfig(base, opts)
	switch traced, wanted := base != nil && base.querySpans != nil, c.querySpans != nil; {
	case wanted && !traced:
		err = errors.Join(err, &OptionError{Option: c.querySpansBy, Value: "a pool that is built already", Accept: "to be given to Configure or Open"})
	case traced && !wanted: // no option of ours turns them off
		err = errors.Join(err, &OptionError{Option: EnvQuerySpans, Value: "false for a pool that is built already", Accept: "WithEnv to be given to Configure or Open"})
	}
	if c.applicationName != "" && (base == nil || base.applicationName != c.applicationName) {
		err = errors.Join(err, &OptionError{Option: c.applicationBy, Value: "a pool that is built already", Accept: "to be given to Configure or Open"})
	}
	if poolstate.Closed(pool) {
		err = errors.Join(err, fmt.Errorf("otelpool: Instrument: %w", ErrPoolClosed))
	}
	if err != nil {
		return nil, err
	}
	if configured {
		if bound := h.Bind(pool); bound != pool {
			return nil, fmt.Errorf("otelpool: Instrument: %w: parse and Configure one configuration for each pool", ErrSharedHook)
		}
	}
	return start(pool, cfg, h, c.withGlobals())
}

// start wires the rooms: the sampler publishes views, the outlets and the probe are told of each. h is nil in stat-only mode.
func start(pool *pgxpool.Pool, cfg *pgxpool.Config, h *hook, c *config) (_ *Monitor, err error) {
	name, renamed, err := live.claim(pool, c.poolName, derivedName(cfg.ConnConfig))
	if err != nil {
		return nil, err
	}
	m := &Monitor{name: name, pool: pool, config: c, guard: new(guard.Guard)}
	audited := audit.New(cfg.Copy(), h.installed(cfg))
	if h != nil {
		m.hook, cfg.BeforeConnect = h.Tracer, h.beforeConnect
	}
	m.startLog()
	started := false
	defer func() { // also when a provider panics
		if !started {
			m.abandon()
		}
	}()
	if err := m.startOutlets(cfg, audited); err != nil {
		return nil, err
	}
	if renamed {
		m.logs.Post(view.Renamed{Derived: derivedName(cfg.ConnConfig)})
	}
	if h == nil {
		m.logs.Post(view.StatOnly{})
	} else {
		m.attach(cfg)
	}
	m.sampler.Start()
	started = true
	return m, nil
}

func (m *Monitor) startLog() {
	c := m.config
	m.logs = logs.New(logs.Config{
		Logger: c.logger, Pool: m.name, Interval: c.healthInterval, Guard: m.guard,
		UsageWarning: c.policy.UsageWarning, UsageJudged: c.policy.Rules == healthcheck.RulesUsage,
	})
	m.guard.Report = func(p view.Panicked) { m.logs.Post(p) }
}

// startOutlets makes everything but the log. What can fail comes last.
func (m *Monitor) startOutlets(cfg *pgxpool.Config, audited *audit.Auditor) (err error) {
	c := m.config
	limits := view.Limits{MinConns: int(cfg.MinConns), MinIdle: int(cfg.MinIdleConns)}
	m.spans = spans.New(spans.Config{Provider: c.tracerProvider, Pool: m.name, Guard: m.guard})
	m.probe = probe.New(probe.Config{
		On: c.serverProbe, Pool: m.pool, Hook: m.hook, Conn: cfg.ConnConfig, BeforeConnect: cfg.BeforeConnect,
		MinConns: limits.MinConns, Interval: c.healthInterval, Guard: m.guard,
	})
	m.sampler, err = observe.New(observe.Config{
		Name: m.name, Pool: m.pool, Hook: m.hook, Limits: limits, Interval: c.healthInterval, Policy: c.policy, Guard: m.guard,
		Audit: audited.Notices, Probe: m.probe.State, Publish: m.publish, Gone: func() { _ = m.finish(true) },
	})
	if err != nil {
		return err
	}
	outlet := metrics.Config{
		Provider: c.meterProvider, Attributes: commonAttributes(m.name, cfg.ConnConfig), HasHook: m.hook != nil,
		Read: m.sampler.Now, Guard: m.guard,
	}
	if m.hook != nil {
		outlet.Replay = m.hook.Flush
	}
	m.metrics, err = metrics.New(outlet)
	return err
}

// attach has the hook tell this Monitor.
func (m *Monitor) attach(cfg *pgxpool.Config) {
	c := m.config
	m.hook.Adjust(hookOptions(c))
	m.hook.SetLimits(cfg.MaxConnLifetime, cfg.MaxConnIdleTime)
	m.hook.SetRecorder(m.metrics.Recorder)
	if c.connectionEvents {
		m.hook.SetConnectionEvents(func(e tracer.ConnectionEvent) { m.logs.Post(e) })
	}
}

// abandon gives up what start has begun.
func (m *Monitor) abandon() {
	live.release(m.pool, m.name)
	at := make(chan struct{})
	close(at)
	m.logs.Close(at)
	if m.spans != nil {
		m.spans.Close(at)
	}
}

// Open parses dsn as [pgxpool.ParseConfig] does, configures, builds the pool and instruments it. Like pgxpool.New it does
// not wait for a connection. On error, one of Configure's or Instrument's or pgx's own without the connection string, nothing is
// left open.
func Open(ctx context.Context, dsn string, opts ...Option) (*pgxpool.Pool, *Monitor, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, nil, fmt.Errorf("otelpool: Open: cannot parse the connection string: %s", parseErrorText(err))
	}
	if err := Configure(cfg, opts...); err != nil {
		return nil, nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("otelpool: Open: %w", err)
	}
	monitor, err := Instrument(pool)
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	return pool, monitor, nil
}

// parseErrorText is what pgx has to say of a connection string, without what it quotes from it: pgx hides passwords as far as it
// recognises them, and in a string that it cannot parse that is not far. For the same reason the error is not wrapped.
func parseErrorText(err error) string {
	text := err.Error()
	if end := strings.LastIndex(text, "`: "); end >= 0 {
		text = text[end+len("`: "):]
	}
	return redact.Text(quotation.ReplaceAllLiteralString(text, `"…"`))
}

var quotation = regexp.MustCompile(`"[^"]*"`)
