package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// ErrNotInstalled reports that this machine has no PostgreSQL server programs. Its text says how to get them.
var ErrNotInstalled = errors.New("PostgreSQL is not installed: apt-get install postgresql (Debian, Ubuntu), " +
	"dnf install postgresql-server (Fedora), apk add postgresql (Alpine), brew install postgresql@16 (macOS)")

// packageDirs is where packagers put the server programs, which most of them keep out of PATH because several releases
// may be installed side by side.
var packageDirs = []string{
	"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                   // the project's own RPMs
	"/usr/libexec/postgresql*",           // Alpine
	"/opt/homebrew/opt/postgresql*/bin",  // Homebrew, Apple silicon
	"/usr/local/opt/postgresql*/bin",     // Homebrew, Intel
	"/usr/local/pgsql/bin",               // built from source
	"/Library/PostgreSQL/*/bin",          // the macOS installer
	"/Applications/Postgres.app/*/*/bin", // Postgres.app
}

// binaries are the two programs a throwaway server needs, of one release.
type binaries struct{ initdb, postgres string }

// findBinaries looks in dir if one is given, else in PATH, else where packagers put them, the newest release first.
func findBinaries(dir string) (binaries, error) {
	if dir != "" {
		if found, ok := binariesIn(dir); ok {
			return found, nil
		}
		return binaries{}, fmt.Errorf("no initdb and postgres in %s: %w", dir, ErrNotInstalled)
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		if found, ok := binariesIn(filepath.Dir(path)); ok {
			return found, nil
		}
		// A link into the release's own directory: postgres lies next to the target.
		if target, err := filepath.EvalSymlinks(path); err == nil {
			if found, ok := binariesIn(filepath.Dir(target)); ok {
				return found, nil
			}
		}
	}
	for _, pattern := range packageDirs {
		for _, dir := range newestFirst(pattern) {
			if found, ok := binariesIn(dir); ok {
				return found, nil
			}
		}
	}
	return binaries{}, ErrNotInstalled
}

func binariesIn(dir string) (binaries, bool) {
	found := binaries{initdb: filepath.Join(dir, "initdb"), postgres: filepath.Join(dir, "postgres")}
	return found, executable(found.initdb) && executable(found.postgres)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

var digits = regexp.MustCompile(`[0-9]+`)

// newestFirst expands a pattern and sorts by the release numbers in the path, as numbers: 9.6 is older than 16.
func newestFirst(pattern string) []string {
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		panic("postgres: bad pattern " + pattern) // a constant of this file
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return slices.CompareFunc(release(b), release(a), cmp.Compare) })
	return dirs
}

func release(path string) []int {
	var numbers []int
	for _, text := range digits.FindAllString(path, -1) {
		n, err := strconv.Atoi(text)
		if err != nil {
			break // not a release number, however it reads
		}
		numbers = append(numbers, n)
	}
	return numbers
}
