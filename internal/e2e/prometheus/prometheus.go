// Package prometheus runs a real Prometheus server for a test: it scrapes what the test says, evaluates rules, and
// answers queries.
package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/e2e/await"
	"github.com/otelpool/pgx/internal/e2e/process"
)

const (
	startTimeout = 30 * time.Second
	stopGrace    = 15 * time.Second
	// attempts bounds how often Start looks for another port when somebody else took the one it had found free.
	attempts = 3
)

// errNotInstalled tells what to do: these tests never skip, since a skipped test looks like one that passed.
var errNotInstalled = errors.New("prometheus is not in PATH: `apt-get install prometheus`, or https://prometheus.io/download/")

// Config says what Prometheus does.
type Config struct {
	// Dir holds its configuration, data and log. It must exist.
	Dir string
	// Targets are the host:port pairs to scrape, at /metrics.
	Targets []string
	// RuleFiles are the paths of alerting and recording rules.
	RuleFiles []string
	// Interval is how often it scrapes and evaluates the rules; zero means every second.
	Interval time.Duration
	// File is a prometheus.yml to use instead of one made from the above, with the replacements in Replace: old, new, ….
	File    string
	Replace []string
}

// Server is a running Prometheus.
type Server struct {
	dir  string
	addr string
	proc *process.Process
}

// Start starts Prometheus on a free port and waits until it is ready.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		return nil, errNotInstalled
	}
	if err := writeConfig(cfg); err != nil {
		return nil, fmt.Errorf("start prometheus: %w", err)
	}
	s := &Server{dir: cfg.Dir}
	for range attempts {
		if err = s.launch(ctx, binary); err == nil {
			return s, nil
		}
		if !strings.Contains(process.Tail(s.LogPath(), 100), "address already in use") {
			break
		}
	}
	return nil, fmt.Errorf("start prometheus: %w\n%s", err, process.Tail(s.LogPath(), 30))
}

// writeConfig writes prometheus.yml. The job and instance of what the Collector exposes are the application's own, and
// honor_labels keeps them.
func writeConfig(cfg Config) error {
	if cfg.File != "" {
		text, err := os.ReadFile(cfg.File)
		if err != nil {
			return err
		}
		replaced := strings.NewReplacer(cfg.Replace...).Replace(string(text))
		return os.WriteFile(filepath.Join(cfg.Dir, "prometheus.yml"), []byte(replaced), 0o644)
	}
	interval := cfg.Interval
	if interval == 0 {
		interval = time.Second
	}
	rules := make([]string, 0, len(cfg.RuleFiles))
	for _, file := range cfg.RuleFiles {
		abs, err := filepath.Abs(file)
		if err != nil {
			return err
		}
		rules = append(rules, abs)
	}
	text := fmt.Sprintf(`global:
  scrape_interval: %[1]s
  scrape_timeout: %[1]s
  evaluation_interval: %[1]s
rule_files: %[2]s
scrape_configs:
  - job_name: collector
    honor_labels: true
    static_configs:
      - targets: %[3]s
`, fmt.Sprintf("%dms", interval.Milliseconds()), yamlList(rules), yamlList(cfg.Targets))
	return os.WriteFile(filepath.Join(cfg.Dir, "prometheus.yml"), []byte(text), 0o644)
}

func yamlList(items []string) string {
	quoted := make([]string, len(items))
	for i, item := range items {
		quoted[i] = fmt.Sprintf("%q", item)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// launch starts the process and waits until it says it is ready.
func (s *Server) launch(ctx context.Context, binary string) error {
	addrs, err := process.FreeAddrs(1)
	if err != nil {
		return err
	}
	s.addr = addrs[0]
	s.proc, err = process.Start(process.Spec{
		Path: binary,
		Args: []string{
			"--config.file=" + filepath.Join(s.dir, "prometheus.yml"),
			"--storage.tsdb.path=" + filepath.Join(s.dir, "data"),
			"--web.listen-address=" + s.addr,
			"--enable-feature=exemplar-storage",
		},
		Dir: s.dir,
		Log: s.LogPath(),
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err = await.Until(ctx, 50*time.Millisecond, func() error {
		if err := s.proc.Err(); err != nil {
			cancel() // a Prometheus that refuses its configuration is gone: do not wait for it
			return err
		}
		_, err := s.get(ctx, "/-/ready", nil)
		return err
	})
	if err != nil {
		return errors.Join(err, s.proc.Kill())
	}
	return nil
}

// Stop asks Prometheus to end and waits for it.
func (s *Server) Stop() error { return s.proc.Stop(stopGrace) }

// URL is the address of the server.
func (s *Server) URL() string { return "http://" + s.addr }

// LogPath is the file with Prometheus' own log.
func (s *Server) LogPath() string { return filepath.Join(s.dir, "prometheus.log") }

// Run starts Prometheus for the length of a test; an empty Dir becomes a temporary one. If the test fails, Prometheus'
// log is shown.
func Run(t testing.TB, cfg Config) *Server {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop prometheus: %v", err)
		}
		if t.Failed() {
			t.Logf("prometheus' log:\n%s", process.Tail(s.LogPath(), 100))
		}
	})
	return s
}

var client = &http.Client{
	Timeout: 10 * time.Second,
	// Idle connections would outlive the test that made them.
	Transport: &http.Transport{DisableKeepAlives: true},
}
