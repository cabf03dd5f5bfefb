// Package collector runs a real OpenTelemetry Collector with the configurations that users get, for tests that send
// telemetry through it and read back what came out of the other end.
package collector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/otelpool/pgx/internal/e2e/await"
	"github.com/otelpool/pgx/internal/e2e/process"
	"github.com/otelpool/pgx/internal/e2e/repo"
)

const (
	startTimeout = 30 * time.Second
	stopGrace    = 15 * time.Second
	// attempts bounds how often Start looks for other ports when somebody else took one of those it had found free.
	attempts = 3
)

// Config says what a Collector runs with.
type Config struct {
	// Dir holds everything the Collector writes: its log and what its file exporters received. It must exist.
	Dir string
	// Files are the names of configurations in collector-config, merged in this order.
	Files []string
	// Overlays are YAML texts merged after the files: see PrometheusAndFiles and FilesOnly.
	Overlays []string
	// Env sets variables that the configurations ask for, beside the addresses, which Start chooses.
	Env map[string]string
}

// Standard is the configuration users start with, exporting to Prometheus and to files in dir.
func Standard(dir string) Config {
	return Config{Dir: dir, Files: []string{"collector.yaml"}, Overlays: []string{PrometheusAndFiles}}
}

// Collector is a running Collector. Its methods are for one goroutine, except those that only read.
type Collector struct {
	binary string
	cfg    Config
	args   []string
	ports  addresses
	proc   *process.Process
	killed bool // by Kill: its exit status is then no failure
	run    int  // counts starts: each has files of its own, since a crash may leave the last line unfinished
}

// addresses are where a Collector listens; they stay the same over a Restart.
type addresses struct{ grpc, http, health, prometheus, self string }

// Start builds the Collector if need be, starts it on free ports and waits until it is ready.
func Start(ctx context.Context, cfg Config) (*Collector, error) {
	binary, err := Build(ctx)
	if err != nil {
		return nil, err
	}
	args, err := configArgs(cfg)
	if err != nil {
		return nil, fmt.Errorf("start the collector: %w", err)
	}
	c := &Collector{binary: binary, cfg: cfg, args: args}
	for range attempts {
		if c.ports, err = freeAddresses(); err != nil {
			return nil, fmt.Errorf("start the collector: %w", err)
		}
		if err = c.launch(ctx); err == nil {
			return c, nil
		}
		if !strings.Contains(process.Tail(c.LogPath(), 100), "address already in use") {
			break
		}
	}
	return nil, fmt.Errorf("start the collector: %w\n%s", err, process.Tail(c.LogPath(), 30))
}

// configArgs writes the overlays beside the log, where whoever debugs a test finds them, and returns the --config flags.
func configArgs(cfg Config) ([]string, error) {
	var args []string
	for _, name := range cfg.Files {
		path, err := repo.Path("collector-config", name)
		if err != nil {
			return nil, err
		}
		args = append(args, "--config", "file:"+path)
	}
	for i, text := range cfg.Overlays {
		path := filepath.Join(cfg.Dir, fmt.Sprintf("overlay-%d.yaml", i+1))
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, err
		}
		args = append(args, "--config", "file:"+path)
	}
	return args, nil
}

func freeAddresses() (addresses, error) {
	a, err := process.FreeAddrs(5)
	if err != nil {
		return addresses{}, err
	}
	return addresses{grpc: a[0], http: a[1], health: a[2], prometheus: a[3], self: a[4]}, nil
}

// launch starts the process and waits until its health check answers.
func (c *Collector) launch(ctx context.Context) error {
	c.run++
	out := filepath.Join(c.cfg.Dir, fmt.Sprintf("run-%d", c.run))
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	proc, err := process.Start(process.Spec{
		Path: c.binary, Args: c.args, Log: c.LogPath(), Env: c.environment(out),
	})
	if err != nil {
		return err
	}
	c.proc, c.killed = proc, false
	if err := c.awaitReady(ctx); err != nil {
		return errors.Join(err, proc.Kill())
	}
	return nil
}

func (c *Collector) environment(out string) []string {
	selfHost, selfPort, _ := net.SplitHostPort(c.ports.self) // FreeAddrs made it
	env := []string{
		"OTLP_GRPC_LISTEN=" + c.ports.grpc,
		"OTLP_HTTP_LISTEN=" + c.ports.http,
		"HEALTH_LISTEN=" + c.ports.health,
		"PROMETHEUS_LISTEN=" + c.ports.prometheus,
		"SELF_METRICS_HOST=" + selfHost,
		"SELF_METRICS_PORT=" + selfPort,
		"E2E_OUT=" + out,
	}
	for key, value := range c.cfg.Env {
		env = append(env, key+"="+value)
	}
	return env
}

func (c *Collector) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ctx, ended := context.WithCancelCause(ctx)
	defer ended(nil)
	proc := c.proc
	go func() { // a Collector that refuses its configuration is gone at once: do not wait for it
		select {
		case <-proc.Done():
			ended(fmt.Errorf("it ended before it was ready: %w", proc.Err()))
		case <-ctx.Done():
		}
	}()
	err := await.Until(ctx, 20*time.Millisecond, func() error {
		_, _, err := get(ctx, "http://"+c.ports.health, "")
		return err
	})
	if proc.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Stop asks the Collector to end and waits until it has written what it had received.
func (c *Collector) Stop() error { return c.proc.Stop(stopGrace) }

// Kill ends the Collector as a crash would.
func (c *Collector) Kill() error {
	c.killed = true
	return c.proc.Kill()
}

// Restart starts the Collector again on the same ports, stopping it first if it runs. What it received before stays
// readable; the Prometheus endpoint forgets.
func (c *Collector) Restart(ctx context.Context) error {
	select {
	case <-c.proc.Done():
	default:
		if err := c.Stop(); err != nil {
			return fmt.Errorf("restart the collector: %w", err)
		}
	}
	if err := c.launch(ctx); err != nil {
		return fmt.Errorf("restart the collector: %w\n%s", err, process.Tail(c.LogPath(), 30))
	}
	return nil
}

// OTLPEndpoint is what OTEL_EXPORTER_OTLP_ENDPOINT should be: OTLP over gRPC.
func (c *Collector) OTLPEndpoint() string { return "http://" + c.ports.grpc }

// OTLPHTTPEndpoint is the same over HTTP.
func (c *Collector) OTLPHTTPEndpoint() string { return "http://" + c.ports.http }

// PrometheusAddr is the host and port that Prometheus scrapes, at /metrics.
func (c *Collector) PrometheusAddr() string { return c.ports.prometheus }

// LogPath is the file with the Collector's own log.
func (c *Collector) LogPath() string { return filepath.Join(c.cfg.Dir, "collector.log") }

// Logged says whether the Collector's own log has a text; it is an error if not.
func (c *Collector) Logged(text string) error {
	log, err := os.ReadFile(c.LogPath())
	if err == nil && !strings.Contains(string(log), text) {
		err = fmt.Errorf("the collector has not logged %q", text)
	}
	return err
}

var client = &http.Client{
	Timeout: 10 * time.Second,
	// Idle connections would outlive the test that made them.
	Transport: &http.Transport{DisableKeepAlives: true},
}
