package stack

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/otelpool/pgx/healthcheck"
	"github.com/otelpool/pgx/otelpool"
)

// pages are the runbooks and the troubleshooting guide.
func pages(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(path(t, "docs", "runbooks", "*.md"))
	if err != nil || len(all) == 0 {
		t.Fatalf("no runbooks: %v", err)
	}
	return append(all, path(t, "docs", "troubleshooting.md"))
}

// texts are the pages' texts by their names.
func texts(t *testing.T) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(page)] = string(text)
	}
	return out
}

func isCause(page string) bool {
	return slices.Contains(healthcheck.Causes, healthcheck.Cause(strings.TrimSuffix(page, ".md")))
}

var block = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")

// blocks are the commands of one language in the documentation, by the page that has them.
func blocks(t *testing.T, language string) map[string][]string {
	t.Helper()
	out := make(map[string][]string)
	for page, text := range texts(t) {
		for _, m := range block.FindAllStringSubmatch(text, -1) {
			if m[1] == language {
				out[page] = append(out[page], strings.TrimSpace(m[2]))
			}
		}
	}
	return out
}

// command matches what would be typed at a prompt but stands in a sentence, where no test runs it.
var command = regexp.MustCompile("`(?:SELECT|SHOW|SET|ALTER|GRANT|REVOKE|psql|pg_isready|pg_cancel_backend|pg_terminate_backend|curl|" +
	"go tool|kubectl|openssl|cat|time|sum|max|rate|increase|histogram_quantile)[ (][^`]*`")

func TestRunbooks_EveryCommandIsInABlockThatATestRuns(t *testing.T) {
	for page, text := range texts(t) {
		for _, m := range block.FindAllStringSubmatch(text, -1) {
			if !slices.Contains([]string{"sql", "promql", "sh"}, m[1]) {
				t.Errorf("%s: nothing runs a block of %q:\n%s", page, m[1], m[2])
			}
		}
		prose := block.ReplaceAllString(text, "")
		if strings.Contains(prose, "```") {
			t.Errorf("%s: a block is not closed, or indented", page)
		}
		for _, found := range command.FindAllString(prose, -1) {
			t.Errorf("%s: %s is a command; put it into a block of its own", page, found)
		}
	}
}

var heading = regexp.MustCompile(`(?m)^## (.+)$`)

func TestRunbooks_OfCausesHaveTheSameSections(t *testing.T) {
	want := []string{"What it means", "How to see it", "What to do now", "How to prevent it"}
	for page, text := range texts(t) {
		if !isCause(page) {
			continue
		}
		var got []string
		for _, m := range heading.FindAllStringSubmatch(text, -1) {
			got = append(got, m[1])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s has the sections %q, want %q", page, got, want)
		}
	}
}

var (
	dashboardItem = regexp.MustCompile(`(?m)^- Dashboard "Connection pools": .*"`)
	quoted        = regexp.MustCompile(`"([^"]+)"`)
	endpoint      = regexp.MustCompile(`/(?:livez|startupz|readyz|health|debug)\b[\w/.]*\w`)
	link          = regexp.MustCompile(`\]\([^)]*\)`)
)

// TestRunbooks_NamePanelsAndEndpointsThatExist takes each name in quotes, outside of commands, for the name of a panel.
func TestRunbooks_NamePanelsAndEndpointsThatExist(t *testing.T) {
	known := map[string]bool{"Connection pools": true}
	for _, p := range theDashboard(t).Panels {
		known[p.Title] = p.Type != "row"
	}
	var named struct{ Title string }
	if err := json.Unmarshal(dashboardJSON(t), &named); err != nil || !strings.HasPrefix(named.Title, "Connection pools") {
		t.Errorf("the dashboard's title is %q, %v", named.Title, err)
	}
	_, monitor, err := otelpool.Open(t.Context(), "postgres://nobody@127.0.0.1:1/nothing", // it connects lazily: never, here
		otelpool.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	defer monitor.Shutdown(t.Context())
	handler := monitor.Handler()
	for page, text := range texts(t) {
		prose := strings.Join(strings.Fields(block.ReplaceAllString(text, "")), " ")
		for _, m := range quoted.FindAllStringSubmatch(prose, -1) {
			if !known[m[1]] {
				t.Errorf("%s: the dashboard has no panel %q", page, m[1])
			}
		}
		endpoints := endpoint.FindAllString(link.ReplaceAllString(text, ""), -1)
		for _, e := range endpoints {
			answer := httptest.NewRecorder()
			handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, e, nil))
			if answer.Code == http.StatusNotFound {
				t.Errorf("%s: there is no %s", page, e)
			}
		}
		if isCause(page) && (!dashboardItem.MatchString(text) || len(endpoints) == 0) {
			t.Errorf("%s names no panel of the dashboard, or no endpoint", page)
		}
	}
}

// TestRunbookIndex_HasEveryCauseAndAlert: it has no other, and with each cause the sentence that its page begins with.
func TestRunbookIndex_HasEveryCauseAndAlert(t *testing.T) {
	index := string(read(t, "docs", "runbooks", "README.md"))
	var want, got []string
	for _, c := range healthcheck.Causes {
		want = append(want, string(c)+"|"+string(c)+".md")
	}
	for _, a := range alerts(t) {
		want = append(want, a.Alert+"|")
	}
	for _, m := range regexp.MustCompile("(?m)^\\| \\[?`(\\w+)`(?:\\]\\((\\w+\\.md)\\))? \\|").FindAllStringSubmatch(index, -1) {
		got = append(got, m[1]+"|"+m[2])
	}
	for page, text := range texts(t) {
		_, meaning, _ := strings.Cut(text, "## What it means\n\n")
		meaning, _, _ = strings.Cut(strings.ReplaceAll(meaning, "\n", " "), ". ")
		if isCause(page) && !strings.Contains(index, "]("+page+") | "+strings.TrimSuffix(strings.TrimSpace(meaning), ".")+". |") {
			t.Errorf("%s: the index does not say %q", page, meaning)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the rows are %q, want %q", got, want)
	}
}

func TestRunbooks_ForgetNoTransactionThatHasFailed(t *testing.T) {
	for page, commands := range blocks(t, "sql") {
		for _, sql := range commands {
			if strings.Contains(sql, "'idle in transaction'") && !strings.Contains(sql, "'idle in transaction (aborted)'") {
				t.Errorf("%s: a failed transaction holds its connection and its locks as well:\n%s", page, sql)
			}
		}
	}
}

func TestRunbooks_EveryLinkLeadsSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", filepath.Base(page), err)
			}
		}
	}
}

// TestRunbooks_SeeAFirstBurst: the series of an error begins with the first errors, so increase alone would show nothing.
func TestRunbooks_SeeAFirstBurst(t *testing.T) {
	const labels = `job="orders", instance="orders-1", db_client_connection_pool_name="main", error_type="28P01"`
	type sample struct {
		Labels string
		Value  float64
	}
	type ask struct {
		Expr    string
		At      string   `yaml:"eval_time"`
		Samples []sample `yaml:"exp_samples"`
	}
	var asks []ask
	for _, exprs := range blocks(t, "promql") {
		for _, expr := range exprs {
			if strings.Contains(expr, "increase(otelpool_connect_failures_total") {
				asks = append(asks, ask{expr, "25m", []sample{{"{" + labels + "}", 3}}}, ask{expr, "40m", []sample{{"{" + labels + "}", 0}}})
			}
		}
	}
	if len(asks) == 0 {
		t.Fatal("no page counts failed connects")
	}
	asks = append(asks, ask{"increase(otelpool_connect_failures_total[15m])", "25m", []sample{{"{" + labels + "}", 0}}}) // why they do not
	text, err := yaml.Marshal(map[string]any{"tests": []any{map[string]any{
		"interval":         "1m",
		"input_series":     []any{map[string]string{"series": "otelpool_connect_failures_total{" + labels + "}", "values": "_x20 3x30"}},
		"promql_expr_test": asks,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "burst.yml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "promtool", "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
