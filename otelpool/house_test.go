package otelpool_test

import (
	"os/exec"
	"strings"
	"testing"
)

const (
	module = "github.com/otelpool/pgx/"
	rooms  = module + "otelpool/internal/"
)

// house says which packages a package must not import directly. A name that ends in a slash means all packages below it.
var house = []struct{ room, never string }{
	// Imports only go down, and the hook and the judge never meet.
	{module + "tracer", module + "healthcheck " + module + "otelpool " + rooms},
	{module + "healthcheck", module + "tracer " + module + "otelpool " + rooms + " net/http"},
	{module + "internal/", module + "otelpool " + module + "tracer " + module + "healthcheck " + rooms},
	// A view is a value.
	{rooms + "view", rooms + "observe " + rooms + "probe " + rooms + "outlet/ " + rooms + "mailbox github.com/jackc/ log/slog sync"},
	// The sampler must call no code of the user, so it imports nothing that would.
	{rooms + "observe", rooms + "probe " + rooms + "outlet/ " + rooms + "mailbox log/slog go.opentelemetry.io/ net/http"},
	// The audit judges a configuration.
	{rooms + "audit", rooms + "observe " + rooms + "probe " + rooms + "outlet/ " + rooms + "mailbox log/slog go.opentelemetry.io/ net/http"},
	// Outlets only read views: they know neither who makes them nor each other, and no pool.
	{rooms + "outlet/", rooms + "observe " + rooms + "probe " + rooms + "outlet/ github.com/jackc/"},
	// The probe reads views, and answers by its state in the next one.
	{rooms + "probe", rooms + "observe " + rooms + "outlet/ " + rooms + "mailbox log/slog go.opentelemetry.io/"},
	{rooms, module + "otelpool github.com/exaring/otelpgx"},
}

// neededByTests are the packages below internal that are no part of the product, with all below them.
var neededByTests = []string{"bench", "testing"}

func TestHouse_ImportsOnlyGoDown(t *testing.T) {
	for pkg, imports := range list(t, "{{.ImportPath}} {{join .Imports \" \"}}", "./...") {
		for _, rule := range house {
			if !matches(pkg, rule.room) || isForTests(pkg) {
				continue
			}
			for _, imported := range imports {
				for _, never := range strings.Fields(rule.never) {
					if matches(imported, never) {
						t.Errorf("%s imports %s", strings.TrimPrefix(pkg, module), imported)
					}
				}
			}
		}
	}
}

func TestHouse_PullsInNeitherTheSDKNorGRPC(t *testing.T) {
	for pkg := range list(t, "{{.ImportPath}}", "-deps", module+"otelpool", module+"tracer", module+"healthcheck") {
		for _, heavy := range []string{"go.opentelemetry.io/otel/sdk", "google.golang.org/"} {
			if strings.HasPrefix(pkg, heavy) {
				t.Errorf("the library needs %s", pkg)
			}
		}
	}
	for pkg := range list(t, "{{.ImportPath}}", "-deps", module+"healthcheck", module+"tracer") {
		if pkg == "net/http" {
			t.Error("the judge or the hook needs net/http")
		}
	}
}

func TestHouse_TheProductNeedsNothingThatIsForTests(t *testing.T) {
	for pkg := range list(t, "{{.ImportPath}}", "-deps", module+"otelpool/...", module+"tracer", module+"healthcheck/...") {
		if isForTests(pkg) {
			t.Errorf("the product needs %s", pkg)
		}
	}
}

func matches(pkg, pattern string) bool {
	return pkg == pattern || strings.HasSuffix(pattern, "/") && strings.HasPrefix(pkg, pattern)
}

func isForTests(pkg string) bool {
	for _, name := range neededByTests {
		if below := module + "internal/" + name; pkg == below || strings.HasPrefix(pkg, below+"/") {
			return true
		}
	}
	return false
}

// list runs go list and returns the words after the first of each line, by the first.
func list(t *testing.T, format string, args ...string) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-f", format}, args...)...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		if words := strings.Fields(line); len(words) > 0 {
			packages[words[0]] = words[1:]
		}
	}
	return packages
}
