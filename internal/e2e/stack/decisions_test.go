package stack

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestConnectionLimit_ListsEveryQueryOfTheOldName: none must be forgotten when the conventions' new name arrives.
func TestConnectionLimit_ListsEveryQueryOfTheOldName(t *testing.T) {
	note := string(read(t, "docs", "decisions", "connection-limit.md"))
	_, list, _ := strings.Cut(note, "<!-- queries:begin -->")
	list, _, _ = strings.Cut(list, "<!-- queries:end -->")
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^- (.+)$`).FindAllStringSubmatch(list, -1) {
		listed = append(listed, m[1])
	}
	asking := make(map[string]bool)
	for expr, where := range queries(t) {
		if strings.Contains(expr, "db_client_connection_max") {
			asking[where] = true
		}
	}
	if want := slices.Sorted(maps.Keys(asking)); !slices.Equal(slices.Sorted(slices.Values(listed)), want) {
		t.Errorf("the note lists %q, and these ask: %q", listed, want)
	}
}
