package otelpool_test

import (
	"testing"
	"testing/synctest"
)

func TestStats_ReusedAreTheAcquisitionsLessTheConnectionsCreated(t *testing.T) {
	bubble(t, func(t *testing.T, b *bubbled) {
		both := []interface{ Release() }{take(t, b.pool), take(t, b.pool)}
		for _, conn := range both {
			conn.Release()
		}
		synctest.Wait()
		for range 3 {
			take(t, b.pool).Release()
			synctest.Wait()
		}
		if s := b.monitor.Stats(); s.TotalAcquisitions != 5 || s.ConnectionsCreated != 2 || s.ConnectionsReused != 3 {
			t.Errorf("%d acquisitions, %d created, %d reused", s.TotalAcquisitions, s.ConnectionsCreated, s.ConnectionsReused)
		}
	})
}
