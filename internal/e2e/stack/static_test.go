package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
	"gopkg.in/yaml.v3"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/internal/e2e/repo"
	"github.com/otelpool/pgx/internal/postgres"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// path is a file of the repository.
func path(t *testing.T, elem ...string) string {
	t.Helper()
	p, err := repo.Path(elem...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func read(t *testing.T, elem ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestEveryAlertFiresInOneCaseAndKeepsQuietInAnother(t *testing.T) {
	dir := path(t, "collector-config", "prometheus")
	for _, args := range [][]string{
		{"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"}, {"check", "config", "--syntax-only", "prometheus.yml"},
	} {
		cmd := exec.CommandContext(t.Context(), "promtool", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v (is Prometheus installed? apt-get install prometheus)\n%s", strings.Join(args, " "), err, out)
		}
	}
	tests := string(read(t, "collector-config", "prometheus", "rules_test.yml"))
	for _, a := range alerts(t) {
		for _, kind := range []string{"fires", "keeps quiet"} {
			if !strings.Contains(tests, "name: "+a.Alert+" "+kind+"\n") {
				t.Errorf("no case in which %s %s", a.Alert, kind)
			}
		}
	}
}

// rule is an alert or a recording rule.
type rule struct {
	Alert, Record, Expr, For string
	Annotations              map[string]string
}

func rules(t *testing.T) (all []rule) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal(read(t, "collector-config", "prometheus", "rules.yml"), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func alerts(t *testing.T) (out []rule) {
	for _, r := range rules(t) {
		if r.Alert != "" {
			out = append(out, r)
		}
	}
	return out
}

func TestEveryAlertAndCauseHasItsRunbook(t *testing.T) {
	const base = "https://github.com/otelpool/pgx/blob/main/"
	for _, a := range alerts(t) {
		file, ok := strings.CutPrefix(a.Annotations["runbook_url"], base)
		if _, err := os.Stat(path(t, file)); !ok || err != nil {
			t.Errorf("%s: runbook %q: %v", a.Alert, a.Annotations["runbook_url"], err)
		}
	}
	for _, c := range healthcheck.Causes {
		if _, err := os.Stat(path(t, "docs", "runbooks", string(c)+".md")); err != nil {
			t.Errorf("%s: %v", c, err)
		}
	}
}

var block = regexp.MustCompile("(?s)```(sql|promql)\n(.*?)```")

// blocks are the commands of one language in the documentation, by the page that has them.
func blocks(t *testing.T, language string) map[string][]string {
	t.Helper()
	pages, err := filepath.Glob(path(t, "docs", "runbooks", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no runbooks: %v", err)
	}
	out := make(map[string][]string)
	for _, page := range append(pages, path(t, "docs", "troubleshooting.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(text), -1) {
			if m[1] == language {
				out[filepath.Base(page)] = append(out[filepath.Base(page)], strings.TrimSpace(m[2]))
			}
		}
	}
	return out
}

func TestEverySQLCommandOfTheRunbooksRuns(t *testing.T) {
	server, err := postgres.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	conn, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	n := 0
	for page, commands := range blocks(t, "sql") {
		for _, sql := range commands {
			n++
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Errorf("%s: %v in\n%s", page, err, sql)
			}
		}
	}
	if n < len(healthcheck.Causes) {
		t.Errorf("only %d commands in the runbooks", n)
	}
}

func TestTheComposeFileStartsWhatItSays(t *testing.T) {
	options, err := cli.NewProjectOptions([]string{path(t, "docker-compose.yml")}, cli.WithProfiles([]string{"jaeger"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"postgres", "demo", "otel-collector", "prometheus", "alertmanager", "grafana", "tempo", "loki", "jaeger"} {
		if _, ok := project.Services[want]; !ok {
			t.Errorf("no service %s", want)
		}
	}
	for name, s := range project.Services {
		if s.Build == nil && !regexp.MustCompile(`:v?\d+\.\d+`).MatchString(s.Image) {
			t.Errorf("%s: image %q is not pinned", name, s.Image)
		}
		for _, v := range s.Volumes {
			if _, err := os.Stat(v.Source); err != nil || !v.ReadOnly {
				t.Errorf("%s: mount %s: read-only %v, %v", name, v.Source, v.ReadOnly, err)
			}
		}
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is published on %q", name, p.Published, p.HostIP)
			}
		}
		for other, d := range s.DependsOn {
			if d.Condition == "service_healthy" && project.Services[other].HealthCheck == nil {
				t.Errorf("%s waits for the health of %s, which has no check", name, other)
			}
		}
		if s.Build != nil {
			if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// panel is what matters here of a dashboard's panel.
type panel struct {
	ID          int
	Type, Title string
	Description string
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct{ Expr string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	var dashboard struct{ Panels []panel }
	if err := json.Unmarshal(read(t, "collector-config", "grafana", "dashboards", "otelpool.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	return dashboard.Panels
}

func TestEveryPanelSaysWhatItShowsAndInWhatUnit(t *testing.T) {
	seen := make(map[int]bool)
	for _, p := range panels(t) {
		if seen[p.ID] {
			t.Errorf("two panels have the ID %d", p.ID)
		}
		seen[p.ID] = true
		if p.Type != "row" && (p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0) {
			t.Errorf("panel %q lacks a description, a unit or a query", p.Title)
		}
		for page := range strings.SplitSeq(p.Description, "docs/runbooks/") {
			name, _, ok := strings.Cut(page, ".md")
			if _, err := os.Stat(path(t, "docs", "runbooks", name+".md")); ok && !strings.Contains(name, "/") && err != nil {
				t.Error(fmt.Errorf("panel %q: %w", p.Title, err))
			}
		}
	}
}
