package otelpool

import (
	"context"
	"fmt"
	"reflect"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/otelpool/internal/audit"
	"github.com/otelpool/pgx/tracer"
)

// hook is the tracer that Configure installs. Embedding passes all seven of pgx's interfaces on; what it adds is what
// Instrument needs to know.
type hook struct {
	*tracer.Tracer
	config        *config
	hooks         *audit.Hooks
	beforeConnect func(context.Context, *pgx.ConnConfig) error // what the application set: the probe's failures are not the pool's
}

// Configure installs the hook in a configuration made by [pgxpool.ParseConfig]. Call it last before
// [pgxpool.NewWithConfig]: pgx fixes its hooks when it builds the pool, and a Tracer, BeforeConnect, AfterConnect or BeforeClose
// set later would replace the hook or the wrapped one. A tracer that is in the configuration already keeps getting every event.
//
// The configuration serves one pool. It is left as it was if there is an error, which matches [ErrNilConfig], [ErrNotParsed],
// [ErrConfigured] or [ErrInvalidOption]; mistakes in options are named all at once.
func Configure(cfg *pgxpool.Config, opts ...Option) error {
	switch {
	case cfg == nil:
		return fmt.Errorf("otelpool: Configure: %w", ErrNilConfig)
	case cfg.ConnConfig == nil || cfg.ConnConfig.BuildFrontend == nil || !byParseConfig(cfg):
		return fmt.Errorf("otelpool: Configure: %w", ErrNotParsed)
	}
	if _, found := tracer.Find[*hook](cfg.ConnConfig.Tracer); found {
		return fmt.Errorf("otelpool: Configure: %w: each pool needs a configuration of its own", ErrConfigured)
	}
	c, err := newConfig(nil, opts)
	if err != nil {
		return err
	}
	nameConnections(cfg.ConnConfig, c.applicationName)
	t := tracer.New(hookOptions(c))
	t.SetLimits(cfg.MaxConnLifetime, cfg.MaxConnIdleTime)
	h := &hook{Tracer: t, config: c, beforeConnect: cfg.BeforeConnect}
	cfg.ConnConfig.Tracer = tracer.Compose(h, cfg.ConnConfig.Tracer, querySpans(c.withGlobals()))
	cfg.BeforeConnect = t.WrapBeforeConnect(cfg.BeforeConnect)
	cfg.AfterConnect = t.WrapAfterConnect(cfg.AfterConnect)
	cfg.BeforeClose = t.WrapBeforeClose(cfg.BeforeClose)
	h.hooks = audit.Watch(cfg)
	return nil
}

// nameConnections sets the application_name of a configuration that has none.
func nameConnections(cfg *pgx.ConnConfig, name string) {
	if name == "" || cfg.RuntimeParams["application_name"] != "" {
		return
	}
	if cfg.RuntimeParams == nil {
		cfg.RuntimeParams = make(map[string]string, 1)
	}
	cfg.RuntimeParams["application_name"] = name
}

// installed are the hooks that Configure left in cfg, the configuration of a pool that asks h. Of a pool that asks no hook of ours,
// those of a Configure that came too late are not known to have been replaced.
func (h *hook) installed(cfg *pgxpool.Config) *audit.Hooks {
	if h == nil {
		h, _ = tracer.Find[*hook](cfg.ConnConfig.Tracer)
	}
	if h == nil {
		return nil
	}
	return h.hooks
}

// hookOptions is what of c concerns the hook.
func hookOptions(c *config) tracer.Options {
	return tracer.Options{
		StackDepth: c.stackDepth, LeakThreshold: c.leakThreshold, SQLText: c.sqlText, GoroutineLook: c.goroutineLook,
	}
}

// querySpans is otelpgx's tracer, nil unless it was asked for. An interface is returned so that nil stays nil.
func querySpans(c *config) pgx.QueryTracer {
	if c.querySpans == nil {
		return nil
	}
	opts := []otelpgx.Option{
		otelpgx.WithTracerProvider(c.tracerProvider),
		otelpgx.WithMeterProvider(c.meterProvider),
		otelpgx.WithDisableAcquireTracer(),
	}
	if !c.sqlText {
		opts = append(opts, otelpgx.WithDisableSQLStatementInAttributes())
	}
	return otelpgx.NewTracer(append(opts, c.querySpans...)...)
}

// byParseConfig reads the private field for which pgxpool panics, so that the mistake is an error here. Should the field
// ever change its name, pgxpool panics as before.
func byParseConfig(cfg *pgxpool.Config) bool {
	field := reflect.ValueOf(cfg).Elem().FieldByName("createdByParseConfig")
	return field.Kind() != reflect.Bool || field.Bool()
}
