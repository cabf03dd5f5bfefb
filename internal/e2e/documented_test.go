package e2e

import (
	"os"
	"regexp"
	"testing"

	"github.com/otelpool/pgx/internal/e2e/repo"
)

// instrument is a row of the table of metrics.
type instrument struct{ name, kind, unit string }

// usage is one of them, for tests to which it does not matter which.
var usage = instrument{"otelpool.usage", "gauge", "1"}

// documented is the table in docs/metrics.md, which is made of the one that makes the instruments.
func documented(t *testing.T) (all []instrument) {
	t.Helper()
	file, err := repo.Path("docs", "metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([\\w.]+)` \\| (\\w+) \\| `([^`]+)` \\|").FindAllSubmatch(text, -1) {
		all = append(all, instrument{string(m[1]), string(m[2]), string(m[3])})
	}
	if len(all) < 30 {
		t.Fatalf("%d metrics in %s", len(all), file)
	}
	return all
}
