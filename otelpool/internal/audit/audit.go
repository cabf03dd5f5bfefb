// Package audit looks at a pool's configuration for what will be trouble. What it finds is part of every report while it holds.
package audit

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// Auditor knows one pool's configuration, and what the server said last. It is for one goroutine.
type Auditor struct {
	config *pgxpool.Config
	hooks  *Hooks // nil without a hook
	always []healthcheck.Notice
	server *healthcheck.ServerView // the last; nil while nobody asked
}

// New returns the auditor of a pool. Hooks are those of Configure, nil if there is none of its Tracers in cfg.
func New(cfg *pgxpool.Config, hooks *Hooks) *Auditor {
	return &Auditor{config: cfg, hooks: hooks, always: Config(cfg)}
}

// Notices is what there is to say as of v.
func (a *Auditor) Notices(v *view.View) []healthcheck.Notice {
	if v.Probe.Server != nil {
		a.server = v.Probe.Server
	}
	all := append([]healthcheck.Notice(nil), a.always...)
	all = append(all, Server(a.config, a.server)...)
	return append(all, a.hooks.notices(a.config, v)...)
}

// Config is what a configuration itself gives notice of.
func Config(cfg *pgxpool.Config) (found []healthcheck.Notice) {
	for _, check := range checks {
		if n, bad := check(cfg); bad {
			found = append(found, n)
		}
	}
	return found
}

var checks = [...]func(*pgxpool.Config) (healthcheck.Notice, bool){connectTimeout, lifetimeJitter, maxConns, applicationName}

func connectTimeout(cfg *pgxpool.Config) (healthcheck.Notice, bool) {
	return healthcheck.NewNotice(healthcheck.NoticeNoConnectTimeout,
		"No connect_timeout is set: a server that does not answer keeps a connect waiting for two minutes.",
		[]string{"ConnConfig.ConnectTimeout is 0s; pgxpool gives up after 2m0s"},
		"Put connect_timeout=5 into the connection string."), cfg.ConnConfig.ConnectTimeout <= 0
}

func lifetimeJitter(cfg *pgxpool.Config) (healthcheck.Notice, bool) {
	return healthcheck.NewNotice(healthcheck.NoticeNoLifetimeJitter,
			"Connections have a lifetime without jitter: those that were made together end together.",
			[]string{fmt.Sprintf("MaxConnLifetime is %v, MaxConnLifetimeJitter 0s, MaxConns %d", cfg.MaxConnLifetime, cfg.MaxConns)},
			fmt.Sprintf("Set pool_max_conn_lifetime_jitter, to %v for instance.", (cfg.MaxConnLifetime/4).Round(time.Second))),
		cfg.MaxConnLifetime > 0 && cfg.MaxConnLifetimeJitter <= 0
}

// maxConns can tell the default from a value that was chosen only by the connection string. A value that a program set to what is
// the default is taken for the default; a service file may have set it, and then nothing is said.
func maxConns(cfg *pgxpool.Config) (healthcheck.Notice, bool) {
	derived := max(4, runtime.NumCPU())
	text := cfg.ConnString()
	chosen := strings.Contains(text, "pool_max_conns") || strings.Contains(text, "service=") || os.Getenv("PGSERVICE") != ""
	return healthcheck.NewNotice(healthcheck.NoticeDefaultMaxConns,
		"MaxConns is what pgxpool derives from the number of processors, which says nothing about the load or the server.",
		[]string{
			fmt.Sprintf("MaxConns is %d, the larger of 4 and %d processors", cfg.MaxConns, runtime.NumCPU()),
			"the connection string has no pool_max_conns",
		},
		"Set pool_max_conns in the connection string to what this service may take of the server's max_connections."), int(cfg.MaxConns) == derived && !chosen
}

func applicationName(cfg *pgxpool.Config) (healthcheck.Notice, bool) {
	return healthcheck.NewNotice(healthcheck.NoticeNoApplicationName,
		"The connections have no application_name, so nobody at the server can tell whose they are.",
		[]string{fmt.Sprintf("application_name is empty for up to %d connections", cfg.MaxConns)},
		"Set application_name in the connection string, or use otelpool.WithApplicationName."), cfg.ConnConfig.RuntimeParams["application_name"] == ""
}

// Server is what a configuration gives notice of beside what the server says of itself; nothing while it has not been asked.
func Server(cfg *pgxpool.Config, server *healthcheck.ServerView) (found []healthcheck.Notice) {
	if server == nil {
		return nil
	}
	minConns := int(max(cfg.MinConns, cfg.MinIdleConns))
	if granted := server.MaxConns - server.Reserved; server.MaxConns > 0 && minConns > granted {
		found = append(found, healthcheck.NewNotice(healthcheck.NoticeMinConnsAboveLimit,
			"MinConns is more than the server has connections for.",
			[]string{fmt.Sprintf("MinConns is %d; max_connections is %d, of which %d are reserved", minConns, server.MaxConns, server.Reserved)},
			fmt.Sprintf("Lower MinConns (pool_min_conns) below %d: other clients need connections too.", max(granted, 1))))
	}
	if limit := server.IdleSessionTimeout; limit > 0 && cfg.MaxConnIdleTime >= limit {
		found = append(found, healthcheck.NewNotice(healthcheck.NoticeIdleAboveServer,
			"The server ends idle sessions before the pool does, so the pool hands out connections that are gone.",
			[]string{fmt.Sprintf("MaxConnIdleTime is %v, idle_session_timeout %v", cfg.MaxConnIdleTime, limit)},
			fmt.Sprintf("Set pool_max_conn_idle_time to %v or less.", limit/2)))
	}
	return found
}
