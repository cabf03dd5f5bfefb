package otelpool

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/poolstate"
	"github.com/otelpool/pgx/internal/redact"
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
	switch has, wants := base != nil && base.querySpans != nil, c.querySpans != nil; {
	case wants && !has:
		err = errors.Join(err, &OptionError{Option: c.querySpansBy, Value: "a pool that is built already", Accept: "to be given to Configure or Open"})
	case has && !wants: // no option of ours turns them off
		err = errors.Join(err, &OptionError{Option: EnvQuerySpans, Value: "false for a pool that is built already", Accept: "WithEnv to be given to Configure or Open"})
	}
	if poolstate.Closed(pool) {
		err = errors.Join(err, fmt.Errorf("otelpool: Instrument: %w", ErrPoolClosed))
	}
	if err != nil {
		return nil, err
	}
	var t *tracer.Tracer
	if configured {
		t, cfg.BeforeConnect = h.Tracer, h.beforeConnect
		if bound := t.Bind(pool); bound != pool {
			return nil, fmt.Errorf("otelpool: Instrument: %w: parse and Configure one configuration for each pool", ErrSharedHook)
		}
	}
	return start(pool, cfg, t, c.withGlobals())
}

// Open parses dsn as [pgxpool.ParseConfig] does, configures, builds the pool and instruments it. Like pgxpool.New it does
// not wait for a connection. On error, one of Configure's or Instrument's or pgx's own without the connection string, nothing is
// left open.
func Open(ctx context.Context, dsn string, opts ...Option) (*pgxpool.Pool, *Monitor, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, nil, fmt.Errorf("otelpool: Open: cannot parse the connection string: %s", unquoted(err))
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

// unquoted is what pgx has to say of a connection string, without what it quotes from it: pgx hides passwords as far as it
// recognises them, and in a string that it cannot parse that is not far. For the same reason the error is not wrapped.
func unquoted(err error) string {
	text := err.Error()
	if end := strings.LastIndex(text, "`: "); end >= 0 {
		text = text[end+len("`: "):]
	}
	return redact.Text(quotation.ReplaceAllLiteralString(text, `"…"`))
}

var quotation = regexp.MustCompile(`"[^"]*"`)
