package otelpool

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/otelpool/pgx/internal/docs"
)

func TestGeneratedDocumentationIsUpToDate(t *testing.T) {
	for _, file := range []string{"../README.md", "../docs/metrics.md"} {
		docs.Generated(t, file, "metrics", metricTable())
	}
}

func metricTable() string {
	var b strings.Builder
	b.WriteString("| metric | kind | unit | attributes | meaning |\n|---|---|---|---|---|\n")
	for _, in := range instruments {
		var attrs []string
		for _, key := range in.attributes {
			attrs = append(attrs, "`"+string(key)+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s |\n", in.name, in.kind, in.unit, strings.Join(attrs, ", "), in.description)
	}
	return b.String()
}

func TestEveryMetricIsInThePackageDocumentation(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(doc))
	for _, in := range instruments {
		if !slices.Contains(words, in.name) {
			t.Errorf("doc.go does not name %s", in.name)
		}
	}
}
