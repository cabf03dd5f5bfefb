package stack

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelpool/pgx/internal/e2e/repo"
)

func TestDashboard_IsWhatGrafanasSchemaSays(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(path(t, "collector-config", "grafana", "dashboards"), "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("dashboards: %v, %v", files, err)
	}
	dashboards := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		dashboards[strings.TrimSuffix(filepath.Base(file), ".json")] = string(text)
	}
	if complaints := checkSchema(t, dashboards); complaints != "" {
		t.Errorf("the lines are those of the JSON files:\n%s", complaints)
	}
}

// TestSchema_IsThatOfTheGrafanaThatComposeStarts: a newer Grafana may have options that an older schema refuses.
func TestSchema_IsThatOfTheGrafanaThatComposeStarts(t *testing.T) {
	var manifest struct{ Dependencies map[string]string }
	if err := json.Unmarshal(read(t, "internal", "e2e", "stack", "grafana", "package.json"), &manifest); err != nil {
		t.Fatal(err)
	}
	_, image, _ := strings.Cut(compose(t, "").Services["grafana"].Image, ":")
	if schema := manifest.Dependencies["@grafana/schema"]; schema != image {
		t.Errorf("the schema is of Grafana %s, and docker-compose.yml starts %s", schema, image)
	}
}

// sound is a small dashboard with one of everything that the mistakes below get wrong.
const sound = `{
  "uid": "small",
  "title": "Small",
  "schemaVersion": 41,
  "panels": [
    {"id": 1, "type": "row", "title": "Row", "collapsed": false, "panels": []},
    {
      "id": 2,
      "type": "timeseries",
      "links": [{"title": "Runbook", "url": "https://example.com"}],
      "gridPos": {"h": 8, "w": 8, "x": 0, "y": 0},
      "fieldConfig": {
        "defaults": {"unit": "s", "color": {"mode": "thresholds"}, "custom": {"drawStyle": "line"}},
        "overrides": [{"matcher": {"id": "byName", "options": "a"}, "properties": [{"id": "custom.lineWidth", "value": 2}]}]
      },
      "options": {"tooltip": {"mode": "multi", "sort": "desc"}},
      "targets": [{"refId": "A", "datasource": {"type": "loki", "uid": "loki"}, "expr": "{}", "queryType": "range"}]
    }
  ]
}`

func TestSchema_RefusesAPanelWithAMistake(t *testing.T) {
	mistakes := map[string]struct{ old, new string }{
		"dashboard-unknown-property": {`"title": "Small",`, `"titel": "Small",`},
		"dashboard-no-version":       {`"schemaVersion": 41,`, ``},
		"row-unknown-property":       {`"collapsed": false,`, `"collapsed": false, "height": 3,`},
		"panel-unknown-type":         {`"timeseries"`, `"time-series"`},
		"panel-unknown-property":     {`"gridPos": `, `"gridPosition": `},
		"panel-string-for-number":    {`"h": 8`, `"h": "8"`},
		"panel-link-without-target":  {`, "url": "https://example.com"`, ``},
		"panel-options-of-another":   {`"options": {"tooltip"`, `"options": {"showHeader": true, "tooltip"`},
		"option-no-such-value":       {`"multi"`, `"many"`},
		"field-no-such-mode":         {`{"mode": "thresholds"}`, `{"mode": "threshold"}`},
		"field-unknown-property":     {`"unit"`, `"units"`},
		"custom-no-such-value":       {`"drawStyle": "line"`, `"drawStyle": "lines"`},
		"custom-unknown-property":    {`"drawStyle": "line"`, `"style": "line"`},
		"override-unknown-property":  {`"custom.lineWidth"`, `"custom.width"`},
		"override-string-for-number": {`"value": 2`, `"value": "2"`},
		"query-of-another-source":    {`"queryType": "range"`, `"exemplar": true`},
		"query-no-such-type":         {`"queryType": "range"`, `"queryType": "ranged"`},
		"query-unknown-property":     {`"queryType": "range"`, `"query": "range"`},
		"query-without-expression":   {`"expr": "{}", `, ``},
	}
	dashboards := map[string]string{"sound": sound}
	for name, m := range mistakes {
		if strings.Count(sound, m.old) != 1 {
			t.Fatalf("%s: %q is not once in the sound dashboard", name, m.old)
		}
		dashboards[name] = strings.Replace(sound, m.old, m.new, 1)
	}
	complaints := "\n" + checkSchema(t, dashboards)
	for name := range dashboards {
		if refused := strings.Contains(complaints, "\n"+name+".ts("); refused == (name == "sound") {
			t.Errorf("%s: refused: %v", name, refused)
		}
	}
	if t.Failed() {
		t.Log(complaints)
	}
}

// checkSchema returns what the TypeScript compiler says against dashboards, which are JSON by name.
func checkSchema(t *testing.T, dashboards map[string]string) (complaints string) {
	t.Helper()
	modules, err := nodeModules()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"tsconfig.json", "dashboard.ts"} {
		write(name, read(t, "internal", "e2e", "stack", "grafana", name))
	}
	for name, text := range dashboards {
		if !json.Valid([]byte(text)) { // the compiler would take a comment or a trailing comma, and Grafana does not
			t.Fatalf("%s is not JSON", name)
		}
		// A literal, because only of those does the compiler refuse unknown properties. All on the first line, so that the
		// compiler's line numbers are those of the JSON.
		write(name+".ts", []byte("import type { Dashboard } from './dashboard'; export const _: Dashboard = "+text))
	}
	out, err := node(t.Context(), dir, "node", filepath.Join(modules, "typescript", "bin", "tsc"), "--project", ".")
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || !strings.Contains(out, "error TS")) {
		t.Fatalf("tsc: %v\n%s", err, out)
	}
	return out
}

// nodeModules returns a directory with what package.json asks for, which the user's cache directory keeps by the lock.
var nodeModules = sync.OnceValues(func() (string, error) {
	source, err := repo.Path("internal", "e2e", "stack", "grafana")
	if err != nil {
		return "", err
	}
	lock, err := os.ReadFile(filepath.Join(source, "package-lock.json"))
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	root := filepath.Join(cache, "otelpool", "grafana-schema")
	target := filepath.Join(root, fmt.Sprintf("%x", sha256.Sum256(lock))[:24])
	modules := filepath.Join(target, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	// Beside the target and then renamed: who finds the target finds it whole, and of two who install one wins.
	tmp, err := os.MkdirTemp(root, "install-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if err := os.CopyFS(tmp, os.DirFS(source)); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if out, err := node(ctx, tmp, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"); err != nil {
		return "", fmt.Errorf("npm ci (`make deps-e2e` installs npm): %w\n%s", err, out)
	}
	if err := os.Rename(tmp, target); err != nil {
		if _, missing := os.Stat(modules); missing != nil {
			return "", err
		}
	}
	return modules, nil
})

func node(ctx context.Context, dir, name string, args ...string) (output string, err error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	return string(out), err
}
