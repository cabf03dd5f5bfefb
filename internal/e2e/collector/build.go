package collector

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"time"

	"github.com/otelpool/pgx/internal/e2e/repo"
)

const (
	binary = "otelpool-collector"
	// outputDir is where builder.yaml puts the generated sources, relative to the directory the builder runs in.
	outputDir = "bin/collector"
)

// builderVersion finds the release in builder.yaml, so that the builder's version is written down once.
var builderVersion = regexp.MustCompile(`(?m)^[^#\n]*go\.opentelemetry\.io/collector/receiver/otlpreceiver (v\S+)`)

// Build returns the path of a Collector built from collector-config/builder.yaml. The first build takes minutes; its
// result is kept in the user's cache directory, by a hash of builder.yaml and the Go version. Processes that build at
// the same time wait for the first.
func Build(ctx context.Context) (string, error) {
	path, err := build(ctx)
	if err != nil {
		return "", fmt.Errorf("build the collector: %w", err)
	}
	return path, nil
}

func build(ctx context.Context) (string, error) {
	manifestPath, err := repo.Path("collector-config", "builder.yaml")
	if err != nil {
		return "", err
	}
	manifest, err := os.ReadFile(manifestPath)
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	root := filepath.Join(cache, "otelpool", "collector")
	target := filepath.Join(root, cacheKey(manifest))
	path := filepath.Join(target, binary)
	if exists(path) {
		return path, nil
	}

	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, filepath.Join(root, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(path) { // another process built it while we waited
		return path, nil
	}
	return path, buildInto(ctx, root, target, manifest)
}

// buildInto builds beside the target and renames when all is done: who finds the target finds it whole. The caller
// holds the lock, so whatever an interrupted build left here is nobody's.
func buildInto(ctx context.Context, root, target string, manifest []byte) error {
	stale, err := filepath.Glob(filepath.Join(root, "build-*"))
	if err != nil {
		return err
	}
	for _, dir := range stale {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove an interrupted build: %w", err)
		}
	}
	tmp, err := os.MkdirTemp(root, "build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)

	start := time.Now()
	fmt.Fprintln(os.Stderr, "building the collector; the first time this takes some minutes …")
	if err := compile(ctx, tmp, manifest); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "built the collector in %v\n", time.Since(start).Round(time.Second))

	result := filepath.Join(tmp, "result")
	if err := os.Mkdir(result, 0o755); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(tmp, outputDir, binary), filepath.Join(result, binary)); err != nil {
		return err
	}
	return os.Rename(result, target)
}

// compile generates the sources in dir and builds them. The builder's own last steps are done here instead: it gives up
// when the dependencies of its components' tests cannot be had, and nobody runs those tests. `go mod tidy -e` goes on,
// and if it was a real dependency the compiler says so.
func compile(ctx context.Context, dir string, manifest []byte) error {
	version := builderVersion.FindSubmatch(manifest)
	if version == nil {
		return errors.New("builder.yaml has no otlpreceiver: no version to build with")
	}
	if err := os.WriteFile(filepath.Join(dir, "builder.yaml"), manifest, 0o644); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(outputDir)), 0o755); err != nil { // the builder makes one level
		return err
	}
	generateErr := run(ctx, dir, "run", "go.opentelemetry.io/collector/cmd/builder@"+string(version[1]),
		"--config", "builder.yaml", "--skip-compilation")
	sources := filepath.Join(dir, outputDir)
	if !exists(filepath.Join(sources, "go.mod")) {
		return errors.Join(errors.New("the builder wrote no sources"), generateErr)
	}
	tidyErr := run(ctx, sources, "mod", "tidy", "-e")
	if err := run(ctx, sources, "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "."); err != nil {
		return errors.Join(err, tidyErr)
	}
	return nil
}

// run runs the go command; its output is part of the error and otherwise nobody's business.
func run(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s %s: %w\n%s", args[0], args[1], err, out)
	}
	return nil
}

func cacheKey(manifest []byte) string {
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	h.Write(manifest)
	return fmt.Sprintf("%x", h.Sum(nil)[:12])
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
