package tracer

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestStatement_IsShownByItsBeginning(t *testing.T) {
	for name, sql := range map[string]string{
		"short":               "SELECT 1",
		"as long as is shown": strings.Repeat("a", maxSQLText),
	} {
		if got := abridged(sql); got != sql {
			t.Errorf("%s: %d bytes became %d", name, len(sql), len(got))
		}
	}
	for name, sql := range map[string]string{
		"a thousand values":      "INSERT INTO t VALUES " + strings.Repeat("($1, $2), ", 1000),
		"cut inside a rune":      strings.Repeat("a", maxSQLText-1) + strings.Repeat("ü", 10),
		"nothing but half runes": strings.Repeat("\x80", 2*maxSQLText),
	} {
		got, whole := strings.CutSuffix(abridged(sql), "…")
		if !whole || len(got) > 3*maxSQLText || !strings.HasPrefix(strings.ToValidUTF8(sql, "\uFFFD"), got) || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes became %q", name, len(sql), got)
		}
	}
}
