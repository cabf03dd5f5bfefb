package collector

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelpool/pgx/internal/e2e/repo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func readManifest(t *testing.T) []byte {
	t.Helper()
	path, err := repo.Path("collector-config", "builder.yaml")
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return manifest
}

func TestComponents_AreAllOfTheBuildersRelease(t *testing.T) {
	manifest := readManifest(t)
	version := builderVersion.FindSubmatch(manifest)
	if version == nil {
		t.Fatal("no version found in builder.yaml")
	}
	components := regexp.MustCompile(`gomod: (\S+/(?:receiver|processor|exporter|extension)/\S+) (\S+)`)
	for _, match := range components.FindAllSubmatch(manifest, -1) {
		if !bytes.Equal(match[2], version[1]) {
			t.Errorf("%s is %s, the builder %s", match[1], match[2], version[1])
		}
	}
}

func TestBuild_ChangesWithItsManifest(t *testing.T) {
	manifest := readManifest(t)
	if cacheKey(manifest) == cacheKey(append(manifest, '\n')) {
		t.Fatal("both have the same key")
	}
}

func TestBuild_WaitsForOneThatRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := lock(short, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("lock() while it is taken = %v, want it to wait until the deadline", err)
	}
	unlock()
	again, err := lock(t.Context(), path)
	if err != nil {
		t.Fatalf("lock() after it was freed: %v", err)
	}
	again()
}
