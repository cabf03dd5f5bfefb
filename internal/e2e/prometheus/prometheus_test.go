package prometheus_test

import (
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/otelpool/pgx/internal/e2e/prometheus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStart_SaysWhereToGetPrometheus(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := prometheus.Start(t.Context(), prometheus.Config{Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "apt-get install prometheus") {
		t.Fatalf("Start() = %v, want an error that says how to install it", err)
	}
}

func TestQuery_SaysWhatIsWrongWithIt(t *testing.T) {
	s := prometheus.Run(t, prometheus.Config{})
	if _, err := s.Query(t.Context(), "sum("); err == nil || !strings.Contains(err.Error(), "parse error") {
		t.Fatalf("Query() = %v, want a parse error", err)
	}
	got, err := s.Query(t.Context(), "vector(1)")
	if err != nil || len(got) != 1 || got[0].Value != 1 {
		t.Fatalf("Query() = %v, %v, want 1", got, err)
	}
}

func TestStart_ShowsTheLogWhenItsConfigurationIsRefused(t *testing.T) {
	_, err := prometheus.Start(t.Context(), prometheus.Config{Dir: t.TempDir(), Targets: []string{"http://not-a-target/"}})
	if err == nil || !strings.Contains(err.Error(), "not-a-target") {
		t.Fatalf("Start() = %v, want an error that shows what was refused", err)
	}
}
