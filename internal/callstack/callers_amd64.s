//go:build gc

#include "textflag.h"

// func callers(pcs []uintptr, number, parent uintptr) (n int, numberWord, parentWord uintptr)
//
// Every frame but a leaf's keeps its caller's frame pointer at (BP) and the return address at 8(BP). The walk stays
// within the stack of the running goroutine, whose bounds are the first two words of its descriptor, and only ever
// moves up: a frame pointer that some assembly clobbered ends the walk instead of the process. Assembly is not preempted
// and makes no call, so the stack cannot move meanwhile.
TEXT ·callers(SB), NOSPLIT, $0-64
	MOVQ pcs_base+0(FP), DI
	MOVQ pcs_len+8(FP), SI
	MOVQ (TLS), R8
	MOVQ 0(R8), R9  // stack.lo
	MOVQ 8(R8), R10 // stack.hi
	SUBQ $16, R10
	XORQ CX, CX
	MOVQ BP, AX

next:
	CMPQ CX, SI
	JGE  done
	CMPQ AX, R9
	JLO  done
	CMPQ AX, R10
	JHI  done
	MOVQ 8(AX), DX
	TESTQ DX, DX
	JEQ  done
	MOVQ DX, 0(DI)(CX*8)
	INCQ CX
	MOVQ 0(AX), BX
	CMPQ BX, AX
	JLS  done
	MOVQ BX, AX
	JMP  next

done:
	MOVQ CX, n+40(FP)
	MOVQ number+24(FP), DX
	MOVQ 0(R8)(DX*1), DX
	MOVQ DX, numberWord+48(FP)
	MOVQ parent+32(FP), DX
	MOVQ 0(R8)(DX*1), DX
	MOVQ DX, parentWord+56(FP)
	RET
