// Package goroutines looks at all goroutines of the process at once: which live, who started each, and what each is doing.
//
// # Risks
//
// [runtime.Stack] stops the world for as long as it writes, and its text is made for people: its form is no promise of Go's.
// So a look is bounded in goroutines and in bytes, callers look seldom and only while something is wrong, and the parser ignores
// what it does not know. Who is missing in a [Dump] had ended before the look, or began after it.
package goroutines
