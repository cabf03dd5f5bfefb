package stack

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"

	"github.com/otelpool/pgx/internal/telemetry"
)

// TestQueries_SayTheSameOfClassicAndOfNativeHistograms: Prometheus can convert classic histograms to native ones with custom
// buckets (convert_classic_histograms_to_nhcb). Then there are no series _bucket, _count and _sum. Prometheus' own engine
// evaluates each query over both.
func TestQueries_SayTheSameOfClassicAndOfNativeHistograms(t *testing.T) {
	classic, native := loaded(t, classicHistogram), loaded(t, nativeHistogram)
	asked := 0
	for expr, where := range queries(t) {
		if !strings.Contains(expr, "_time_seconds") || strings.HasPrefix(where, "rule Pool") {
			continue
		}
		asked++
		want, got := instant(t, classic, seen.Replace(expr)), instant(t, native, seen.Replace(expr))
		if len(want) == 0 || len(got) != len(want) {
			t.Errorf("%s: %d series of classic histograms, %d of native ones: %s", where, len(want), len(got), expr)
		}
		for labels, value := range want {
			if other, ok := got[labels]; !ok || math.Abs(other-value) > 1e-9*math.Abs(value) {
				t.Errorf("%s: %s is %v of classic histograms, and %v of native ones: %s", where, labels, value, other, expr)
			}
		}
	}
	t.Logf("%d queries", asked)
	if asked < 20 {
		t.Errorf("only %d queries of histograms were found", asked)
	}
}

// loaded are ten minutes of the play's pool, with histograms as series makes them: one that was always there, and one of failures
// that began two minutes ago.
func loaded(t *testing.T, series func(name, labels, before string, step int) string) storage.Queryable {
	t.Helper()
	const labels = `job="otelpool-demo",instance="demo-1",db_client_connection_pool_name="shop"`
	var text strings.Builder
	text.WriteString("load 5s\n")
	for _, kind := range []string{"wait", "use", "create"} {
		name := "db_client_connection_" + kind + "_time_seconds"
		text.WriteString(series(name, labels, "", 120))
		text.WriteString(series(name, labels+`,error_type="timeout"`, "_x118 ", 2))
	}
	fmt.Fprintf(&text, "  otelpool_hold_query_time_seconds_total{%s} 0+0.1x120\n", labels)
	return promqltest.LoadedStorage(t, text.String())
}

// counts are how many durations more are in each bucket at each step; the last has no upper bound.
var counts = [len(telemetry.Buckets) + 1]int{0, 1, 2, 9, 4, 0, 7, 3, 1, 0, 0, 2, 0, 0, 1, 1}

const sum = 50 // more seconds at each step

func classicHistogram(name, labels, before string, steps int) string {
	var text strings.Builder
	total := 0
	for i, n := range counts {
		le := "+Inf"
		if i < len(telemetry.Buckets) {
			le = fmt.Sprint(telemetry.Buckets[i])
		}
		total += n
		fmt.Fprintf(&text, "  %s_bucket{%s,le=%q} %s%d+%dx%d\n", name, labels, le, before, total, total, steps)
	}
	fmt.Fprintf(&text, "  %s_count{%s} %s%d+%dx%d\n", name, labels, before, total, total, steps)
	fmt.Fprintf(&text, "  %s_sum{%s} %s%d+%dx%d\n", name, labels, before, sum, sum, steps)
	return text.String()
}

// nativeHistogram is the same after the conversion: schema -53 is that of custom buckets.
func nativeHistogram(name, labels, before string, steps int) string {
	total := 0
	for _, n := range counts {
		total += n
	}
	point := fmt.Sprintf("{{schema:-53 count:%d sum:%d custom_values:%s buckets:%s}}", total, sum,
		fmt.Sprint(telemetry.Buckets), fmt.Sprint(counts))
	return fmt.Sprintf("  %s{%s} %s%s+%sx%d\n", name, labels, before, point, point, steps)
}

// instant is a query's answer at the end of the data, by labels. What is not a number is none.
func instant(t *testing.T, data storage.Queryable, expr string) map[string]float64 {
	t.Helper()
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	query, err := engine.NewInstantQuery(t.Context(), data, nil, expr, time.Unix(600, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer query.Close()
	vector, err := query.Exec(t.Context()).Vector()
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	values := make(map[string]float64)
	for _, sample := range vector {
		if !math.IsNaN(sample.F) {
			values[sample.Metric.String()] = sample.F
		}
	}
	return values
}
