package audit

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

const address = "postgres://somebody@localhost:1/somewhere"

// good is what there is nothing to say about.
const good = address + "?pool_max_conns=10&pool_max_conn_lifetime_jitter=15m&connect_timeout=5&application_name=shop"

func parse(t *testing.T, dsn string) *pgxpool.Config {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestConfig_GivesNoticeOfWhatIsMissing(t *testing.T) {
	derived := max(4, runtime.NumCPU())
	for name, tt := range map[string]struct {
		dsn    string
		change func(*pgxpool.Config)
		want   []healthcheck.NoticeKind
	}{
		"nothing is missing": {good, nil, nil},
		"everything is": {address, nil, []healthcheck.NoticeKind{
			healthcheck.NoticeNoConnectTimeout, healthcheck.NoticeNoLifetimeJitter, healthcheck.NoticeDefaultMaxConns, healthcheck.NoticeNoApplicationName}},
		"no connect_timeout": {good, func(c *pgxpool.Config) { c.ConnConfig.ConnectTimeout = 0 }, []healthcheck.NoticeKind{healthcheck.NoticeNoConnectTimeout}},
		"no jitter":          {good, func(c *pgxpool.Config) { c.MaxConnLifetimeJitter = 0 }, []healthcheck.NoticeKind{healthcheck.NoticeNoLifetimeJitter}},
		"no lifetime either": {good, func(c *pgxpool.Config) { c.MaxConnLifetimeJitter, c.MaxConnLifetime = 0, 0 }, nil},
		"no name":            {good, func(c *pgxpool.Config) { delete(c.ConnConfig.RuntimeParams, "application_name") }, []healthcheck.NoticeKind{healthcheck.NoticeNoApplicationName}},
		"the default size, chosen": {
			fmt.Sprintf("%s?pool_max_conns=%d&pool_max_conn_lifetime_jitter=15m&connect_timeout=5&application_name=shop", address, derived), nil, nil},
		"the default size": {
			address + "?pool_max_conn_lifetime_jitter=15m&connect_timeout=5&application_name=shop", nil, []healthcheck.NoticeKind{healthcheck.NoticeDefaultMaxConns}},
		"a size set by the program": {
			address + "?pool_max_conn_lifetime_jitter=15m&connect_timeout=5&application_name=shop", func(c *pgxpool.Config) { c.MaxConns = int32(derived) + 1 }, nil},
	} {
		cfg := parse(t, tt.dsn)
		if tt.change != nil {
			tt.change(cfg)
		}
		if got := kinds(t, Config(cfg)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestServer_IsComparedWithTheConfiguration(t *testing.T) {
	for name, tt := range map[string]struct {
		minConns int32
		idle     time.Duration
		server   *healthcheck.ServerView
		want     []healthcheck.NoticeKind
	}{
		"nobody asked":           {90, time.Hour, nil, nil},
		"enough for MinConns":    {97, time.Hour, &healthcheck.ServerView{MaxConns: 100, Reserved: 3}, nil},
		"too few for MinConns":   {98, time.Hour, &healthcheck.ServerView{MaxConns: 100, Reserved: 3}, []healthcheck.NoticeKind{healthcheck.NoticeMinConnsAboveLimit}},
		"a limit that is hidden": {98, time.Hour, &healthcheck.ServerView{}, nil},
		"idle for less":          {0, time.Minute, &healthcheck.ServerView{IdleSessionTimeout: 2 * time.Minute}, nil},
		"idle for as long":       {0, time.Minute, &healthcheck.ServerView{IdleSessionTimeout: time.Minute}, []healthcheck.NoticeKind{healthcheck.NoticeIdleAboveServer}},
	} {
		cfg := parse(t, good)
		cfg.MinConns, cfg.MaxConnIdleTime = tt.minConns, tt.idle
		if got := kinds(t, Server(cfg, tt.server)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestAuditor_RemembersWhatTheServerSaid(t *testing.T) {
	cfg := parse(t, good)
	cfg.MinConns = 50
	a := New(cfg, Watch(cfg))
	v := view.View{HasHook: true}
	if got := a.Notices(&v); len(got) > 0 {
		t.Errorf("%v", got)
	}
	v.Probe.Server = &healthcheck.ServerView{MaxConns: 20}
	a.Notices(&v)
	v.Probe.Server = nil
	if got := kinds(t, a.Notices(&v)); !slices.Equal(got, []healthcheck.NoticeKind{healthcheck.NoticeMinConnsAboveLimit}) {
		t.Errorf("%v", got)
	}
}

// kinds are those of complete notices.
func kinds(t *testing.T, all []healthcheck.Notice) (out []healthcheck.NoticeKind) {
	for _, n := range all {
		out = append(out, n.Kind)
		if n.Summary == "" || len(n.Evidence) == 0 || n.Evidence[0] == "" || n.Advice == "" || n.Runbook != n.Kind.Runbook() {
			t.Errorf("it is not complete: %+v", n)
		}
	}
	return out
}
