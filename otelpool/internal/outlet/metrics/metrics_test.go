package metrics

import (
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool/internal/guard"
	"github.com/otelpool/pgx/otelpool/internal/view"
)

// read collects what an outlet exports of a view.
func read(t *testing.T, v *view.View) map[string]metricdata.Aggregation {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	o, err := New(Config{
		Provider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), HasHook: true, Guard: new(guard.Guard),
		Attributes: []attribute.KeyValue{attribute.String("pool", "p")},
		Read:       func() *view.View { copied := *v; return &copied },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close(make(chan struct{}))
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]metricdata.Aggregation)
	for _, m := range rm.ScopeMetrics[0].Metrics {
		out[m.Name] = m.Data
	}
	return out
}

// When judging has stopped, the last judgement must not be exported for ever.
func TestHealth_IsUnknownWhereTheLastJudgementIsTooOld(t *testing.T) {
	for age, want := range map[time.Duration]struct{ level, in int64 }{
		0:               {int64(healthcheck.Degraded), 1},
		4 * time.Second: {int64(healthcheck.Unknown), 0},
	} {
		got := read(t, &view.View{Interval: time.Second, Report: &healthcheck.Report{
			At: time.Now().Add(-age), State: healthcheck.StateDegraded, Status: healthcheck.Degraded,
			Findings: []healthcheck.Finding{{Cause: healthcheck.CauseLeak}},
		}})
		if level := got["otelpool.health.level"].(metricdata.Gauge[int64]).DataPoints[0].Value; level != want.level {
			t.Errorf("after %v the level is %d, want %d", age, level, want.level)
		}
		var in, causes int64
		for _, p := range got["otelpool.health.status"].(metricdata.Sum[int64]).DataPoints {
			in += p.Value
		}
		for _, p := range got["otelpool.health.cause"].(metricdata.Gauge[int64]).DataPoints {
			causes += p.Value
		}
		if in != want.in || causes != want.in {
			t.Errorf("after %v the pool is in %d states for %d causes, want %d", age, in, causes, want.in)
		}
	}
}

func TestNotices_AreOneWhileTheyLastAndCountedByEpisode(t *testing.T) {
	const kind = healthcheck.NoticeNoConnectTimeout
	for age, want := range map[time.Duration]int64{0: 1, 4 * time.Second: 0} {
		got := read(t, &view.View{
			Interval: time.Second, Notices: map[healthcheck.NoticeKind]int64{kind: 3},
			Report: &healthcheck.Report{At: time.Now().Add(-age), Status: healthcheck.Healthy, Notices: []healthcheck.Notice{{Kind: kind}}},
		})
		now := ofNotice(t, got["otelpool.health.notice"].(metricdata.Gauge[int64]).DataPoints)
		raised := ofNotice(t, got["otelpool.notices"].(metricdata.Sum[int64]).DataPoints)
		if now[kind] != want || raised[kind] != 3 || raised[healthcheck.NoticeCachedPlan] != 0 {
			t.Errorf("after %v: now %v, raised %v", age, now, raised)
		}
	}
}

// ofNotice are the points by kind; each kind has one.
func ofNotice(t *testing.T, points []metricdata.DataPoint[int64]) map[healthcheck.NoticeKind]int64 {
	out := make(map[healthcheck.NoticeKind]int64)
	for _, p := range points {
		kind, _ := p.Attributes.Value("otelpool.notice")
		out[healthcheck.NoticeKind(kind.AsString())] = p.Value
	}
	if len(points) != len(healthcheck.NoticeKinds) || len(out) != len(points) {
		t.Errorf("%d points for %d kinds", len(points), len(healthcheck.NoticeKinds))
	}
	return out
}

func TestTable_EveryRowIsReadInOneWay(t *testing.T) {
	for _, in := range Table {
		switch {
		case in.Name == "" || in.Unit == "" || in.Description == "":
			t.Errorf("a row says too little: %+v", in.Name)
		case in.Kind == Histogram:
		case (in.value == nil) == (in.points == nil), (in.points == nil) != (in.Attribute == ""):
			t.Errorf("%s: one value without an own attribute, or points with it", in.Name)
		}
	}
}
