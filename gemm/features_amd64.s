// Passes over feature maps. Products and sums are rounded one by one, so that Go
// gives the same bits.

#include "textflag.h"

// func squares256(acc, x *float32, vectors int)
// acc += x², eight at a time.
TEXT ·squares256(SB), NOSPLIT, $0-24
	MOVQ acc+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ vectors+16(FP), CX
squares:
	VMOVUPS (SI), Y0
	VMULPS Y0, Y0, Y0
	VADDPS (DI), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $1, CX
	JNZ squares
	VZEROUPPER
	RET

// func apart256(acc, a, b, p, q *float32, w float32, vectors int)
// acc += (a·p − b·q)²·w, eight at a time.
TEXT ·apart256(SB), NOSPLIT, $0-56
	MOVQ acc+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	MOVQ p+24(FP), R8
	MOVQ q+32(FP), R9
	VBROADCASTSS w+40(FP), Y3
	MOVQ vectors+48(FP), CX
apart:
	VMOVUPS (SI), Y0
	VMULPS (R8), Y0, Y0
	VMOVUPS (DX), Y1
	VMULPS (R9), Y1, Y1
	VSUBPS Y1, Y0, Y0
	VMULPS Y0, Y0, Y0
	VMULPS Y3, Y0, Y0
	VADDPS (DI), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ $32, SI
	ADDQ $32, DX
	ADDQ $32, R8
	ADDQ $32, R9
	ADDQ $32, DI
	SUBQ $1, CX
	JNZ apart
	VZEROUPPER
	RET

// func largest256(to, a, b, c, d *float32, n int)
// to = the largest of a, b, c and d, n times eight numbers.
TEXT ·largest256(SB), NOSPLIT, $0-48
	MOVQ to+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	MOVQ c+24(FP), R8
	MOVQ d+32(FP), R9
	MOVQ n+40(FP), CX
	XORQ AX, AX
largest:
	VMOVUPS (SI)(AX*1), Y0
	VMAXPS (DX)(AX*1), Y0, Y0
	VMOVUPS (R8)(AX*1), Y1
	VMAXPS (R9)(AX*1), Y1, Y1
	VMAXPS Y1, Y0, Y0
	VMOVUPS Y0, (DI)(AX*1)
	ADDQ $32, AX
	SUBQ $1, CX
	JNZ largest
	VZEROUPPER
	RET
