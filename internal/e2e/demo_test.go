package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/otelpool/pgx/internal/e2e/collector"
	"github.com/otelpool/pgx/internal/e2e/repo"
)

// buildExample compiles a program of examples/ and returns its path.
func buildExample(t *testing.T, name string) string {
	t.Helper()
	root, err := repo.Root()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), name)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./examples/"+name)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return program
}

// demo is a run of examples/demo.
type demo struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

func startDemo(t *testing.T, endpoint string, args ...string) *demo {
	t.Helper()
	d := &demo{cmd: exec.CommandContext(t.Context(), buildExample(t, "demo"), args...)}
	d.cmd.Env = append(os.Environ(), "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint, "OTEL_METRIC_EXPORT_INTERVAL=1000", "DATABASE_URL=")
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(os.Interrupt) } // it has a server to remove
	d.cmd.WaitDelay = 20 * time.Second
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return d
}

// wait expects the demo to end well.
func (d *demo) wait(t *testing.T) {
	t.Helper()
	if err := d.cmd.Wait(); err != nil {
		t.Fatalf("demo: %v\n%s", err, d.out.String())
	}
}

// unseen are the metrics that a demo in which nothing goes wrong need not send.
var unseen = []string{"otelpool.connect.failures", "otelpool.size.recommended"}

func TestDemo_ReachesTheCollectorWithMetricsSpansAndLogs(t *testing.T) {
	c, all := collector.Run(t), documented(t)
	startDemo(t, c.OTLPEndpoint(), "-for", "8s").wait(t)

	awaitAll(t, func() error {
		last, err := lastMetrics(c)
		if err != nil {
			return err
		}
		for _, want := range all {
			if m, ok := last[want.name]; ok && m.Unit() != want.unit || !ok && !slices.Contains(unseen, want.name) {
				return fmt.Errorf("%s in %s is missing; there are %v", want.name, want.unit, slices.Sorted(maps.Keys(last)))
			}
		}
		return plausible(last)
	})
	awaitAll(t, func() error {
		spans, err := c.Spans()
		if err != nil {
			return err
		}
		names := make(map[string]int)
		for _, s := range spans {
			names[s.Name()]++
		}
		for _, want := range []string{"browse", "order", "SELECT", "UPDATE", "INSERT"} {
			if names[want] == 0 {
				return fmt.Errorf("no span %q among %v", want, names)
			}
		}
		return nil
	})
	awaitAll(t, func() error {
		logs, err := c.Logs()
		if err != nil {
			return err
		}
		var events []string
		for _, l := range logs {
			events = append(events, l.EventName())
		}
		for _, want := range []string{"pool.initialized", "shutdown.completed"} {
			if !slices.Contains(events, want) {
				return fmt.Errorf("no log event %q among %q", want, events)
			}
		}
		// A bridge calls every level enabled, and a shop acquires hundreds of times a second.
		if slices.Contains(events, "connection.acquired") || len(events) > 50 {
			return fmt.Errorf("%d log records: %q", len(events), events)
		}
		return nil
	})
}

// lastMetrics is the latest export of each metric.
func lastMetrics(c *collector.Collector) (map[string]collector.Metric, error) {
	all, err := c.Metrics()
	last := make(map[string]collector.Metric)
	for _, m := range all {
		last[m.Name()] = m
	}
	return last, err
}

// plausible compares what must agree: every acquire was a wait, every release a use, and the pool has a name.
func plausible(last map[string]collector.Metric) error {
	waits, uses := last["db.client.connection.wait_time"].Histogram(), last["db.client.connection.use_time"].Histogram()
	var acquired, released float64
	for _, p := range last["otelpool.acquires"].Sum().DataPoints().All() {
		acquired += number(p)
		if pool := attr(p.Attributes(), "db.client.connection.pool.name"); pool != "shop" {
			return fmt.Errorf("pool %q", pool)
		}
	}
	for _, p := range last["otelpool.releases"].Sum().DataPoints().All() {
		released += number(p)
	}
	waited, used := count(waits), count(uses)
	if acquired < 500 || waited < acquired || used < released {
		return fmt.Errorf("%v acquires, %v waits, %v releases, %v uses", acquired, waited, released, used)
	}
	return nil
}

func number(p pmetric.NumberDataPoint) float64 {
	if p.ValueType() == pmetric.NumberDataPointValueTypeInt {
		return float64(p.IntValue())
	}
	return p.DoubleValue()
}

func count(h pmetric.Histogram) (n float64) {
	for _, p := range h.DataPoints().All() {
		n += float64(p.Count())
	}
	return n
}

func TestDeadEndpoint_ChangesNothingForTheApplication(t *testing.T) {
	d := startDemo(t, "http://127.0.0.1:1", "-for", "6s")
	// It cannot deliver what is left when it ends and says so; the pool was served all the same.
	err := d.cmd.Wait()
	out := d.out.String()
	if err != nil && !strings.Contains(out, "send the last telemetry") {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(out, "acquires") || strings.Contains(out, "unhealthy") {
		t.Errorf("the pool suffered:\n%s", out)
	}
}

func TestKilledCollector_ChangesNothingForTheApplication(t *testing.T) {
	c := collector.Run(t)
	d := startDemo(t, c.OTLPEndpoint(), "-for", "10s")
	awaitAll(t, func() error {
		last, err := lastMetrics(c)
		if err == nil && len(last) == 0 {
			err = errNothingYet
		}
		return err
	})
	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	<-ctx.Done() // a while without
	if err := c.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.wait(t)
	if out := d.out.String(); strings.Contains(out, "unhealthy") {
		t.Errorf("the pool suffered:\n%s", out)
	}
}
