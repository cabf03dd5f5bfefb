//go:build !gc || !(amd64 || arm64)

package callstack

import "runtime"

// callers fills pcs with the return addresses of the calling function's callers, innermost first. The goroutine's descriptor
// is out of reach here: the words are 0.
func callers(pcs []uintptr, _, _ uintptr) (n int, numberWord, parentWord uintptr) {
	return runtime.Callers(3, pcs), 0, 0
}
