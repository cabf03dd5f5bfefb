package stack

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/otelpool/pgx/healthcheck"
)

func TestAlerts_FireInOneCaseAndKeepQuietInAnother(t *testing.T) {
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
	Labels, Annotations      map[string]string
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

func TestRunbooks_ExistForEveryAlertAndCause(t *testing.T) {
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
