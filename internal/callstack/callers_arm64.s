//go:build gc

#include "textflag.h"

// func callers(pcs []uintptr, number, parent uintptr) (n int, numberWord, parentWord uintptr)
//
// Without such a machine, on Debian or Ubuntu with qemu-user-static:
//
//	GOARCH=arm64 CGO_ENABLED=0 go test -exec qemu-aarch64-static ./internal/callstack
//
// As on amd64: the caller's frame pointer is at (R29), the return address at 8(R29), and the walk stays within the stack
// of the running goroutine and only ever moves up.
TEXT ·callers(SB), NOSPLIT, $0-64
	MOVD pcs_base+0(FP), R0
	MOVD pcs_len+8(FP), R1
	MOVD 0(g), R2 // stack.lo
	MOVD 8(g), R3 // stack.hi
	SUB  $16, R3
	MOVD $0, R4
	MOVD R29, R5

next:
	CMP  R1, R4
	BGE  done
	CMP  R2, R5
	BLO  done
	CMP  R3, R5
	BHI  done
	MOVD 8(R5), R6
	CBZ  R6, done
	MOVD R6, (R0)(R4<<3)
	ADD  $1, R4
	MOVD (R5), R7
	CMP  R5, R7
	BLS  done
	MOVD R7, R5
	B    next

done:
	MOVD R4, n+40(FP)
	MOVD number+24(FP), R6
	MOVD (g)(R6), R6
	MOVD R6, numberWord+48(FP)
	MOVD parent+32(FP), R6
	MOVD (g)(R6), R6
	MOVD R6, parentWord+56(FP)
	RET
