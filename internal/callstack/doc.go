// Package callstack says who calls: the return addresses on the stack of the running goroutine, and the goroutine's number,
// in nanoseconds. It is for hooks that are called too often for [runtime.Callers].
//
// # Risks
//
// On amd64 and arm64, built by gc, it does what the language does not promise:
//
//   - It follows frame pointers, in assembly. The compiler keeps them on these architectures; code in assembly may clobber them.
//     So a walk stays within the bounds of the goroutine's stack and only ever moves up: a wrong pointer ends it early or yields an
//     address that names no function, which [Expand] leaves out. It reads no memory but the stack's. Assembly is not
//     preempted and makes no call, so the stack cannot move meanwhile.
//   - It reads the runtime's descriptor of the goroutine. The first two words are the bounds of the stack, which every version of
//     Go depends on for its own prologues.
//   - The number's place in the descriptor is no such fixed thing and differs between versions. It is searched at run time, and
//     taken only if several goroutines find their number, as their stack traces give it, at one and the same place within
//     the first 256 bytes. Else goroutines are not told apart: the number is 0.
//
// Elsewhere (other architectures, gccgo, TinyGo) it is [runtime.Callers], without numbers. The race detector instruments neither
// assembly nor what it reads here, which belongs to the running goroutine. With cgo a walk that begins in a callback from C ends
// where the C code begins: C keeps a stack of its own. Tests compare every way of calling with [runtime.Callers], while
// stacks move.
package callstack
