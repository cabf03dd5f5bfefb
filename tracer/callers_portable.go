//go:build !gc || !(amd64 || arm64)

package tracer

import "runtime"

// callers fills pcs with the return addresses of the calling function's callers, innermost first. The goroutine is not
// known here: gp is 0.
func callers(pcs []uintptr) (n int, gp uintptr) {
	return runtime.Callers(3, pcs), 0
}
