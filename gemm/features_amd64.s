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

// SUM adds up the eight numbers of a register, halves first; t is free.
#define SUM(y, x, t) VEXTRACTF128 $1, y, t; VADDPS t, x, x; VMOVHLPS x, x, t; VADDPS t, x, x; VSHUFPS $1, x, x, t; VADDSS t, x, x

// SQUARES adds the squares of 16 numbers to the sums lo and hi.
#define SQUARES(a, lo, hi) \
	VMOVUPS (a)(AX*1), Y4; VMULPS Y4, Y4, Y4; VADDPS Y4, lo, lo; \
	VMOVUPS 32(a)(AX*1), Y4; VMULPS Y4, Y4, Y4; VADDPS Y4, hi, hi

// APART adds to a sum what 8 numbers are apart.
#define APART(d, sum) \
	VMULPS d(SI)(AX*1), Y5, Y4; \
	VMULPS d(DX)(AX*1), Y6, Y7; \
	VSUBPS Y7, Y4, Y4; \
	VMULPS Y4, Y4, Y4; \
	VMULPS d(R8)(AX*1), Y4, Y4; \
	VADDPS Y4, sum, sum

// INVERSE makes 1/(√x + eps) of x in all places of y.
#define INVERSE(x, y) VSQRTSS x, x, x; VADDSS X8, x, x; VDIVSS x, X9, x; VBROADCASTSS x, y

// func rows256(y, a, b, weight *float32, n, channels int, eps float32)
// Distances of n positions, of so many channels each, a multiple of 16.
TEXT ·rows256(SB), NOSPLIT, $0-52
	MOVQ y+0(FP), DI
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DX
	MOVQ weight+24(FP), R8
	MOVQ n+32(FP), CX
	MOVQ channels+40(FP), R9
	SHLQ $2, R9
	VMOVSS eps+48(FP), X8
	MOVL $0x3f800000, AX
	VMOVD AX, X9
position:
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	XORQ AX, AX
lengths:
	SQUARES(SI, Y0, Y1)
	SQUARES(DX, Y2, Y3)
	ADDQ $64, AX
	CMPQ AX, R9
	JLT lengths
	VADDPS Y1, Y0, Y0
	VADDPS Y3, Y2, Y2
	SUM(Y0, X0, X4)
	SUM(Y2, X2, X4)
	INVERSE(X0, Y5)
	INVERSE(X2, Y6)
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	XORQ AX, AX
differences:
	APART(0, Y0)
	APART(32, Y1)
	ADDQ $64, AX
	CMPQ AX, R9
	JLT differences
	VADDPS Y1, Y0, Y0
	SUM(Y0, X0, X4)
	VMOVSS X0, (DI)
	ADDQ $4, DI
	ADDQ R9, SI
	ADDQ R9, DX
	SUBQ $1, CX
	JNZ position
	VZEROUPPER
	RET
