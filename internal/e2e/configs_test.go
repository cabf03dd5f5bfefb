package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/otelpool/pgx/internal/e2e/collector"
	"github.com/otelpool/pgx/internal/e2e/repo"
)

var (
	hasPipelines = regexp.MustCompile(`(?m)^  pipelines:`)
	hasReceivers = regexp.MustCompile(`(?m)^receivers:`)
)

// collectorConfigs returns the Collector's configurations in collector-config: what has pipelines. One without
// receivers of its own is an overlay, and stands on collector.yaml.
func collectorConfigs(t *testing.T) [][]string {
	t.Helper()
	dir, err := repo.Path("collector-config")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var configs [][]string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		switch {
		case !hasPipelines.Match(text):
		case hasReceivers.Match(text):
			configs = append(configs, []string{name})
		default:
			configs = append(configs, []string{"collector.yaml", name})
		}
	}
	return configs
}

func TestCollector_AcceptsEveryConfiguration(t *testing.T) {
	configs := collectorConfigs(t)
	for _, want := range []string{"collector.yaml", "collector-prometheus-otlp.yaml", "agent.yaml", "gateway.yaml"} {
		if !slices.ContainsFunc(configs, func(c []string) bool { return c[len(c)-1] == want }) {
			t.Errorf("%s is not among the configurations found: %v", want, configs)
		}
	}
	for _, files := range configs {
		t.Run(files[len(files)-1], func(t *testing.T) {
			t.Parallel()
			if err := collector.Validate(t.Context(), files...); err != nil {
				t.Error(err)
			}
		})
	}
}
