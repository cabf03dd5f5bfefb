package otelpool_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/wire"
	"github.com/otelpool/pgx/otelpool"
)

// network carries connections to a server. A lost connection accepts what is written and returns nothing, as when a router
// has forgotten it. Connections opened after heal work.
type network struct{ lost atomic.Pointer[atomic.Bool] }

func newNetwork() *network {
	n := new(network)
	n.heal()
	return n
}

// lose loses every open connection, and every one that is opened before heal.
func (n *network) lose() { n.lost.Load().Store(true) }

// heal lets new connections through. Lost ones stay lost.
func (n *network) heal() { n.lost.Store(new(atomic.Bool)) }

func (n *network) carry(cfg *pgxpool.Config) {
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, kind, addr string) (net.Conn, error) {
		conn, err := dial(ctx, kind, addr)
		if err != nil {
			return nil, err
		}
		return &carried{conn, n.lost.Load()}, nil
	}
}

type carried struct {
	net.Conn
	lost *atomic.Bool
}

func (c *carried) Write(p []byte) (int, error) {
	if c.lost.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func TestReconnect_ReplacesIdleConnectionsThatNoLongerAnswer(t *testing.T) {
	net := newNetwork()
	carry := func(_ *wire.Server, cfg *pgxpool.Config) { net.carry(cfg) }
	bubbleOf(t, "pool_max_conns=8 pool_min_conns=5 pool_health_check_period=24h", carry, func(t *testing.T, b *bubbled) {
		time.Sleep(10*time.Second + 500*time.Millisecond)
		var held []*pgxpool.Conn
		for range 5 {
			held = append(held, take(t, b.pool))
		}
		net.lose()
		b.server.RefuseDial(refused())
		if _, err := b.pool.Acquire(t.Context()); err == nil {
			t.Fatal("the server is still there")
		}
		for _, conn := range held {
			conn.Release()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second) // somebody waits for an answer, and waits
		defer cancel()
		if _, err := b.pool.Exec(ctx, "SELECT 7"); err == nil {
			t.Fatal("a lost connection answers")
		}
		if h := b.monitor.Health(); h.Status != healthcheck.Unhealthy {
			t.Fatalf("the outage was not noticed: %s, %+v", h.State, h.Findings)
		}
		before := b.monitor.Stats().TotalAcquisitions
		net.heal()
		b.server.Accept()
		time.Sleep(30 * time.Second)
		if n := b.pool.Stat().IdleConns(); n != 5 {
			t.Errorf("%d connections are idle, want all 5 of MinConns", n)
		}
		if n := b.monitor.Stats().TotalAcquisitions; n != before {
			t.Errorf("%d acquires are called the application's", n-before)
		}
		for range 5 {
			began := time.Now()
			if _, err := b.pool.Exec(t.Context(), "SELECT 7"); err != nil || time.Since(began) > time.Second {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		}
		if h := b.monitor.Health(); h.Status != healthcheck.Healthy {
			t.Errorf("%s: %+v", h.State, h.Findings)
		}
	})
}

func TestProbe_ReachesTheHostBehindOneThatSwallowsEverything(t *testing.T) {
	twoHosts := func(s *wire.Server, cfg *pgxpool.Config) {
		two, err := pgxpool.ParseConfig("host=dead,wire user=app password=secret database=app sslmode=disable pool_max_conns=2")
		if err != nil {
			t.Fatal(err)
		}
		two.ConnConfig.LookupFunc = cfg.ConnConfig.LookupFunc
		two.ConnConfig.DialFunc = func(ctx context.Context, kind, addr string) (net.Conn, error) {
			if strings.HasPrefix(addr, "dead") {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return s.Dial(ctx, kind, addr)
		}
		*cfg = *two
	}
	bubbleOf(t, "", twoHosts, func(t *testing.T, b *bubbled) {
		time.Sleep(time.Minute)
		if h := b.monitor.Health(); h.Status != healthcheck.Healthy || b.ready(t) != 200 {
			t.Errorf("%s, ready %d: %+v", h.State, b.ready(t), h.Findings)
		}
	})
}

func TestProbe_TriesAgainForADatabaseThatIsYetToBeCreated(t *testing.T) {
	absent := func(s *wire.Server, _ *pgxpool.Config) { s.RefuseWith("3D000", `database "app" does not exist`) }
	bubbleOf(t, "pool_max_conns=2", absent, func(t *testing.T, b *bubbled) {
		time.Sleep(5 * time.Second)
		if code := b.ready(t); code != 503 {
			t.Errorf("ready %d without a database", code)
		}
		b.server.Accept() // a migration has created it
		time.Sleep(time.Minute)
		if code := b.ready(t); code != 200 {
			t.Errorf("ready %d, %+v", code, b.monitor.Health())
		}
	})
}

func TestReconnect_BuildsWhatIsMissingOfMinConnsBesideWhatSurvived(t *testing.T) {
	var conns []net.Conn // of the pool's first connects, before anything is concurrent
	remember := func(_ *wire.Server, cfg *pgxpool.Config) {
		dial := cfg.ConnConfig.DialFunc
		got := make(chan struct{}, 1)
		cfg.ConnConfig.DialFunc = func(ctx context.Context, kind, addr string) (net.Conn, error) {
			conn, err := dial(ctx, kind, addr)
			got <- struct{}{}
			conns = append(conns, conn)
			<-got
			return conn, err
		}
	}
	bubbleOf(t, "pool_max_conns=8 pool_min_conns=5 pool_health_check_period=24h", remember, func(t *testing.T, b *bubbled) {
		time.Sleep(10*time.Second + 500*time.Millisecond)
		b.server.RefuseDial(refused())
		for _, conn := range conns[:3] {
			_ = conn.Close()
		}
		var survivors []*pgxpool.Conn
		for len(survivors) < 2 {
			if conn, err := b.pool.Acquire(t.Context()); err == nil {
				survivors = append(survivors, conn)
			}
		}
		_, err := b.pool.Acquire(t.Context())
		if err == nil {
			t.Fatal("the server is still there")
		}
		for _, conn := range survivors {
			conn.Release()
		}
		time.Sleep(20 * time.Second)
		b.server.Accept()
		time.Sleep(time.Minute)
		if n := b.pool.Stat().IdleConns(); n < 5 {
			t.Errorf("%s with %d idle connections, want all 5 of MinConns", b.monitor.Health().State, n)
		}
	})
}

func TestLastError_OfAPoolWithoutAHookIsTheProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := wire.NewServer()
		defer server.Close()
		pool, err := pgxpool.NewWithConfig(t.Context(), server.Config(t, "pool_max_conns=2"))
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		server.RefuseDial(refused())
		monitor := instrument(t, pool, quiet()...)
		time.Sleep(30 * time.Second)
		if s := monitor.Stats(); !strings.Contains(s.LastError, "refused") || s.LastErrorTime.IsZero() {
			t.Errorf("the last error is %q, of %v", s.LastError, s.LastErrorTime)
		}
		if s := monitor.Source()(); !strings.Contains(s.LastError, "refused") {
			t.Errorf("the health endpoints' last error is %q", s.LastError)
		}
	})
}

// Under a policy of thresholds a busy pool is unhealthy. That it loses a connection then is no outage.
func TestOutage_IsNotABusyPoolThatLosesAConnection(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		conns := []*pgxpool.Conn{take(t, b.pool), take(t, b.pool)}
		time.Sleep(10*time.Second + 500*time.Millisecond)
		b.server.CloseAll()
		_, _ = conns[0].Exec(t.Context(), "SELECT 7")
		for _, conn := range conns {
			conn.Release()
		}
		ctx, cancel := context.WithCancel(t.Context())
		var working sync.WaitGroup
		for range 4 {
			working.Go(func() {
				for ctx.Err() == nil {
					_, _ = b.pool.Exec(ctx, "SELECT 7")
				}
			})
		}
		b.server.SetQueryDelay(20 * time.Millisecond)
		for range 90 {
			time.Sleep(time.Second)
			if h := b.monitor.Health(); h.Outage {
				t.Fatalf("%s: %+v", h.State, h.Findings)
			}
		}
		if h := b.monitor.Health(); h.Status != healthcheck.Unhealthy {
			t.Errorf("%s, though no connection is ever idle", h.State)
		}
		cancel()
		working.Wait()
		time.Sleep(time.Minute)
		if n := len(b.log.of(t, "reconnect.succeeded")); n != 0 {
			t.Errorf("%d outages are over", n)
		}
	}, otelpool.WithPolicy(healthcheck.IdleRatio()))
}

func TestRevive_ServesAtOnceWhereEveryConnectionIsSilent(t *testing.T) {
	net := newNetwork()
	carry := func(_ *wire.Server, cfg *pgxpool.Config) { net.carry(cfg) }
	bubbleOf(t, "pool_max_conns=3 pool_min_conns=3 pool_health_check_period=24h", carry, func(t *testing.T, b *bubbled) {
		time.Sleep(10*time.Second + 500*time.Millisecond)
		net.lose()
		b.server.RefuseDial(refused())
		for range 2 { // at most one ends with its connection closed
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_, _ = b.pool.Exec(ctx, "SELECT 7")
			cancel()
		}
		if h := b.monitor.Health(); h.Status != healthcheck.Unhealthy {
			t.Fatalf("the outage was not noticed: %s, %+v", h.State, h.Findings)
		}
		net.heal()
		b.server.Accept()
		for b.monitor.Health().Outage {
			time.Sleep(100 * time.Millisecond)
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := b.pool.Exec(ctx, "SELECT 7"); err != nil {
			t.Error(err)
		}
		// Pool.Reset would need five seconds: pgx takes leave of each server, and a connection has its place until then.
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the first query after the outage took %v", took)
		}
	})
}
