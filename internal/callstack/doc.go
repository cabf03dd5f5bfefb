// Package callstack says who calls: the return addresses on the stack of the running goroutine, its number and its parent's,
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
//   - The places of the goroutine's number and of its parent's in the descriptor are no such fixed things and differ between
//     versions. They are searched at run time. Each is taken only if several goroutines with different parents find the
//     number, as their stack traces give it, at one and the same place within the first 384 bytes. Else goroutines are not
//     told apart, or their parents are not known: the number is 0. The smallest descriptor of a version that this module builds
//     with has more than 400 bytes.
//
// Elsewhere (other architectures, gccgo, TinyGo) it is [runtime.Callers], without numbers. The race detector instruments neither
// assembly nor what it reads here, which belongs to the running goroutine. With cgo a walk that begins in a callback from C ends
// where the C code begins: C keeps a stack of its own. Tests compare every way of calling with [runtime.Callers], while
// stacks move.
package callstack
