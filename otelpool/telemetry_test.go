package otelpool_test

import (
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dbconv"

	"github.com/otelpool/pgx/otelpool"
)

func TestHistograms_CountEveryWaitHoldAndConnect(t *testing.T) {
	m := measure(t, []*sdkmetric.ManualReader{sdkmetric.NewManualReader()}, "histograms")
	m.workload(t)
	got := m.settled(t, workloadReleases)
	bounds := []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
	for _, tt := range []struct {
		convention interface {
			Name() string
			Unit() string
			Description() string
		}
		counts map[string]uint64 // by error.type
	}{
		{dbconv.ClientConnectionWaitTime{}, map[string]uint64{"": 5, "timeout": 1, "canceled": 1, "28P01": 1}},
		{dbconv.ClientConnectionUseTime{}, map[string]uint64{"": 5}},
		{dbconv.ClientConnectionCreateTime{}, map[string]uint64{"": 3}},
	} {
		metric := got[tt.convention.Name()]
		if metric.Unit != "s" || metric.Unit != tt.convention.Unit() || metric.Description != tt.convention.Description() {
			t.Errorf("%s: unit %q, description %q", metric.Name, metric.Unit, metric.Description)
		}
		data, _ := metric.Data.(metricdata.Histogram[float64])
		if data.Temporality != metricdata.CumulativeTemporality {
			t.Errorf("%s: temporality %v", metric.Name, data.Temporality)
		}
		counts := make(map[string]uint64)
		for _, p := range data.DataPoints {
			kind, failed := p.Attributes.Value("error.type")
			want := m.common()
			if failed {
				want = append(want, attribute.KeyValue{Key: "error.type", Value: kind})
				counts[kind.AsString()] = p.Count
			} else {
				counts[""] = p.Count
			}
			if set := attribute.NewSet(want...); !p.Attributes.Equals(&set) {
				t.Errorf("%s: attributes %v, want %v", metric.Name, p.Attributes, set)
			}
			if !slices.Equal(p.Bounds, bounds) {
				t.Errorf("%s: bounds %v", metric.Name, p.Bounds)
			}
			if p.Sum <= 0 {
				t.Errorf("%s: sum %v", metric.Name, p.Sum)
			}
		}
		if !maps.Equal(counts, tt.counts) {
			t.Errorf("%s: counts %v, want %v", metric.Name, counts, tt.counts)
		}
	}
}

func TestScope_NamesThisLibrary(t *testing.T) {
	m := measure(t, []*sdkmetric.ManualReader{sdkmetric.NewManualReader()}, "scope")
	var rm metricdata.ResourceMetrics
	if err := m.readers[0].Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	want := instrumentation.Scope{Name: "github.com/otelpool/pgx/otelpool", Version: "0.1.0", SchemaURL: semconv.SchemaURL}
	if len(rm.ScopeMetrics) != 1 || rm.ScopeMetrics[0].Scope != want {
		t.Errorf("got %+v, want %+v", rm.ScopeMetrics, want)
	}
}

func TestErrorTypes_AreBounded(t *testing.T) {
	m := measure(t, []*sdkmetric.ManualReader{sdkmetric.NewManualReader()}, "bounded")
	const kinds = 40
	for i := range kinds {
		refusal := error(&pgconn.PgError{Code: "ZZ" + strconv.Itoa(100+i)})
		m.refuse.Store(&refusal)
		if _, err := m.Acquire(t.Context()); err == nil {
			t.Fatal("a refused connect succeeded")
		}
	}
	eventually(t, "all failures are seen", func() bool {
		return sum(t, collect(t, m.readers[0]), "otelpool.connect.failures") == kinds
	})
	got := collect(t, m.readers[0])
	for _, name := range []string{"otelpool.connect.failures", "db.client.connection.wait_time"} {
		all := attributeSets(t, got[name])
		if len(all) != 33 {
			t.Errorf("%s has %d series, want 32 and one for the rest", name, len(all))
		}
		if !slices.ContainsFunc(all, func(s attribute.Set) bool { return has(s, []string{"error.type", "_OTHER"}) }) {
			t.Errorf("%s has no series for the rest", name)
		}
	}
	var waits uint64
	for _, p := range got["db.client.connection.wait_time"].Data.(metricdata.Histogram[float64]).DataPoints {
		waits += p.Count
	}
	if waits != kinds {
		t.Errorf("%d waits were recorded, want %d", waits, kinds)
	}
}

func TestCommonAttributes_NameServersAsConfigured(t *testing.T) {
	for dsn, want := range map[string][]attribute.KeyValue{
		"postgres://u@db.example/shop":                                {semconv.DBNamespace("shop"), semconv.ServerAddress("db.example")},
		"postgres://u@db.example:5432/shop":                           {semconv.DBNamespace("shop"), semconv.ServerAddress("db.example")},
		"postgres://u@a.example:6432,b.example:6432/shop":             {semconv.DBNamespace("shop")},
		"postgres://u@db.example:443/shop":                            {semconv.DBNamespace("shop"), semconv.ServerAddress("db.example"), semconv.ServerPort(443)},
		"user=u host=/var/run/postgresql port=5433 dbname=shop":       {semconv.DBNamespace("shop"), semconv.ServerAddress("/var/run/postgresql"), semconv.ServerPort(5433)},
		"user=u host=db.example port=6432 dbname=shop sslmode=prefer": {semconv.DBNamespace("shop"), semconv.ServerAddress("db.example"), semconv.ServerPort(6432)},
		"postgres://u@db.example/%ff":                                 {semconv.ServerAddress("db.example")},
	} {
		want := attribute.NewSet(append(want, semconv.DBClientConnectionPoolName("p"), semconv.DBSystemNamePostgreSQL)...)
		got := attribute.NewSet(otelpool.CommonAttributes("p", parse(t, dsn).ConnConfig)...)
		if !got.Equals(&want) {
			t.Errorf("%s:\ngot  %v\nwant %v", dsn, got.ToSlice(), want.ToSlice())
		}
	}
}
