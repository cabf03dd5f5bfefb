// Package docs keeps the tables of the documentation like the tables of the code that they are made from.
package docs

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write the generated documentation instead of comparing it")

// Generated fails the test unless file has content between the markers of that name, or with -update writes it there:
//
//	<!-- name:begin -->
//	<!-- name:end -->
func Generated(t *testing.T, file, name, content string) {
	t.Helper()
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := replace(old, name, content)
	switch {
	case err != nil:
		t.Errorf("%s: %v", file, err)
	case bytes.Equal(old, fresh):
	case *update:
		if err := os.WriteFile(file, fresh, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is stale: run make docs", file)
	}
}

func replace(text []byte, name, content string) ([]byte, error) {
	begin, end := fmt.Appendf(nil, "<!-- %s:begin -->\n", name), fmt.Appendf(nil, "<!-- %s:end -->", name)
	before, rest, ok1 := bytes.Cut(text, begin)
	_, after, ok2 := bytes.Cut(rest, end)
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("the markers of %q are missing", name)
	}
	return bytes.Join([][]byte{before, begin, []byte(content), end, after}, nil), nil
}
