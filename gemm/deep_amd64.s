// The first step of a separable convolution, with AVX-512 sixteen channels at a
// time and with AVX2 eight. Four windows that lie beside each other share what they
// see of a row, and the weights.
//
//	AX, BX, DX  the rows of the windows, from the present channel
//	R8 to R11   1, 3, 5 and 7 times the bytes between columns
//	SI, R14     the weights of the present channels, 3 rows of 3, and their biases
//	DI          the results of the first window
//	R12, R13    1 and 3 times the bytes between windows' results
//	CX          groups of channels that are left
//	R15         windows, or fours of them, that are left
//	0 to 3      the sums
//	4 to 6      weights of a row
//	7           what lies in a column
//	8, 9        the bounds of results

#include "go_asm.h"
#include "textflag.h"

// COLn loads a column, which n windows see, and adds it to their sums.
#define COL1(x, in, a, wa) VMOVUPS x, in; VFMADD231PS wa, in, a
#define COL2(x, in, a, wa, b, wb) COL1(x, in, a, wa); VFMADD231PS wb, in, b
#define COL3(x, in, a, wa, b, wb, c, wc) COL2(x, in, a, wa, b, wb); VFMADD231PS wc, in, c

#define WEIGHTS(d, w0, w1, w2) VMOVUPS d(SI), w0; VMOVUPS (d+64)(SI), w1; VMOVUPS (d+128)(SI), w2

// NEAR takes in a row p of four windows that are one column apart, whose weights
// lie d bytes on.
#define NEAR(p, d, w0, w1, w2, in, s0, s1, s2, s3) \
	WEIGHTS(d, w0, w1, w2); \
	COL1((p), in, s0, w0); \
	COL2((p)(R8*1), in, s1, w0, s0, w1); \
	COL3((p)(R8*2), in, s2, w0, s1, w1, s0, w2); \
	COL3((p)(R9*1), in, s3, w0, s2, w1, s1, w2); \
	COL2((p)(R8*4), in, s3, w1, s2, w2); \
	COL1((p)(R10*1), in, s3, w2)

// FAR takes in a row of four windows that are two columns apart.
#define FAR(p, d, w0, w1, w2, in, s0, s1, s2, s3) \
	WEIGHTS(d, w0, w1, w2); \
	COL1((p), in, s0, w0); \
	COL1((p)(R8*1), in, s0, w1); \
	COL2((p)(R8*2), in, s1, w0, s0, w2); \
	COL1((p)(R9*1), in, s1, w1); \
	COL2((p)(R8*4), in, s2, w0, s1, w2); \
	COL1((p)(R10*1), in, s2, w1); \
	COL2((p)(R9*2), in, s3, w0, s2, w2); \
	COL1((p)(R11*1), in, s3, w1); \
	COL1((p)(R8*8), in, s3, w2)

// ONE takes in a row of one window.
#define ONE(p, d, w0, w1, w2, in, s0) \
	WEIGHTS(d, w0, w1, w2); \
	COL1((p), in, s0, w0); \
	COL1((p)(R8*1), in, s0, w1); \
	COL1((p)(R8*2), in, s0, w2)

#define CLIP(v, lo, hi) VMAXPS v, lo, v; VMINPS v, hi, v

// BEGIN reads what the kernels are given.
#define BEGIN(lo, hi) \
	MOVQ d+0(FP), R14; \
	MOVQ deep_column(R14), R8; \
	LEAQ (R8)(R8*2), R9; \
	LEAQ (R8)(R8*4), R10; \
	LEAQ (R9)(R8*4), R11; \
	MOVQ deep_yRow(R14), R12; \
	LEAQ (R12)(R12*2), R13; \
	MOVQ deep_count(R14), R15; \
	VBROADCASTSS deep_most(R14), hi; \
	VXORPS X8, X8, X8

// WINDOWS begins the next windows, at their first channel.
#define WINDOWS \
	MOVQ d+0(FP), R14; \
	MOVQ deep_rows+0(R14), AX; \
	MOVQ deep_rows+8(R14), BX; \
	MOVQ deep_rows+16(R14), DX; \
	MOVQ deep_weight(R14), SI; \
	MOVQ deep_y(R14), DI; \
	MOVQ deep_groups(R14), CX; \
	MOVQ deep_bias(R14), R14

// CHANNELS goes on to the next channels.
#define CHANNELS(bytes, weights) \
	ADDQ bytes, AX; \
	ADDQ bytes, BX; \
	ADDQ bytes, DX; \
	ADDQ bytes, DI; \
	ADDQ bytes, R14; \
	ADDQ weights, SI

// NEXT goes on to the next windows, of which so many were computed.
#define NEXT(windows) \
	MOVQ d+0(FP), R14; \
	MOVQ deep_step(R14), AX; \
	ADDQ AX, deep_rows+0(R14); \
	ADDQ AX, deep_rows+8(R14); \
	ADDQ AX, deep_rows+16(R14); \
	MOVQ R12, AX; \
	IMULQ windows, AX; \
	ADDQ AX, deep_y(R14)

#define STORE4(s0, s1, s2, s3, lo, hi) \
	CLIP(s0, lo, hi); CLIP(s1, lo, hi); CLIP(s2, lo, hi); CLIP(s3, lo, hi); \
	VMOVUPS s0, (DI); \
	VMOVUPS s1, (DI)(R12*1); \
	VMOVUPS s2, (DI)(R12*2); \
	VMOVUPS s3, (DI)(R13*1)

// func deepNear512(d *deep)
TEXT ·deepNear512(SB), NOSPLIT, $0-8
	BEGIN(Z8, Z9)
windows:
	WINDOWS
channels:
	VMOVUPS (R14), Z0
	VMOVAPS Z0, Z1
	VMOVAPS Z0, Z2
	VMOVAPS Z0, Z3
	NEAR(AX, (0+0), Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3)
	NEAR(BX, (0+192), Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3)
	NEAR(DX, (0+384), Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3)
	STORE4(Z0, Z1, Z2, Z3, Z8, Z9)
	CHANNELS($64, $576)
	SUBQ $1, CX
	JNZ channels
	NEXT($4)
	SUBQ $1, R15
	JNZ windows
	VZEROUPPER
	RET

// func deepFar512(d *deep)
TEXT ·deepFar512(SB), NOSPLIT, $0-8
	BEGIN(Z8, Z9)
windows:
	WINDOWS
channels:
	VMOVUPS (R14), Z0
	VMOVAPS Z0, Z1
	VMOVAPS Z0, Z2
	VMOVAPS Z0, Z3
	FAR(AX, (0+0), Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3)
	FAR(BX, (0+192), Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3)
	FAR(DX, (0+384), Z4, Z5, Z6, Z7, Z0, Z1, Z2, Z3)
	STORE4(Z0, Z1, Z2, Z3, Z8, Z9)
	CHANNELS($64, $576)
	SUBQ $1, CX
	JNZ channels
	NEXT($4)
	SUBQ $1, R15
	JNZ windows
	VZEROUPPER
	RET

// func deepOne512(d *deep)
TEXT ·deepOne512(SB), NOSPLIT, $0-8
	BEGIN(Z8, Z9)
windows:
	WINDOWS
channels:
	VMOVUPS (R14), Z0
	ONE(AX, (0+0), Z4, Z5, Z6, Z7, Z0)
	ONE(BX, (0+192), Z4, Z5, Z6, Z7, Z0)
	ONE(DX, (0+384), Z4, Z5, Z6, Z7, Z0)
	CLIP(Z0, Z8, Z9)
	VMOVUPS Z0, (DI)
	CHANNELS($64, $576)
	SUBQ $1, CX
	JNZ channels
	NEXT($1)
	SUBQ $1, R15
	JNZ windows
	VZEROUPPER
	RET

// func deepNear256(d *deep)
TEXT ·deepNear256(SB), NOSPLIT, $0-8
	BEGIN(Y8, Y9)
windows:
	WINDOWS
channels:
	VMOVUPS (R14), Y0
	VMOVAPS Y0, Y1
	VMOVAPS Y0, Y2
	VMOVAPS Y0, Y3
	NEAR(AX, (0+0), Y4, Y5, Y6, Y7, Y0, Y1, Y2, Y3)
	NEAR(BX, (0+192), Y4, Y5, Y6, Y7, Y0, Y1, Y2, Y3)
	NEAR(DX, (0+384), Y4, Y5, Y6, Y7, Y0, Y1, Y2, Y3)
	STORE4(Y0, Y1, Y2, Y3, Y8, Y9)
	CHANNELS($32, $0)
	VMOVUPS (R14), Y0
	VMOVAPS Y0, Y1
	VMOVAPS Y0, Y2
	VMOVAPS Y0, Y3
	NEAR(AX, (32+0), Y4, Y5, Y6, Y7, Y0, Y1, Y2, Y3)
	NEAR(BX, (32+192), Y4, Y5, Y6, Y7, Y0, Y1, Y2, Y3)
	NEAR(DX, (32+384), Y4, Y5, Y6, Y7, Y0, Y1, Y2, Y3)
	STORE4(Y0, Y1, Y2, Y3, Y8, Y9)
	CHANNELS($32, $576)
	SUBQ $1, CX
	JNZ channels
	NEXT($4)
	SUBQ $1, R15
	JNZ windows
	VZEROUPPER
	RET

// func deepFar256(d *deep)
TEXT ·deepFar256(SB), NOSPLIT, $0-8
	BEGIN(Y8, Y9)
windows:
	WINDOWS
channels:
	VMOVUPS (R14), Y0
	VMOVAPS Y0, Y1
	VMOVAPS Y0, Y2
	VMOVAPS Y0, Y3
	FAR(AX, (0+0), Y4, Y5, Y6, Y7, Y0, Y1, Y2, Y3)
	FAR(BX, (0+192), Y4, Y5, Y6, Y7, Y0, Y1, Y2, Y3)
	FAR(DX, (0+384), Y4, Y5, Y6, Y7, Y0, Y1, Y2, Y3)
	STORE4(Y0, Y1, Y2, Y3, Y8, Y9)
	CHANNELS($32, $0)
	VMOVUPS (R14), Y0
	VMOVAPS Y0, Y1
	VMOVAPS Y0, Y2
	VMOVAPS Y0, Y3
	FAR(AX, (32+0), Y4, Y5, Y6, Y7, Y0, Y1, Y2, Y3)
	FAR(BX, (32+192), Y4, Y5, Y6, Y7, Y0, Y1, Y2, Y3)
	FAR(DX, (32+384), Y4, Y5, Y6, Y7, Y0, Y1, Y2, Y3)
	STORE4(Y0, Y1, Y2, Y3, Y8, Y9)
	CHANNELS($32, $576)
	SUBQ $1, CX
	JNZ channels
	NEXT($4)
	SUBQ $1, R15
	JNZ windows
	VZEROUPPER
	RET

// func deepOne256(d *deep)
TEXT ·deepOne256(SB), NOSPLIT, $0-8
	BEGIN(Y8, Y9)
windows:
	WINDOWS
channels:
	VMOVUPS (R14), Y0
	ONE(AX, (0+0), Y4, Y5, Y6, Y7, Y0)
	ONE(BX, (0+192), Y4, Y5, Y6, Y7, Y0)
	ONE(DX, (0+384), Y4, Y5, Y6, Y7, Y0)
	CLIP(Y0, Y8, Y9)
	VMOVUPS Y0, (DI)
	CHANNELS($32, $0)
	VMOVUPS (R14), Y0
	ONE(AX, (32+0), Y4, Y5, Y6, Y7, Y0)
	ONE(BX, (32+192), Y4, Y5, Y6, Y7, Y0)
	ONE(DX, (32+384), Y4, Y5, Y6, Y7, Y0)
	CLIP(Y0, Y8, Y9)
	VMOVUPS Y0, (DI)
	CHANNELS($32, $576)
	SUBQ $1, CX
	JNZ channels
	NEXT($1)
	SUBQ $1, R15
	JNZ windows
	VZEROUPPER
	RET
