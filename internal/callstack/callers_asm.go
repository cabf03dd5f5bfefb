//go:build gc && (amd64 || arm64)

package callstack

// callers fills pcs with the return addresses of the calling function's callers, innermost first. It follows frame pointers,
// which the Go compiler keeps on these architectures: about a nanosecond a frame where runtime.Callers takes forty. word is what the running goroutine's descriptor has at offset at, which must be a multiple of 8 below
// descriptorSize; see goroutine.
//
//go:noescape
func callers(pcs []uintptr, at uintptr) (n int, word uintptr)
