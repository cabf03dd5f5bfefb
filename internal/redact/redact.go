// Package redact takes secrets, and what pgx quotes of a query's arguments and results, out of text before it leaves through
// a log, a page or a probe.
package redact

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	// maxLength bounds the text of one error, in bytes: some quote whole documents.
	maxLength = 512
	// maxInput bounds what is searched.
	maxInput = 16 << 10

	ellipsis = "…"
	mask     = "***"
)

// secret is one way in which text can carry a password, or data. Where it is unclear how far the password goes, the match goes
// further: text that is lost can be looked up elsewhere, a password that got out cannot be called back.
type secret struct {
	pattern     *regexp.Regexp
	replacement string
}

// key is what stands before a secret: a name that ends in one of these words, perhaps quoted, and = or :, either of which
// may be percent-encoded.
const key = `((?:pass(?:word|wd|phrase|file|code)?|pwd|\bpw|secret|token|api[_-]?key|access[_-]?key|credentials?|signature)\\*["']?\s*(?:[=:]|%3[ad])\s*)`

// value is quoted, with or without a closing quote, or ends where white space begins that is not escaped.
const value = `(?:'(?:[^'\\]|\\.|'')*(?:'|\\?$)|\\+'.*?(?:\\+'|$)|"(?:[^"\\]|\\.)*(?:"|\\?$)|\\+".*?(?:\\+"|$))?(?:\\.|\S)*`

var secrets = []secret{
	// The user information of a URL, up to the last @ of the word: a password may have one that nobody encoded. One of
	// PostgreSQL's may have a space or a line too, for pgx quotes what it cannot parse.
	{regexp.MustCompile(`(?is)(postgres(?:ql)?://[^:/?#\s@]*:).*@`), "${1}" + mask + "@"},
	{regexp.MustCompile(`(://[^:/?#\s@]*:)\S*@`), "${1}" + mask + "@"},
	// To a database the user alone is no secret, to the web it is a token.
	{regexp.MustCompile(`(?i)(https?://)[^:/?#\s@]+@`), "${1}" + mask + "@"},
	{regexp.MustCompile(`(?i)(authorization\\*["']?\s*[=:]\s*)[^\r\n]*`), "${1}" + mask},
	{regexp.MustCompile(`(?i)(bearer\s+)\S+`), "${1}" + mask},
	{regexp.MustCompile(`(?is)` + key + value), "${1}" + mask},
	// What pgx cannot encode or scan it quotes, and what it quotes may end anywhere.
	{regexp.MustCompile(`(?s)(failed to encode args\[\d+\]|(?:failed|unable) to encode|can't scan into dest\[\d+\]).*`), "${1}: " + mask},
}

// Text returns s without what looks like a secret, as valid UTF-8 of at most 512 bytes. What it returns it would return
// again.
func Text(s string) string {
	s = clean(s)
	// What was cut off may have been part of a match: mask again what is left.
	for range 3 {
		again := clean(s)
		if again == s {
			break
		}
		s = again
	}
	return s
}

func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxInput {
		s = s[:strings.LastIndexAny(s[:maxInput], " \t\r\n")+1] + ellipsis // a word without its end is not recognised
	}
	for _, secret := range secrets {
		s = secret.pattern.ReplaceAllString(s, secret.replacement)
	}
	return cut(s)
}

// cut shortens s to maxLength bytes between two runes.
func cut(s string) string {
	if len(s) <= maxLength {
		return s
	}
	end := maxLength - len(ellipsis)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

// Error is Text of err's message, "" for nil. An error whose message cannot be had, for instance a nil pointer in an
// interface, is named by that fact: telling of errors must not break the program that has them.
func Error(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = "(error without a message)"
		}
	}()
	if err == nil {
		return ""
	}
	return Text(err.Error())
}
