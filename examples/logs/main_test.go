package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelpool/pgx/internal/testing/pgtest"
)

// lumberjack keeps one goroutine for each logger and has no way to end it.
func TestMain(m *testing.M) {
	pgtest.Main(m, goleak.IgnoreAnyFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"))
}

func TestEvents_GoToTheFileAsJSONInTheOrderTheyHappen(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	file := filepath.Join(t.TempDir(), "pool.log")
	if err := run(ctx, pgtest.DSN(t), file, io.Discard); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var record map[string]any
		if err := json.Unmarshal(lines.Bytes(), &record); err != nil {
			t.Fatalf("%v in %s", err, lines.Text())
		}
		name, _ := record["otel.event.name"].(string)
		events = append(events, name)
	}
	want := []string{"pool.initialized", "leak.suspected", "leak.recovered", "shutdown.started", "shutdown.completed"}
	for _, name := range events {
		if len(want) > 0 && name == want[0] {
			want = want[1:]
		}
	}
	if len(want) > 0 {
		t.Errorf("missing, in this order: %q; got %q", want, events)
	}
}
