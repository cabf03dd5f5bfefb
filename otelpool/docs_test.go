package otelpool

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/otelpool/pgx/internal/telemetry"
	"github.com/otelpool/pgx/internal/testing/docs"
	"github.com/otelpool/pgx/otelpool/internal/outlet/metrics"
)

func TestGeneratedDocumentation_IsUpToDate(t *testing.T) {
	for _, file := range []string{"../README.md", "../docs/metrics.md"} {
		docs.Generated(t, file, "metrics", metricTable())
	}
	docs.Generated(t, "../README.md", "options", optionTable())
	docs.Generated(t, "../docs/metrics.md", "events", eventTable())
}

func metricTable() string {
	var b strings.Builder
	b.WriteString("| metric | kind | unit | attribute | meaning |\n|---|---|---|---|---|\n")
	for _, in := range metrics.Table {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s |\n", in.Name, in.Kind, in.Unit, quoted(string(in.Attribute)), in.Description)
	}
	return b.String()
}

func eventTable() string {
	var b strings.Builder
	b.WriteString("| event | level | when | fields |\n|---|---|---|---|\n")
	for _, e := range telemetry.LogEvents {
		var levels []string
		for _, l := range e.Levels {
			levels = append(levels, l.String())
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", e.Name, strings.Join(levels, ", "), e.Meaning, quoted(e.Fields...))
	}
	return b.String()
}

func optionTable() string {
	var b strings.Builder
	b.WriteString("| option | default | accepts | variable | meaning |\n|---|---|---|---|---|\n")
	for i := range settings {
		s := &settings[i]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", s.Option, s.Default, s.Accept, quoted(s.Variable), s.Meaning)
	}
	return b.String()
}

func quoted(names ...string) string {
	var out []string
	for _, name := range names {
		if name != "" {
			out = append(out, "`"+name+"`")
		}
	}
	return strings.Join(out, ", ")
}

func TestPackageDocumentation_NamesEveryMetric(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(doc))
	for _, in := range metrics.Table {
		if !slices.Contains(words, in.Name) {
			t.Errorf("doc.go does not name %s", in.Name)
		}
	}
}

func TestSettings_HaveARowForEveryOption(t *testing.T) {
	files, err := parser.ParseFile(token.NewFileSet(), "options.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var functions []string
	for _, d := range files.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "With") && f.Name.Name != "WithEnv" {
			functions = append(functions, f.Name.Name)
		}
	}
	var rows []string
	for i := range settings {
		rows = append(rows, settings[i].Option)
	}
	slices.Sort(functions)
	slices.Sort(rows)
	if !slices.Equal(functions, rows) {
		t.Errorf("functions\n%q, rows\n%q", functions, rows)
	}
}
