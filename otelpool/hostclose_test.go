package otelpool_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelpool/pgx/healthcheck"
)

func TestHostClose_IsFollowedToItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		conn := take(t, b.pool)
		closed := make(chan struct{})
		go func() { b.pool.Close(); close(closed) }()
		time.Sleep(15 * time.Second)
		if s := b.monitor.Health().State; s != healthcheck.ShuttingDown {
			t.Errorf("while Close waits the state is %s", s)
		}
		waiting := b.log.of(t, "shutdown.waiting")
		if len(waiting) != 2 {
			t.Fatalf("%d records of waiting in 15s, want one every ten", len(waiting))
		}
		waiting[0].check(t, "WARN", "Close waits for 1 connection", "holders")

		conn.Release()
		<-closed
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := b.monitor.Health().State; s != healthcheck.Terminated {
			t.Errorf("after Close the state is %s", s)
		}
		b.log.of(t, "shutdown.completed")[0].check(t, "INFO", "pool is closed", "took_seconds")
		if err := b.monitor.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown after that: %v", err)
		}
	})
}

func TestMonitor_ThatNobodyClosesEndsWithItsPool(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		take(t, b.pool).Release()
		b.pool.Close()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := b.monitor.Stats().ActiveConnections; n != 0 || b.monitor.Health().State != healthcheck.Terminated {
			t.Errorf("%d active, %s", n, b.monitor.Health().State)
		}
	})
}
