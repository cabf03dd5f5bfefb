package tracer_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelpool/pgx/tracer"
)

// Connections that are made with the pool's configuration and are not the pool's.

func TestAListenerMadeFromAHeldConnectionsConfigurationDoesNotHideItsLeak(t *testing.T) {
	hooks := map[string]pgx.QueryTracer{"alone": nil, "after another": tracer.New(suspicious)}
	for name, other := range hooks {
		t.Run(name, func(t *testing.T) {
			cfg := func(cfg *pgxpool.Config) { cfg.ConnConfig.Tracer = other }
			onWire(t, "pool_max_conns=4", suspicious, cfg, func(t *testing.T, w *watch) {
				leaked := w.acquire(t.Context())
				listener, err := pgx.ConnectConfig(t.Context(), leaked.Conn().Config())
				fail(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					_, _ = listener.WaitForNotification(ctx)
				}()
				w.pass(threshold + threshold)
				if n := len(w.told(tracer.EventLeakSuspected)); n != 1 {
					t.Errorf("%d leaks, holders %+v", n, w.hook.Holders())
				}
				cancel()
				<-done
				leaked.Release()
			})
		})
	}
}
