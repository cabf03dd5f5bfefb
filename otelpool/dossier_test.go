package otelpool_test

import (
	"context"
	"testing"
	"time"

	"github.com/otelpool/pgx/otelpool"
)

// Waits that are too short for a tick to meet them are known by their timeouts alone.
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
