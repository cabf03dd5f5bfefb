package otelpool

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated documentation instead of comparing it")

// generated are the files that hold a table between markers.
var generated = []struct {
	file  string
	name  string
	table func() string
}{
	{"../README.md", "metrics", metricTable},
	{"../docs/metrics.md", "metrics", metricTable},
}

func TestGeneratedDocumentationIsUpToDate(t *testing.T) {
	for _, g := range generated {
		old, err := os.ReadFile(g.file)
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := replaceBetweenMarkers(old, g.name, g.table())
		if err != nil {
			t.Errorf("%s: %v", g.file, err)
			continue
		}
		if *update {
			if err := os.WriteFile(g.file, fresh, 0o644); err != nil {
				t.Fatal(err)
			}
		} else if !bytes.Equal(old, fresh) {
			t.Errorf("%s is stale: run make docs", g.file)
		}
	}
}

func replaceBetweenMarkers(text []byte, name, content string) ([]byte, error) {
	begin, end := fmt.Appendf(nil, "<!-- %s:begin -->\n", name), fmt.Appendf(nil, "<!-- %s:end -->", name)
	before, rest, ok1 := bytes.Cut(text, begin)
	_, after, ok2 := bytes.Cut(rest, end)
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("the markers of %q are missing", name)
	}
	return bytes.Join([][]byte{before, begin, []byte(content), end, after}, nil), nil
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
