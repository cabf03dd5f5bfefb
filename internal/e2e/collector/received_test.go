package collector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const oneSpan = `{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"checkout"}]}]}]}`

// written returns a Collector whose n-th run wrote the n-th text as its traces.
func written(t *testing.T, runs ...string) *Collector {
	t.Helper()
	c := &Collector{cfg: Config{Dir: t.TempDir()}, run: len(runs)}
	for i, text := range runs {
		dir := filepath.Join(c.cfg.Dir, "run-"+string(rune('1'+i)))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "traces.jsonl"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestReceived_LeavesOutALineThatIsStillBeingWritten(t *testing.T) {
	c := written(t, oneSpan+"\n"+oneSpan[:20], oneSpan+"\n"+oneSpan)
	spans, err := c.Spans()
	if err != nil {
		t.Fatal(err)
	}
	if len(spans) != 2 {
		t.Fatalf("%d spans, want the finished one of each run", len(spans))
	}
}

func TestReceived_NamesTheFileOfALineThatCannotBeRead(t *testing.T) {
	_, err := written(t, "smoke\n").Spans()
	if err == nil || !strings.Contains(err.Error(), "traces.jsonl") {
		t.Fatalf("Spans() error = %v, want one that names the file", err)
	}
}

func TestReceived_IsEmptyWithoutAnErrorBeforeAnythingArrives(t *testing.T) {
	c := &Collector{cfg: Config{Dir: t.TempDir()}, run: 1}
	if logs, err := c.Logs(); len(logs) != 0 || err != nil {
		t.Fatalf("Logs() = %v, %v", logs, err)
	}
}
