//go:build gc && (amd64 || arm64)

package tracer

// callers fills pcs with the return addresses of the calling function's callers, innermost first, and tells which
// goroutine runs. It follows frame pointers, which the Go compiler keeps on these architectures: about a nanosecond a
// frame where runtime.Callers takes forty.
//
// gp is the address of the goroutine's descriptor: it tells goroutines apart while they live and is reused after.
//
//go:noescape
func callers(pcs []uintptr) (n int, gp uintptr)
