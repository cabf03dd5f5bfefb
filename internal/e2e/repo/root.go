// Package repo finds this repository on disk, for tests that run its programs and read its files.
package repo

import (
	"fmt"
	"os"
	"path/filepath"
)

// marker is a file that only the root of the repository has: a go.mod alone would also stop at a nested module.
const marker = "collector-config/builder.yaml"

// Root returns the absolute path of the repository, searching upwards from the working directory.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, marker)); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the repository: no %s in or above %s", marker, start)
		}
	}
}

// Path returns the absolute path of a file of the repository, named relative to its root.
func Path(elem ...string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	return filepath.Join(append([]string{root}, elem...)...), nil
}
