//go:build gc && (amd64 || arm64)

package callstack

// callers fills pcs with the return addresses of the calling function's callers, innermost first. It follows frame pointers,
// which the Go compiler keeps on these architectures: about a nanosecond a frame where runtime.Callers takes forty. The words
// are what the running goroutine's descriptor has at the offsets number and parent, which must be multiples of 8 below
// descriptorSize; see goroutine.
//
//go:noescape
func callers(pcs []uintptr, number, parent uintptr) (n int, numberWord, parentWord uintptr)
