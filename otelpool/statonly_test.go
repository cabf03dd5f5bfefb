package otelpool_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/testing/pgtest"
	"github.com/otelpool/pgx/internal/testing/postgres"
	"github.com/otelpool/pgx/otelpool"
)

func TestStatOnly_SeesThePoolFromOutsideOnly(t *testing.T) {
	var log journal
	reader := sdkmetric.NewManualReader()
	pool := newPool(t, pgtest.Config(t))
	monitor := instrument(t, pool, quiet(otelpool.WithLogger(log.logger(slog.LevelInfo)),
		otelpool.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))))...)
	warnings := awaitEvents(t, &log, "pool.stat_only", 1)
	if len(warnings) != 1 || warnings[0]["level"] != "WARN" || !strings.Contains(fmt.Sprint(warnings[0]["msg"]), "otelpool.Configure(cfg)") {
		t.Errorf("warnings: %v", warnings)
	}
	acquire(t, t.Context(), pool)
	eventually(t, "the connection is counted", func() bool {
		return sum(t, collect(t, reader), "db.client.connection.count", "db.client.connection.state", "used") == 1
	})
	got := collect(t, reader)
	for _, row := range otelpool.Instruments() {
		_, present := got[row.Name]
		if want := !row.Hook; present != want {
			t.Errorf("%s: present is %v, want %v", row.Name, present, want)
		}
	}
	if s := monitor.Stats(); s.ActiveConnections != 1 || s.TotalAcquisitions != 1 || s.TotalReleases != 0 {
		t.Errorf("stats: %+v", s)
	}
	if monitor.Holders() != nil || monitor.Waiters() != nil || monitor.Sites(3) != nil {
		t.Error("holders are known without a hook")
	}
}

func TestStatOnly_SeesThePoolLoseItsServer(t *testing.T) {
	server, err := postgres.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	pool, err := pgxpool.New(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	monitor := instrument(t, pool, quiet()...)
	if err := pool.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is healthy", func() bool { return monitor.Health().Status == healthcheck.Healthy })
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the outage is seen", func() bool {
		_ = pool.Ping(t.Context())
		return names(monitor, healthcheck.CauseUnreachable) && monitor.Health().Status == healthcheck.Unhealthy
	})
}
