package otelpool_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/otelpool"
)

func TestExhaustion_IsLoggedOnceAnEpisodeWithTheHolders(t *testing.T) {
	pool, monitor, j := logged(t, slog.LevelInfo, otelpool.WithLeakThreshold(time.Hour))
	for episode := 1; episode <= 2; episode++ {
		var held []*pgxpool.Conn
		for range 2 {
			held = append(held, holdForever(t, pool))
		}
		ctx, cancel := context.WithCancel(t.Context())
		waiter, traceID, _ := traced(ctx, 0)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := pool.Acquire(waiter); err == nil {
				t.Error("the pool is not full")
			}
		})
		r := awaitEvents(t, j, "pool.exhausted", episode)[episode-1]
		r.check(t, "WARN", "pool is exhausted; connections are held by: 2 at exhaustion_test.go:",
			"holders", "waiting", "timeouts", "oldest_wait_seconds", "oldest_waiter", "trace_id")
		if !strings.Contains(fmt.Sprint(r["holders"]), "holdForever") || r["waiting"] != 1.0 || r["trace_id"] != traceID {
			t.Errorf("record: %v", r)
		}
		cancel()
		wg.Wait()
		for _, c := range held {
			c.Release()
		}
		since := time.Now()
		eventually(t, "the sampler has run again", func() bool { return monitor.Health().At.After(since) })
	}
}

// holdForever is the call site that the record must name.
func holdForever(t *testing.T, pool *pgxpool.Pool) *pgxpool.Conn {
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Release)
	return conn
}

// No connection is held here, so the message must name no holder.
func TestExhaustion_AccusesNobodyWhereAPoolThatIsNotFullTimesOut(t *testing.T) {
	var j journal
	cfg := pgtest.Config(t)
	block := make(chan struct{})
	if err := otelpool.Configure(cfg, quiet(otelpool.WithLogger(j.logger(slog.LevelInfo)), otelpool.WithServerProbe(false))...); err != nil {
		t.Fatal(err)
	}
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		select {
		case <-block:
		case <-ctx.Done():
		}
		return dial(ctx, network, addr)
	}
	pool := newPool(t, cfg)
	instrument(t, pool)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := pool.Acquire(ctx); err == nil {
		t.Fatal("connected through a dialer that blocks")
	}
	r := awaitEvents(t, &j, "pool.exhausted", 1)[0]
	r.check(t, "WARN", "acquires timed out, and by now no connection is held", "holders", "waiting", "timeouts")
	close(block)
}

// These waits are shorter than a tick. Only their timeouts show that there were any.
func TestExhaustion_IsOneEpisodeWhileTimeoutsLast(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		for episode := 1; episode <= 2; episode++ {
			b.server.SetConnectDelay(time.Hour)
			for range 100 { // for 10 s
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
				if _, err := b.pool.Acquire(ctx); err == nil {
					t.Error("a server that does not answer was connected to")
				}
				cancel()
				time.Sleep(70 * time.Millisecond)
			}
			if n := len(b.log.of(t, "pool.exhausted")); n != episode {
				t.Errorf("%d records in %d episodes", n, episode)
			}
			b.server.SetConnectDelay(0)
			time.Sleep(3 * time.Second)
		}
	}, otelpool.WithServerProbe(false))
}
