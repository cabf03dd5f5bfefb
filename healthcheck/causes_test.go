package healthcheck

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/otelpool/pgx/internal/testing/docs"
)

func TestGeneratedDocumentation_IsUpToDate(t *testing.T) {
	var evidence, index, notices strings.Builder
	evidence.WriteString("| cause | decided by |\n|---|---|\n")
	index.WriteString("| cause | in one sentence |\n|---|---|\n")
	for _, row := range causes {
		fmt.Fprintf(&evidence, "| `%s` | %s |\n", row.name, row.decidedBy)
		fmt.Fprintf(&index, "| [`%[1]s`](%[1]s.md) | %[2]s |\n", row.name, row.meaning)
	}
	notices.WriteString("| notice | in one sentence | raised by |\n|---|---|---|\n")
	for _, row := range noticeKinds {
		fmt.Fprintf(&notices, "| [`%[1]s`](runbooks/notices.md#%[1]s) | %[2]s | %[3]s |\n", row.name, row.meaning, row.decidedBy)
	}
	docs.Generated(t, "../docs/health.md", "causes", evidence.String())
	docs.Generated(t, "../docs/health.md", "notices", notices.String())
	docs.Generated(t, "../docs/runbooks/README.md", "causes", index.String())
}

func TestCauses_EachHasARunbookThatBeginsWithItsMeaning(t *testing.T) {
	for _, c := range Causes {
		page, err := os.ReadFile("../docs/runbooks/" + filepath.Base(c.Runbook()))
		if err != nil {
			t.Error(err)
			continue
		}
		_, text, _ := strings.Cut(string(page), "## What it means\n\n")
		if text = strings.ReplaceAll(text, "\n", " "); c.Meaning() == "" || !strings.HasPrefix(text, c.Meaning()+" ") {
			t.Errorf("the page of %s does not begin with %q", c, c.Meaning())
		}
	}
}

func TestCauses_EveryConstantIsInTheTable(t *testing.T) {
	source, err := os.ReadFile("causes.go")
	if err != nil {
		t.Fatal(err)
	}
	constants := regexp.MustCompile(`(?m)^\tCause\w+ +Cause = "(\w+)"$`).FindAllSubmatch(source, -1)
	if len(constants) != len(Causes) {
		t.Errorf("%d constants, %d rows", len(constants), len(Causes))
	}
	for _, c := range constants {
		if Cause(c[1]).Meaning() == "" {
			t.Errorf("%s has no row", c[1])
		}
	}
}
