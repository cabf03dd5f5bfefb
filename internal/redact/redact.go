// Package redact takes secrets out of text before it leaves through a log, a page or a probe.
package redact

import "regexp"

// maxLength bounds the text of one error: some quote whole documents.
const maxLength = 512

// secrets match the ways in which a connection string or a hook's error can carry a password: key=value, key: value,
// JSON, and the user information of a URL. The first group stays.
var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(?i)((?:password|passwd|pwd|passfile|sslpassword|secret|token|api[_-]?key)["']?\s*[=:]\s*)(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s,;&]+)`),
	regexp.MustCompile(`(://[^:/?#\s@]*:)[^@\s]+(?:@)`),
	regexp.MustCompile(`(?i)(bearer\s+)\S+`),
}

// Text returns s without what looks like a secret, shortened to 512 bytes.
func Text(s string) string {
	for i, re := range secrets {
		replacement := "${1}***"
		if i == 1 {
			replacement += "@"
		}
		s = re.ReplaceAllString(s, replacement)
	}
	if len(s) > maxLength {
		s = s[:maxLength] + "…"
	}
	return s
}

// Error is Text of err's message, "" for nil.
func Error(err error) string {
	if err == nil {
		return ""
	}
	return Text(err.Error())
}
