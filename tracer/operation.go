package tracer

import (
	"strings"
	"unicode/utf8"
)

// operations are the keywords by which a statement is known where its text is not wanted: few and without data.
// They are looked up by pointer so that noting one allocates nothing.
var operations = [...]string{
	"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "CALL", "DO", "EXECUTE",
	"BEGIN", "START", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "RESET", "SHOW", "DISCARD",
	"COPY", "BATCH", "LISTEN", "UNLISTEN", "NOTIFY", "LOCK", "FETCH", "DECLARE", "CLOSE", "EXPLAIN",
	"CREATE", "ALTER", "DROP", "TRUNCATE", "GRANT", "REVOKE", "VACUUM", "ANALYZE", "REFRESH", "REINDEX",
}

var otherOperation = "OTHER"

// operation returns the keyword that sql begins with, after space and comments: one of operations, or "OTHER".
func operation(sql string) *string {
	sql = skipComments(sql)
	end := 0
	for end < len(sql) && end < 9 && isLetter(sql[end]) {
		end++
	}
	word := sql[:end]
	for i := range operations {
		if strings.EqualFold(operations[i], word) {
			return &operations[i]
		}
	}
	return &otherOperation
}

// skipComments drops leading white space, line comments and block comments; PostgreSQL's block comments nest, but one
// that does is rare enough to be called OTHER.
func skipComments(sql string) string {
	for {
		sql = strings.TrimLeft(sql, " \t\r\n\f(;")
		switch {
		case strings.HasPrefix(sql, "--"):
			end := strings.IndexByte(sql, '\n')
			if end < 0 {
				return ""
			}
			sql = sql[end+1:]
		case strings.HasPrefix(sql, "/*"):
			end := strings.Index(sql, "*/")
			if end < 0 {
				return ""
			}
			sql = sql[end+2:]
		default:
			return sql
		}
	}
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// maxSQLText is how many bytes of a statement are shown. Programs write statements with thousands of values, and whoever looks
// for the holder of a connection knows it by its beginning.
const maxSQLText = 2048

// abridged is the beginning of sql as valid UTF-8: OTLP refuses a whole batch for one string that is not.
func abridged(sql string) string {
	const replacement = "\uFFFD"
	if len(sql) <= maxSQLText {
		return strings.ToValidUTF8(sql, replacement)
	}
	end := maxSQLText
	for end > 0 && !utf8.RuneStart(sql[end]) {
		end--
	}
	return strings.ToValidUTF8(sql[:end], replacement) + "…"
}
