// This file joins the tests of a copy of pgxpool: it gives every pool a hook of its own, and checks the counts at the end.
package pgxpool_test

import (
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/tracer"
)

var watched struct {
	mu    sync.Mutex
	hooks []*tracer.Tracer
}

func init() {
	pgxpool.BeforeNewPool = func(cfg *pgxpool.Config) {
		hook := tracer.New(tracer.Options{StackDepth: 32, LeakThreshold: time.Second, SQLText: true})
		hook.SetLimits(cfg.MaxConnLifetime, cfg.MaxConnIdleTime)
		cfg.ConnConfig.Tracer = tracer.Compose(hook, cfg.ConnConfig.Tracer)
		cfg.BeforeConnect = hook.WrapBeforeConnect(cfg.BeforeConnect)
		cfg.AfterConnect = hook.WrapAfterConnect(cfg.AfterConnect)
		cfg.BeforeClose = hook.WrapBeforeClose(cfg.BeforeClose)
		watched.mu.Lock()
		defer watched.mu.Unlock()
		watched.hooks = append(watched.hooks, hook)
	}
}

func TestMain(m *testing.M) {
	code := m.Run()
	if err := reconcile(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// reconcile checks every pool's counts and prints their sum.
func reconcile() error {
	watched.mu.Lock()
	defer watched.mu.Unlock()
	var acquires int64
	for i, hook := range watched.hooks {
		hook.Sweep(func() int { return 0 }, 0)
		c := hook.Sweep(func() int { return 0 }, 0).Counters
		if err := c.Reconcile(len(hook.Holders())); err != nil {
			return fmt.Errorf("pool %d: %w", i, err)
		}
		acquires += c.Counts[0] // counts.Started, whose name is internal to our module
	}
	fmt.Printf("watched pools: %d, acquires: %d\n", len(watched.hooks), acquires)
	return nil
}
