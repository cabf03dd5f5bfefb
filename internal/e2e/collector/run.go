package collector

import (
	"testing"

	"github.com/otelpool/pgx/internal/e2e/process"
)

// Run starts the standard Collector for the length of a test. If the test fails, the Collector's log is shown.
func Run(t testing.TB) *Collector {
	t.Helper()
	return RunWith(t, Standard(t.TempDir()))
}

// RunWith is Run with another configuration; an empty Dir becomes a temporary one.
func RunWith(t testing.TB, cfg Config) *Collector {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	c, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil && !c.killed {
			t.Errorf("stop the collector: %v", err)
		}
		if t.Failed() {
			t.Logf("the collector's log:\n%s", process.Tail(c.LogPath(), 200))
		}
	})
	return c
}
