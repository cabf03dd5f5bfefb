package stack

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// dashboard is what matters here of a dashboard.
type dashboard struct {
	UID        string
	Templating struct{ List []variable }
	Panels     []panel
}

type variable struct {
	Name, Query string
	Datasource  reference
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               reference
	GridPos                  struct{ H, W, X, Y int }
	FieldConfig              struct{ Defaults struct{ Unit string } }
	Links                    []struct{ URL string }
	Targets                  []target
}

type target struct {
	RefID, Expr string
	Datasource  reference
	Exemplar    bool
}

type reference struct{ Type, UID string }

func dashboardJSON(t *testing.T) []byte {
	return read(t, "collector-config", "grafana", "dashboards", "otelpool.json")
}

func theDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal(dashboardJSON(t), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// datasources are those that Grafana is provisioned with, by UID.
func datasources(t *testing.T) map[string]string {
	t.Helper()
	var file struct {
		Datasources []struct {
			UID, Type string
			JSONData  yaml.Node `yaml:"jsonData"`
		}
	}
	if err := yaml.Unmarshal(read(t, "collector-config", "grafana", "provisioning", "datasources", "datasources.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	types := make(map[string]string)
	for _, d := range file.Datasources {
		types[d.UID] = d.Type
	}
	for _, d := range file.Datasources { // where they lead must exist too
		text, err := yaml.Marshal(&d.JSONData)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`datasourceUid: (\w+)`).FindAllStringSubmatch(string(text), -1) {
			if types[m[1]] == "" {
				t.Errorf("%s leads to %s, which there is not", d.UID, m[1])
			}
		}
	}
	return types
}

func TestPanels_SayWhatTheyShowInWhatUnitAndWhereToReadOn(t *testing.T) {
	const runbooks = "https://github.com/otelpool/pgx/blob/main/docs/runbooks/"
	known := datasources(t)
	d := theDashboard(t)
	seen := make(map[int]bool)
	titles := make(map[string]bool)
	for _, p := range d.Panels {
		if seen[p.ID] || titles[p.Title] {
			t.Errorf("two panels have the ID %d or the title %q", p.ID, p.Title)
		}
		seen[p.ID], titles[p.Title] = true, true
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 || len(p.Links) == 0 {
			t.Errorf("panel %q lacks a description, a unit, a query or a link", p.Title)
		}
		for _, l := range p.Links {
			page, ok := strings.CutPrefix(l.URL, runbooks)
			if _, err := os.Stat(path(t, "docs", "runbooks", page)); !ok || err != nil {
				t.Errorf("panel %q leads to %s: %v", p.Title, l.URL, err)
			}
		}
		for _, target := range p.Targets {
			if target.Datasource != p.Datasource || known[target.Datasource.UID] != target.Datasource.Type {
				t.Errorf("panel %q asks %v, and Grafana has %v", p.Title, target.Datasource, known)
			}
		}
	}
	for _, v := range d.Templating.List {
		if known[v.Datasource.UID] != v.Datasource.Type {
			t.Errorf("variable %s asks %v", v.Name, v.Datasource)
		}
	}
}

func TestPanels_DoNotOverlap(t *testing.T) {
	taken := make(map[[2]int]string)
	for _, p := range theDashboard(t).Panels {
		for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%q is on %q, or beyond the edge, at %d, %d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// okabeIto is a palette whose colours most people with any kind of colour blindness can tell apart.
var okabeIto = []string{"#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}

func TestColours_AreDistinctForTheColourBlindToo(t *testing.T) {
	text := string(dashboardJSON(t))
	for _, colour := range regexp.MustCompile(`#[0-9A-Fa-f]{6}`).FindAllString(text, -1) {
		if !slices.Contains(okabeIto, colour) {
			t.Errorf("%s is not of the palette", colour)
		}
	}
	for _, m := range regexp.MustCompile(`"mode": "([a-z-]*(?:palette|continuous)[a-z-]*)"`).FindAllStringSubmatch(text, -1) {
		t.Errorf("%s is a palette of Grafana's own, with red beside green", m[1])
	}
	for _, m := range regexp.MustCompile(`"(?:fixedColor|color)": "([^"#]+)"`).FindAllStringSubmatch(text, -1) {
		if m[1] != "transparent" {
			t.Errorf("colour %q depends on Grafana's theme", m[1])
		}
	}
}
