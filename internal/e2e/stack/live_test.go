package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/otelpool/pgx/internal/e2e/await"
	"github.com/otelpool/pgx/internal/e2e/collector"
	"github.com/otelpool/pgx/internal/e2e/prometheus"
)

// TestFaultScript_IsSeenByDashboardsAlertsTracesAndLogs plays the demo's fault script before a real collector and a real
// Prometheus, each with the configuration that users get, and then asks everything that people would look at.
func TestFaultScript_IsSeenByDashboardsAlertsTracesAndLogs(t *testing.T) {
	c := collector.Run(t)
	pager := newPager(t)
	p := prometheus.Run(t, prometheus.Config{
		File: path(t, "collector-config", "prometheus", "prometheus.yml"),
		Replace: []string{"otel-collector:8889", c.PrometheusAddr(), "alertmanager:9093", pager.Listener.Addr().String(),
			"15s", "1s", "rules.yml", quickRules(t)},
	})
	play(t, c)
	t.Run("a leak and an outage call, and call off", func(t *testing.T) {
		eventually(t, func() error {
			var missing error
			// An outage alone leaves a pool without connections.
			for _, alert := range []string{"PoolLeak", "PoolHasNoConnections", "PoolUnhealthy"} {
				missing = errors.Join(missing, pager.called(alert))
			}
			return missing
		})
		t.Logf("alerts called: %q", pager.names())
	})
	t.Run("every query has data", func(t *testing.T) { everyQuery(t, p) })
	t.Run("a slow acquire's exemplar leads to its trace", func(t *testing.T) { exemplar(t, c, p) })
	t.Run("the leak's record has its stack and leads to its trace", func(t *testing.T) { leakRecord(t, c) })
	t.Run("Loki has what the dashboard asks it for", func(t *testing.T) { lokiLabels(t, c) })
}

// quickRules are the rules that users get, with every "for" shortened to a second.
func quickRules(t *testing.T) string {
	t.Helper()
	text := regexp.MustCompile(`for: \w+`).ReplaceAll(read(t, "collector-config", "prometheus", "rules.yml"), []byte("for: 1s"))
	file := filepath.Join(t.TempDir(), "quick.yml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// play runs the script to its end.
func play(t *testing.T, c *collector.Collector) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "demo")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./examples/demo")
	build.Dir = path(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the demo: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program, "-once")
	cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+c.OTLPEndpoint(), "OTEL_METRIC_EXPORT_INTERVAL=500", "DATABASE_URL=",
		"OTEL_RESOURCE_ATTRIBUTES=service.instance.id=demo-1")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it has a server to remove
	cmd.WaitDelay = 20 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("demo: %v\n%s", err, out)
	}
}

// comparison is what makes an alert of an expression.
var comparison = regexp.MustCompile(`\s*(?:>=|==|>|<)\s*-?[\d.]+(?:\s*\*\s*[\d.]+)?`)

// seen is what Grafana would put in place of its variables, in the play.
var seen = strings.NewReplacer("$job", "otelpool-demo", "$service", "otelpool-demo", "$instance", "demo-1", "$pool", "shop", "$__rate_interval", "15s", "$__tags", `instance="demo-1"`)

// unseen are the queries that the script gives no data to, by where they come from, and why.
var unseen = map[string]string{
	"rule PoolNotReporting":  "a pool that is gone is so for minutes",
	"rule PoolHealthUnknown": "a pool is unknown only at its beginning and its end, which the rule leaves out",

	"rule otelpool:server_connections:limit": "there is no postgres_exporter",
	"rule PoolsExceedServer":                 "nobody has written down what the play's server takes",
}

// queries are all that anybody is meant to ask Prometheus, with where they come from.
func queries(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	d := theDashboard(t)
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			if target.Datasource.Type == "prometheus" {
				all[target.Expr] = "panel " + panel.Title
			}
		}
	}
	for _, v := range d.Templating.List {
		expr, label, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(v.Query, "label_values("), ")"), ", ")
		all[fmt.Sprintf("group by (%s) (%s)", label, expr)] = "variable " + v.Name
	}
	for _, m := range regexp.MustCompile(`(?m)^ *query: (.+)$`).FindAllSubmatch(
		read(t, "collector-config", "grafana", "provisioning", "datasources", "datasources.yaml"), -1) {
		all[strings.ReplaceAll(string(m[1]), "$$", "$")] = "datasources.yaml"
	}
	for _, r := range rules(t) {
		all[r.Expr] = "rule " + r.Alert + r.Record
		if r.Record != "" {
			all[r.Record] = "record " + r.Record
		}
	}
	for page, commands := range blocks(t, "promql") {
		for _, expr := range commands {
			all[expr] = page
		}
	}
	return all
}

// everyQuery expects each query to have had data at some moment of the play. Alerts that had no reason to fire are asked
// without the comparison that makes them alerts.
func everyQuery(t *testing.T, p *prometheus.Server) {
	all := queries(t)
	quiet := 0
	for expr, where := range all {
		if _, ok := unseen[where]; ok {
			continue
		}
		data, err := everHad(t, p, seen.Replace(expr))
		if err == nil && !data && comparison.MatchString(expr) {
			quiet++
			data, err = everHad(t, p, seen.Replace(comparison.ReplaceAllString(expr, "")))
		}
		if err != nil || !data {
			t.Errorf("%s: no data for %s: %v", where, expr, err)
		}
	}
	t.Logf("%d queries, %d of which were asked without their comparison", len(all), quiet)
	if len(all) < 70 {
		t.Errorf("only %d queries were found", len(all))
	}
}

// everHad asks whether a query had data in the last minutes. What is not a number is none: a rate of nothing divided by a rate of
// nothing draws no line.
func everHad(t *testing.T, p *prometheus.Server, expr string) (bool, error) {
	result, err := p.Query(t.Context(), fmt.Sprintf("max_over_time((%s)[4m:1s])", expr))
	return slices.ContainsFunc(result, func(s *model.Sample) bool { return !math.IsNaN(float64(s.Value)) }), err
}

// exemplar finds an acquire that waited longer than its target, and its trace among those exported.
func exemplar(t *testing.T, c *collector.Collector, p *prometheus.Server) {
	const target = 0.010 // the line in the dashboard
	eventually(t, func() error {
		traces, err := traceIDs(c)
		if err != nil {
			return err
		}
		exemplars, err := p.Exemplars(t.Context(), "db_client_connection_wait_time_seconds_bucket")
		if err != nil {
			return err
		}
		slow := 0
		for _, e := range exemplars {
			if e.Value <= target {
				continue
			}
			slow++
			if traces[string(e.Labels["trace_id"])] {
				t.Logf("a wait of %.0f ms is in trace %s", 1000*float64(e.Value), e.Labels["trace_id"])
				return nil
			}
		}
		return fmt.Errorf("none of %d slow exemplars, of %d, is among %d traces", slow, len(exemplars), len(traces))
	})
}

func traceIDs(c *collector.Collector) (map[string]bool, error) {
	spans, err := c.Spans()
	ids := make(map[string]bool)
	for _, s := range spans {
		ids[s.TraceID().String()] = true
	}
	return ids, err
}

// leak returns the record of the leak in the play.
func leak(c *collector.Collector) (collector.Log, error) {
	logs, err := c.Logs()
	for _, l := range logs {
		if l.EventName() == "leak.suspected" && strings.Contains(text(l.Attributes(), "code.stacktrace"), "main.(*shop).forget") {
			return l, err
		}
	}
	return collector.Log{}, errors.Join(err, fmt.Errorf("no leak.suspected with its stack among %d records", len(logs)))
}

func text(m pcommon.Map, key string) string {
	v, _ := m.Get(key)
	return v.AsString()
}

func leakRecord(t *testing.T, c *collector.Collector) {
	eventually(t, func() error {
		l, err := leak(c)
		if err != nil {
			return err
		}
		traces, err := traceIDs(c)
		if err == nil && !traces[l.TraceID().String()] {
			err = fmt.Errorf("trace %s of the leak is not among %d", l.TraceID(), len(traces))
		}
		return err
	})
}

// lokiLabels stands in for Loki, which cannot be had here: the labels that the dashboard's queries ask for are those that
// Loki makes of a leak's record. It knows a resource's service by service_name and service_instance_id, and an attribute of
// a record by its name with underscores.
func lokiLabels(t *testing.T, c *collector.Collector) {
	l, err := leak(c)
	if err != nil {
		t.Fatal(err)
	}
	labels := make(map[string]bool)
	for _, m := range []pcommon.Map{l.Resource.Attributes(), l.Attributes()} {
		for name := range m.All() {
			labels[strings.ReplaceAll(name, ".", "_")] = true
		}
	}
	asked := 0
	for _, panel := range theDashboard(t).Panels {
		for _, target := range panel.Targets {
			if target.Datasource.Type != "loki" {
				continue
			}
			for _, m := range regexp.MustCompile(`(\w+)(?:=~?")|by \((\w+)\)|unwrap (\w+)`).FindAllStringSubmatch(target.Expr, -1) {
				asked++
				if label := m[1] + m[2] + m[3]; !labels[label] {
					t.Errorf("panel %q asks for %s, which is not among %v", panel.Title, label, slices.Sorted(maps.Keys(labels)))
				}
			}
		}
	}
	if asked == 0 {
		t.Error("nothing is asked of Loki")
	}
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := await.Until(ctx, 200*time.Millisecond, check); err != nil {
		t.Error(err)
	}
}
