package faults

import (
	"context"
	"crypto/tls"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/postgres"
)

// networkFaults happen between pool and server.
var networkFaults = []scenario{
	{name: "network cut", truth: causes(healthcheck.CauseUnreachable), sizes: usual, proxied: true,
		fault: func(b *bench) func() { return b.network.cut() }},
	{name: "network cut, no traffic", truth: causes(healthcheck.CauseUnreachable), sizes: usual[1:], proxied: true,
		quiet: true, shows: lifetime, tweak: renewing, fault: func(b *bench) func() { return b.network.cut() }},
	{name: "network swallows", truth: causes(healthcheck.CauseUnreachable), sizes: usual, proxied: true, shows: silence,
		fault: func(b *bench) func() { return b.network.spoil("timeout", map[string]int{"timeout": 0}) }},
	{name: "network swallows, pool in use", truth: causes(healthcheck.CauseUnreachable), sizes: usual, proxied: true, shows: silence,
		fault: func(b *bench) func() {
			end := b.load(b.crowd(), func(ctx context.Context) {
				within, cancel := context.WithTimeout(ctx, 5*time.Second)
				defer cancel()
				_, _ = b.pool.Exec(within, "SELECT pg_sleep(0.001)")
				sleep(ctx, 20*time.Millisecond)
			})
			heal := b.network.spoil("timeout", map[string]int{"timeout": 0})
			return func() { heal(); end() }
		}},
	{name: "network delays", truth: causes(healthcheck.CauseSlowDatabase), sizes: usual, proxied: true, says: []string{"SELECT 1 from here"}, fault: func(b *bench) func() {
		end := b.load(b.crowd(), func(ctx context.Context) { _, _ = b.pool.Exec(ctx, "SELECT 1"); sleep(ctx, 10*time.Millisecond) })
		heal := b.network.spoil("latency", map[string]int{"latency": 100})
		return func() { heal(); end() }
	}},
	{name: "slow TLS handshakes", truth: causes(healthcheck.CauseSlowConnect), sizes: usual, proxied: true,
		server: []postgres.Option{postgres.WithTLS()},
		tweak: func(_ *bench, cfg *pgxpool.Config) {
			cfg.ConnConfig.TLSConfig = &tls.Config{InsecureSkipVerify: true}
			cfg.MaxConnLifetime, cfg.HealthCheckPeriod = 500*time.Millisecond, 200*time.Millisecond
		},
		fault: func(b *bench) func() { return b.network.spoil("latency", map[string]int{"latency": 40}) }},
}
