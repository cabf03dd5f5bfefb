package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/e2e/await"
	"github.com/otelpool/pgx/internal/e2e/collector"
	"github.com/otelpool/pgx/internal/e2e/process"
	"github.com/otelpool/pgx/internal/testing/postgres"
)

// service is a run of examples/httpserver, which exports every signal several times a second.
type service struct {
	t          *testing.T
	api, admin string
	log        string
	*process.Process
}

func startService(t *testing.T, endpoint string) *service {
	t.Helper()
	server, err := postgres.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	addrs, err := process.FreeAddrs(2)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, log: filepath.Join(t.TempDir(), "log"),
		api: addrs[0], admin: addrs[1]}
	s.Process, err = process.Start(process.Spec{
		Path: buildExample(t, "httpserver"), Args: []string{"-api", s.api, "-admin", s.admin}, Log: s.log,
		Env: []string{"DATABASE_URL=" + server.DSN() + "&pool_max_conns=4", "OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint,
			"OTEL_METRIC_EXPORT_INTERVAL=200", "OTEL_BSP_SCHEDULE_DELAY=200", "OTEL_BLRP_SCHEDULE_DELAY=200",
			"OTEL_EXPORTER_OTLP_TIMEOUT=300"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(30 * time.Second); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the service's log:\n%s", process.Tail(s.log, 50))
		}
	})
	awaitAll(t, func() error { _, err := s.get(s.admin, "/startupz"); return err })
	return s
}

func (s *service) get(addr, path string) (string, error) {
	resp, err := http.Get("http://" + addr + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, body)
	}
	return string(body), err
}

// serve has the service answer n requests of twice as many clients as its pool has connections. Every one must be answered.
func (s *service) serve(n int64) {
	s.t.Helper()
	var left, failed atomic.Int64
	left.Store(n)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := s.get(s.api, "/time"); err != nil && failed.Add(1) == 1 {
					s.t.Error(err)
				}
			}
		})
	}
	clients.Wait()
	if n := failed.Load(); n > 0 {
		s.t.Errorf("%d requests failed", n)
	}
	if _, err := s.get(s.admin, "/health/database"); err != nil {
		s.t.Error(err)
	}
}

// resident is the service's memory, in bytes.
func (s *service) resident() int64 {
	s.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); words[0] == "VmRSS:" {
			kib, err := strconv.ParseInt(words[1], 10, 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return kib << 10
		}
	}
	s.t.Fatal("no VmRSS")
	return 0
}

// complaints are the lines that the service logged about telemetry, from whomever.
func (s *service) complaints() (lines []string) {
	s.t.Helper()
	f, err := os.Open(s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if line := in.Text(); strings.Contains(line, "telemetry") || strings.Contains(line, "export") || strings.Contains(line, "grpc") {
			lines = append(lines, line)
		}
	}
	return lines
}

func (s *service) awaitComplaint() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := await.Until(ctx, 50*time.Millisecond, func() error {
		if len(s.complaints()) == 0 {
			return errNothingYet
		}
		return nil
	}); err != nil {
		s.t.Errorf("nobody was warned: %v", err)
	}
}

// enough is how many requests make more spans than the SDK's queue holds, many times over: 30,000 kept spans would be seen.
const enough = 30_000

func TestService_WithoutACollectorServesInBoundedMemoryAndWarnsOnce(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T) *service{
		"nobody was ever there": func(t *testing.T) *service {
			addrs, err := process.FreeAddrs(1)
			if err != nil {
				t.Fatal(err)
			}
			return startService(t, "http://"+addrs[0])
		},
		"killed while it serves": func(t *testing.T) *service {
			c := collector.Run(t)
			s := startService(t, c.OTLPEndpoint())
			s.serve(enough / 10)
			if lines := s.complaints(); len(lines) > 0 {
				t.Errorf("warned of a collector that is there: %q", lines)
			}
			killed := make(chan error)
			go func() { killed <- c.Kill() }()
			s.serve(enough / 10)
			if err := <-killed; err != nil {
				t.Error(err)
			}
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := lose(t)
			s.serve(enough / 5) // fills every queue
			s.awaitComplaint()
			before := s.resident()
			s.serve(enough)
			after := s.resident()
			t.Logf("%d MiB, and %d MiB after %d more requests", before>>20, after>>20, enough)
			if grown := after - before; grown > 16<<20 {
				t.Errorf("%d MiB are kept", grown>>20)
			}
			if lines := s.complaints(); len(lines) != 1 || !strings.Contains(lines[0], "telemetry is not delivered") {
				t.Errorf("warned %d times: %q", len(lines), lines)
			}
		})
	}
}
