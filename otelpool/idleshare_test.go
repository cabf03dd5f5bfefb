package otelpool_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelpool/pgx/otelpool"
)

func TestIdleRatio_IsOfTheLastMinuteAndCountsHoldsUnderWay(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	share := func(t *testing.T) float64 { return sum(t, collect(t, reader), "otelpool.hold.idle_ratio") }
	bubble(t, func(t *testing.T, b *bubbled) {
		b.server.SetQueryDelay(time.Second)
		for range 10 * 60 { // ten minutes of nothing but work
			if _, err := b.pool.Exec(t.Context(), "SELECT 7"); err != nil {
				t.Fatal(err)
			}
		}
		if got := share(t); got > 0.02 {
			t.Errorf("at work all the time, it is idle for %v of it", got)
		}
		forgotten := []*pgxpool.Conn{take(t, b.pool), take(t, b.pool)}
		time.Sleep(2 * time.Minute)
		if got := share(t); got < 0.98 {
			t.Errorf("two holders sit idle for two minutes, and the share is %v", got)
		}
		c := collect(t, reader)
		if queried := sum(t, c, "otelpool.hold.query_time"); queried < 599 || queried > 601 {
			t.Errorf("queries took %v s, want 600", queried)
		}
		for _, conn := range forgotten {
			conn.Release()
		}
		time.Sleep(2 * time.Minute)
		if got := share(t); got != -1 {
			t.Errorf("nobody has held anything for a minute, and yet there is a share: %v", got)
		}
	}, otelpool.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))), otelpool.WithLeakThreshold(time.Hour))
}
