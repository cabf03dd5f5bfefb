package otelpool_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/otelpool/pgx/otelpool"
)

func TestCollection_IsTheSameForEveryReaderAndEachTime(t *testing.T) {
	readers := []*sdkmetric.ManualReader{sdkmetric.NewManualReader(), sdkmetric.NewManualReader()}
	m := measure(t, readers, "same")
	m.workload(t)
	first := m.settled(t, workloadReleases)
	for what, other := range map[string]collection{"a second reader": collect(t, readers[1]), "a second collection": collect(t, readers[0])} {
		if len(other) != len(first) {
			t.Errorf("%s sees %d metrics, not %d", what, len(other), len(first))
		}
		for name, metric := range first {
			options := []metricdatatest.Option{metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars()}
			if row := slices.IndexFunc(expected, func(e struct {
				name, unit, kind string
				float            bool
				series           []series
			}) bool {
				return e.name == name && e.series[0].value < 0
			}); row >= 0 {
				options = append(options, metricdatatest.IgnoreValue()) // health may have moved on
			}
			if !metricdatatest.AssertEqual(t, metric, other[name], options...) {
				t.Errorf("%s differs", what)
			}
		}
	}
}

func TestCollection_BetweenTicksHasTheSameInCountersAndHistograms(t *testing.T) {
	m := measure(t, []*sdkmetric.ManualReader{sdkmetric.NewManualReader()}, "between", otelpool.WithHealthInterval(time.Minute))
	for n := 1; n <= 3; n++ {
		acquire(t, t.Context(), m.Pool).Release()
		c := collect(t, m.readers[0])
		for histogram, counter := range map[string]string{
			"db.client.connection.wait_time":   "otelpool.acquires",
			"db.client.connection.use_time":    "otelpool.releases",
			"db.client.connection.create_time": "otelpool.connections.opened",
		} {
			points := c[histogram].Data.(metricdata.Histogram[float64]).DataPoints
			if counted := sum(t, c, counter); float64(points[0].Count) != counted {
				t.Errorf("after %d acquires %s has %d, %s says %v", n, histogram, points[0].Count, counter, counted)
			}
		}
		if counted := sum(t, c, "otelpool.acquires"); counted != float64(n) {
			t.Errorf("%v of %d acquires are counted", counted, n)
		}
	}
}

// One collection once mixed counters of the moment with figures of the pool that were up to a tick old.
func TestCollection_IsOfOneMoment(t *testing.T) {
	m := measure(t, []*sdkmetric.ManualReader{sdkmetric.NewManualReader()}, "moment", otelpool.WithHealthInterval(time.Minute))
	for held := 1; held <= 2; held++ {
		acquire(t, t.Context(), m.Pool)
		c := collect(t, m.readers[0])
		used := sum(t, c, "db.client.connection.count", "db.client.connection.state", "used")
		if acquires := sum(t, c, "otelpool.acquires"); used != float64(held) || acquires != used || sum(t, c, "otelpool.usage") != used/2 {
			t.Errorf("%d are held: %v used, %v acquires, usage %v", held, used, acquires, sum(t, c, "otelpool.usage"))
		}
	}
}

func TestDeltaTemporality_AddsUp(t *testing.T) {
	reader := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(func(sdkmetric.InstrumentKind) metricdata.Temporality {
		return metricdata.DeltaTemporality
	}))
	m := measure(t, []*sdkmetric.ManualReader{reader}, "delta")
	total := map[string]float64{}
	add := func() {
		c := collect(t, reader)
		for _, name := range []string{"otelpool.acquires", "otelpool.releases", "otelpool.connections.opened"} {
			total[name] += max(0, sum(t, c, name))
		}
		if h, ok := c["db.client.connection.wait_time"].Data.(metricdata.Histogram[float64]); ok {
			for _, p := range h.DataPoints {
				total["waits"] += float64(p.Count)
			}
		}
	}
	want := map[string]float64{"otelpool.acquires": 8, "otelpool.releases": 5, "otelpool.connections.opened": 3, "waits": 8}
	m.workload(t)
	eventually(t, "all has been collected", func() bool { add(); return maps.Equal(total, want) })
	acquire(t, t.Context(), m.Pool).Release()
	want["otelpool.acquires"]++
	want["otelpool.releases"]++
	want["waits"]++
	eventually(t, "one more has been collected", func() bool { add(); return maps.Equal(total, want) })
	add()
	if !maps.Equal(total, want) {
		t.Errorf("a collection without traffic added: %v, want %v", total, want)
	}
}

func TestClose_EndsObservation(t *testing.T) {
	cumulative := sdkmetric.NewManualReader()
	delta := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(sdkmetric.DeltaTemporalitySelector))
	m := measure(t, []*sdkmetric.ManualReader{cumulative, delta}, "gone")
	m.workload(t)
	m.settled(t, workloadReleases)
	collect(t, delta)
	if err := m.monitor.Close(); err != nil {
		t.Fatal(err)
	}
	acquire(t, t.Context(), m.Pool).Release()
	for name, metric := range collect(t, cumulative) {
		h, ok := metric.Data.(metricdata.Histogram[float64]) // the SDK forgets no histogram while it lives
		if !ok {
			t.Errorf("%s is still there", name)
			continue
		}
		for _, p := range h.DataPoints {
			if p.Count > workloadReleases {
				t.Errorf("%s was recorded after Close: %d", name, p.Count)
			}
		}
	}
	for name, metric := range collect(t, delta) {
		if len(attributeSets(t, metric)) != 0 {
			t.Errorf("%s is still there", name)
		}
	}
}

func TestPools_OfOneProviderAreCountedApart(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	readers := []*sdkmetric.ManualReader{reader}
	a, b := measureWith(t, provider, readers, "apart-a"), measureWith(t, provider, readers, "apart-b")
	a.workload(t)
	for range 3 {
		acquire(t, t.Context(), b.Pool).Release()
	}
	a.settled(t, workloadReleases)
	got := b.settled(t, 3)
	for pool, want := range map[string]float64{"apart-a": 5, "apart-b": 3} {
		if v := sum(t, got, "otelpool.acquires", "otelpool.outcome", "ok", "db.client.connection.pool.name", pool); v != want {
			t.Errorf("%s: %v acquires, want %v", pool, v, want)
		}
	}
	for name, metric := range got {
		for _, set := range attributeSets(t, metric) {
			if v, _ := set.Value("db.client.connection.pool.name"); v.AsString() != "apart-a" && v.AsString() != "apart-b" {
				t.Errorf("%s has a series without a pool: %v", name, set)
			}
		}
	}
	if err := a.monitor.Close(); err != nil {
		t.Fatal(err)
	}
	for _, set := range attributeSets(t, collect(t, reader)["otelpool.acquires"]) {
		if has(set, []string{"db.client.connection.pool.name", "apart-a"}) {
			t.Errorf("a closed pool still counts: %v", set)
		}
	}
}
