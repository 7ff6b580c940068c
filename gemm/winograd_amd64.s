// The two transforms of Winograd's convolution, with AVX-512 sixteen channels at a
// time and with AVX2 eight. Sums and differences are rounded one by one.

#include "go_asm.h"
#include "textflag.h"

// SEEN makes four points of which OP, of two rows of the picture, is the first half,
// and goes on to the next four.
//
//	R8, R9   1 and 3 times the bytes between positions
//	R10, R11 1 and 3 times the bytes between points
//	R12      where the points are
#define SEEN(a, b, OP, t0, t1, t2, t3, v) \
	VMOVUPS (a), t0; OP (b), t0, t0; \
	VMOVUPS (a)(R8*1), t1; OP (b)(R8*1), t1, t1; \
	VMOVUPS (a)(R8*2), t2; OP (b)(R8*2), t2, t2; \
	VMOVUPS (a)(R9*1), t3; OP (b)(R9*1), t3, t3; \
	VSUBPS t2, t0, v; VMOVUPS v, (R12); \
	VADDPS t2, t1, v; VMOVUPS v, (R12)(R10*1); \
	VSUBPS t1, t2, v; VMOVUPS v, (R12)(R10*2); \
	VSUBPS t3, t1, v; VMOVUPS v, (R12)(R11*1); \
	LEAQ (R12)(R10*4), R12

// CHANNELS takes in the channels of four rows AX, BX, DX and SI, and goes on.
#define CHANNELS(bytes, t0, t1, t2, t3, v) \
	MOVQ DI, R12; \
	SEEN(AX, DX, VSUBPS, t0, t1, t2, t3, v); \
	SEEN(BX, DX, VADDPS, t0, t1, t2, t3, v); \
	SEEN(DX, BX, VSUBPS, t0, t1, t2, t3, v); \
	SEEN(BX, SI, VSUBPS, t0, t1, t2, t3, v); \
	ADDQ bytes, AX; \
	ADDQ bytes, BX; \
	ADDQ bytes, DX; \
	ADDQ bytes, SI; \
	ADDQ bytes, DI

// PATCHES is the transform of all patches.
#define PATCHES(bytes, t0, t1, t2, t3, v, patch, channel) \
	MOVQ w+0(FP), R14; \
	MOVQ wino_pixel(R14), R8; \
	LEAQ (R8)(R8*2), R9; \
	MOVQ wino_point(R14), R10; \
	LEAQ (R10)(R10*2), R11; \
	MOVQ wino_row(R14), R13; \
	MOVQ wino_count(R14), R15; \
patch: \
	MOVQ wino_x(R14), AX; \
	LEAQ (AX)(R13*1), BX; \
	LEAQ (AX)(R13*2), DX; \
	LEAQ (BX)(R13*2), SI; \
	MOVQ wino_v(R14), DI; \
	MOVQ wino_channels(R14), CX; \
channel: \
	CHANNELS(bytes, t0, t1, t2, t3, v); \
	SUBQ $1, CX; \
	JNZ channel; \
	LEAQ (R8)(R8*1), AX; \
	ADDQ AX, wino_x(R14); \
	MOVQ wino_vRow(R14), AX; \
	ADDQ AX, wino_v(R14); \
	SUBQ $1, R15; \
	JNZ patch; \
	VZEROUPPER; \
	RET

// func seen512(w *wino)
TEXT ·seen512(SB), NOSPLIT, $0-8
	PATCHES($64, Z0, Z1, Z2, Z3, Z4, patch, channel)

// func seen256(w *wino)
TEXT ·seen256(SB), NOSPLIT, $0-8
	PATCHES($32, Y0, Y1, Y2, Y3, Y4, patch, channel)

// COLUMN makes the two halves of a column of points, the first of which is at p:
// the sum of the first three, and the second less the others.
#define COLUMN(p, upper, lower, t) \
	VMOVUPS (p), upper; \
	VMOVUPS (p)(R10*1), lower; \
	VADDPS lower, upper, upper; \
	VMOVUPS (p)(R10*2), t; \
	VADDPS t, upper, upper; \
	VSUBPS t, lower, lower; \
	VSUBPS (p)(R11*1), lower, lower

// PLACES makes two neighbours of a row's four halves, adds the bias and stores them.
#define PLACES(a, b, c, d, bias, lo, hi, t, left, right) \
	VADDPS b, a, a; \
	VADDPS c, a, a; \
	VSUBPS c, b, t; \
	VSUBPS d, t, t; \
	VADDPS bias, a, a; \
	VADDPS bias, t, t; \
	VMAXPS a, lo, a; VMINPS a, hi, a; \
	VMAXPS t, lo, t; VMINPS t, hi, t; \
	VMOVUPS a, (left); \
	VMOVUPS t, (right)

// GIVEN computes the results of some channels and goes on.
//
//	SI           the points, R10 and R11 1 and 3 times the bytes between rows of them
//	R8, R9       1 and 3 times the bytes between neighbours
//	AX to DI     where the results go
#define GIVEN(bytes, a, b, c, d, e, f, g, h, t, bias, lo, hi) \
	MOVQ SI, R12; \
	COLUMN(R12, a, e, t); ADDQ R8, R12; \
	COLUMN(R12, b, f, t); ADDQ R8, R12; \
	COLUMN(R12, c, g, t); ADDQ R8, R12; \
	COLUMN(R12, d, h, t); \
	VMOVUPS (R13), bias; \
	PLACES(a, b, c, d, bias, lo, hi, t, AX, BX); \
	PLACES(e, f, g, h, bias, lo, hi, t, DX, DI); \
	ADDQ bytes, SI; \
	ADDQ bytes, R13; \
	ADDQ bytes, AX; \
	ADDQ bytes, BX; \
	ADDQ bytes, DX; \
	ADDQ bytes, DI

// RESULTS is the transform of the points of all patches.
#define RESULTS(bytes, a, b, c, d, e, f, g, h, t, bias, lo, hi, patch, channel) \
	MOVQ w+0(FP), R14; \
	MOVQ wino_point(R14), R8; \
	LEAQ (R8*4), R10; \
	LEAQ (R10)(R10*2), R11; \
	VXORPS X10, X10, X10; \
	VBROADCASTSS wino_most(R14), hi; \
	MOVQ wino_count(R14), R15; \
patch: \
	MOVQ wino_v(R14), SI; \
	MOVQ wino_bias(R14), R13; \
	MOVQ (wino_y+0)(R14), AX; \
	MOVQ (wino_y+8)(R14), BX; \
	MOVQ (wino_y+16)(R14), DX; \
	MOVQ (wino_y+24)(R14), DI; \
	MOVQ wino_channels(R14), CX; \
channel: \
	GIVEN(bytes, a, b, c, d, e, f, g, h, t, bias, lo, hi); \
	SUBQ $1, CX; \
	JNZ channel; \
	MOVQ wino_pixel(R14), AX; \
	ADDQ AX, (wino_y+0)(R14); \
	ADDQ AX, (wino_y+8)(R14); \
	ADDQ AX, (wino_y+16)(R14); \
	ADDQ AX, (wino_y+24)(R14); \
	MOVQ wino_vRow(R14), AX; \
	ADDQ AX, wino_v(R14); \
	SUBQ $1, R15; \
	JNZ patch; \
	VZEROUPPER; \
	RET

// func given512(w *wino)
TEXT ·given512(SB), NOSPLIT, $0-8
	RESULTS($64, Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, patch, channel)

// func given256(w *wino)
TEXT ·given256(SB), NOSPLIT, $0-8
	RESULTS($32, Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, patch, channel)
