//go:build !gc || !(amd64 || arm64)

package callstack

import "runtime"

// callers fills pcs with the return addresses of the calling function's callers, innermost first. The goroutine's descriptor
// is out of reach here: word is 0.
func callers(pcs []uintptr, _ uintptr) (n int, word uintptr) {
	return runtime.Callers(3, pcs), 0
}
