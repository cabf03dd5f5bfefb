package process

import (
	"fmt"
	"os"
	"strings"
)

// Tail returns the last n lines of a log, for an error message; what cannot be read is said in its place.
func Tail(path string, n int) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	lines := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
