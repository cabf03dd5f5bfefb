package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/e2e/await"
	"github.com/otelpool/pgx/internal/e2e/collector"
	"github.com/otelpool/pgx/internal/e2e/prometheus"
)

// TestThePlayIsSeenByDashboardsAlertsTracesAndLogs plays the demo's fault script before a real collector and a real
// Prometheus, and then asks everything that people would look at.
func TestThePlayIsSeenByDashboardsAlertsTracesAndLogs(t *testing.T) {
	c := collector.Run(t)
	p := prometheus.Run(t, prometheus.Config{
		Dir: t.TempDir(), Targets: []string{c.PrometheusAddr()}, RuleFiles: []string{quickRules(t)}, Interval: time.Second,
	})
	fired := play(t, c, p)
	for _, alert := range []string{"PoolLeak", "PoolUnhealthy", "PoolDegraded"} {
		if !fired[alert] {
			t.Errorf("%s did not fire; these did: %v", alert, fired)
		}
	}
	t.Run("alerts resolve", func(t *testing.T) {
		eventually(t, func() error {
			active, err := p.Alerts(t.Context())
			for _, a := range active {
				if a.Name() == "PoolLeak" || a.Name() == "PoolUnhealthy" {
					err = errors.Join(err, fmt.Errorf("%s is still %s", a.Name(), a.State))
				}
			}
			return err
		})
	})
	t.Run("every query has data", func(t *testing.T) { everyQuery(t, p) })
	t.Run("an exemplar leads to its trace", func(t *testing.T) { exemplar(t, c, p) })
	t.Run("the leak's record has its stack and trace", func(t *testing.T) { leakRecord(t, c) })
}

// quickRules are the rules that users get, with every "for" shortened to a second.
func quickRules(t *testing.T) string {
	t.Helper()
	text := regexp.MustCompile(`for: \w+`).ReplaceAll(read(t, "collector-config", "prometheus", "rules.yml"), []byte("for: 1s"))
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// play runs the script to its end and collects the alerts that fire meanwhile.
func play(t *testing.T, c *collector.Collector, p *prometheus.Server) map[string]bool {
	t.Helper()
	program := filepath.Join(t.TempDir(), "demo")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./examples/demo")
	build.Dir = path(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the demo: %v\n%s", err, out)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, "-once")
	cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+c.OTLPEndpoint(), "OTEL_METRIC_EXPORT_INTERVAL=500", "DATABASE_URL=",
		"OTEL_RESOURCE_ATTRIBUTES=service.instance.id=demo-1")
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	fired := make(map[string]bool)
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("demo: %v\n%s", err, out.String())
			}
			return fired
		case <-time.After(300 * time.Millisecond):
		}
		active, err := p.Alerts(t.Context())
		if err != nil {
			t.Error(err)
		}
		for _, a := range active {
			if a.State == "firing" {
				fired[a.Name()] = true
			}
		}
	}
}

// comparison is what makes an alert of an expression.
var comparison = regexp.MustCompile(`\s*(?:>=|==|>|<)\s*[\d.]+(?:\s*\*\s*[\d.]+)?`)

// unseen are the queries that the script gives no data to, and why.
var unseen = map[string]string{
	"otelpool_size_recommended": "absent while there is too little traffic to tell",
}

func everyQuery(t *testing.T, p *prometheus.Server) {
	queries := make(map[string]string) // by expression: where it comes from
	for _, panel := range panels(t) {
		for _, target := range panel.Targets {
			queries[target.Expr] = "panel " + panel.Title
		}
	}
	for _, r := range rules(t) {
		queries[r.Expr] = "rule " + r.Alert + r.Record
	}
	for page, commands := range blocks(t, "promql") {
		for _, expr := range commands {
			queries[expr] = page
		}
	}
	variables := strings.NewReplacer("$job", ".*", "$instance", ".*", "$pool", ".*", "$__rate_interval", "2m", "[5m]", "[2m]")
	for expr, where := range queries {
		result, err := p.Query(t.Context(), comparison.ReplaceAllString(variables.Replace(expr), ""))
		switch {
		case err != nil:
			t.Errorf("%s: %v in %s", where, err, expr)
		case len(result) == 0 && !excused(expr):
			t.Errorf("%s: no data for %s", where, expr)
		}
	}
	if len(queries) < 40 {
		t.Errorf("only %d queries were found", len(queries))
	}
}

func excused(expr string) bool {
	for metric := range unseen {
		if strings.Contains(expr, metric) {
			return true
		}
	}
	return false
}

func exemplar(t *testing.T, c *collector.Collector, p *prometheus.Server) {
	eventually(t, func() error {
		spans, err := c.Spans()
		if err != nil {
			return err
		}
		traces := make(map[string]bool)
		for _, s := range spans {
			traces[s.TraceID().String()] = true
		}
		exemplars, err := p.Exemplars(t.Context(), "db_client_connection_wait_time_seconds_bucket")
		if err != nil {
			return err
		}
		for _, labels := range exemplars {
			if traces[string(labels["trace_id"])] {
				return nil
			}
		}
		return fmt.Errorf("none of %d exemplars is among %d traces", len(exemplars), len(traces))
	})
}

func leakRecord(t *testing.T, c *collector.Collector) {
	eventually(t, func() error {
		logs, err := c.Logs()
		if err != nil {
			return err
		}
		for _, l := range logs {
			stack, _ := l.Attributes().Get("code.stacktrace")
			if l.EventName() == "leak.suspected" && strings.Contains(stack.AsString(), "main.(*shop).forget") && !l.TraceID().IsEmpty() {
				return nil
			}
		}
		return fmt.Errorf("not among %d records", len(logs))
	})
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := await.Until(ctx, 200*time.Millisecond, check); err != nil {
		t.Error(err)
	}
}
