// One tile with AVX2 and FMA: up to 6 rows of 16 columns, which are one half of a
// panel, in 12 registers. The registers are named as in tile512_amd64.s, but
//
//	Y0-Y11   the sums, two registers a row
//	Y12, Y13 the weights for this k; before and after, which columns there are
//	Y14      a number of x

#include "go_asm.h"
#include "textflag.h"

// lanes begins with 16 numbers that say yes; what follows says no.
DATA lanes<>+0(SB)/8, $-1
DATA lanes<>+8(SB)/8, $-1
DATA lanes<>+16(SB)/8, $-1
DATA lanes<>+24(SB)/8, $-1
DATA lanes<>+32(SB)/8, $-1
DATA lanes<>+40(SB)/8, $-1
DATA lanes<>+48(SB)/8, $-1
DATA lanes<>+56(SB)/8, $-1
GLOBL lanes<>(SB), RODATA, $128

#define LINE(d) VMOVUPS d(BX), Y12; VMOVUPS (d+32)(BX), Y13
#define MUL(a, lo, hi) VBROADCASTSS a, Y14; VFMADD231PS Y12, Y14, lo; VFMADD231PS Y13, Y14, hi
#define CLIP(lo, hi) VMAXPS lo, Y12, lo; VMAXPS hi, Y12, hi; VMINPS lo, Y13, lo; VMINPS hi, Y13, hi
#define LANES VMOVUPS (R14), Y12; VMOVUPS 32(R14), Y13
#define IN(lo, hi) VMASKMOVPS (SI), Y12, lo; VMASKMOVPS 32(SI), Y13, hi; ADDQ DI, SI
#define OUT(lo, hi) VMASKMOVPS lo, Y12, (R11); VMASKMOVPS hi, Y13, 32(R11); ADDQ R12, R11

// STEPn multiplies and adds for n rows, d bytes after the present k.
#define STEP1(d) MUL(d(AX), Y0, Y1)
#define STEP2(d) STEP1(d); MUL(d(AX)(R8*1), Y2, Y3)
#define STEP3(d) STEP2(d); MUL(d(AX)(R8*2), Y4, Y5)
#define STEP4(d) STEP3(d); MUL(d(AX)(R9*1), Y6, Y7)
#define STEP5(d) STEP4(d); MUL(d(AX)(R8*4), Y8, Y9)
#define STEP6(d) STEP5(d); MUL(d(AX)(R10*1), Y10, Y11)

// INn loads what the sums of n rows begin with.
#define IN1 IN(Y0, Y1)
#define IN2 IN1; IN(Y2, Y3)
#define IN3 IN2; IN(Y4, Y5)
#define IN4 IN3; IN(Y6, Y7)
#define IN5 IN4; IN(Y8, Y9)
#define IN6 IN5; IN(Y10, Y11)

// OUTn stores the sums of n rows.
#define OUT1 OUT(Y0, Y1)
#define OUT2 OUT1; OUT(Y2, Y3)
#define OUT3 OUT2; OUT(Y4, Y5)
#define OUT4 OUT3; OUT(Y6, Y7)
#define OUT5 OUT4; OUT(Y8, Y9)
#define OUT6 OUT5; OUT(Y10, Y11)

// CLIPn moves the sums of n rows between Y12 and Y13. What is not a number stays.
#define CLIP1 CLIP(Y0, Y1)
#define CLIP2 CLIP1; CLIP(Y2, Y3)
#define CLIP3 CLIP2; CLIP(Y4, Y5)
#define CLIP4 CLIP3; CLIP(Y6, Y7)
#define CLIP5 CLIP4; CLIP(Y8, Y9)
#define CLIP6 CLIP5; CLIP(Y10, Y11)

// ROWS is the tile of so many rows: for every tap, four k at a time, then one at
// a time.
#define ROWS(IN, STEP, CLIP, OUT, tap, four, rest, one, next, end, store) \
	IN; \
	MOVQ t+0(FP), R15; \
	MOVQ tile_taps(R15), SI; \
	MOVQ tile_more(R15), DI; \
	MOVQ tile_pace(R15), R15; \
tap: \
	SUBQ $4, CX; \
	JLT rest; \
four: \
	PREFETCHT1 (R13); \
	PREFETCHT1 (R13)(R15*1); \
	LEAQ (R13)(R15*2), R13; \
	LINE(0); STEP(0); \
	LINE(128); STEP(4); \
	LINE(256); STEP(8); \
	LINE(384); STEP(12); \
	ADDQ $16, AX; \
	ADDQ $512, BX; \
	SUBQ $4, CX; \
	JGE four; \
rest: \
	ADDQ $4, CX; \
	JLE next; \
one: \
	LINE(0); STEP(0); \
	ADDQ $4, AX; \
	ADDQ $128, BX; \
	SUBQ $1, CX; \
	JNZ one; \
next: \
	SUBQ $1, DI; \
	JLT end; \
	MOVQ (SI), AX; \
	ADDQ $8, SI; \
	MOVQ t+0(FP), CX; \
	MOVQ tile_k(CX), CX; \
	JMP tap; \
end: \
	MOVQ t+0(FP), R15; \
	CMPQ tile_clip(R15), $0; \
	JEQ store; \
	VBROADCASTSS tile_lo(R15), Y12; \
	VBROADCASTSS tile_hi(R15), Y13; \
	CLIP; \
store: \
	LANES; \
	OUT; \
	VZEROUPPER; \
	RET

// func tile256(t *tile)
TEXT ·tile256(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), DI
	MOVQ tile_cols(DI), CX
	LEAQ lanes<>+64(SB), R14
	SHLQ $2, CX
	SUBQ CX, R14 // so that as many yes as there are columns are left
	LANES
	MOVQ tile_k(DI), CX
	MOVQ tile_x(DI), AX
	MOVQ tile_xRow(DI), R8
	LEAQ (R8)(R8*2), R9
	LEAQ (R8)(R8*4), R10
	MOVQ tile_panel(DI), BX
	MOVQ tile_begin(DI), SI
	MOVQ tile_y(DI), R11
	MOVQ tile_yRow(DI), R12
	MOVQ tile_far(DI), R13
	MOVQ tile_rows(DI), R15
	MOVQ tile_beginRow(DI), DI
	CMPQ R15, $6
	JEQ rows6
	CMPQ R15, $5
	JEQ rows5
	CMPQ R15, $4
	JEQ rows4
	CMPQ R15, $3
	JEQ rows3
	CMPQ R15, $2
	JEQ rows2
	ROWS(IN1, STEP1, CLIP1, OUT1, tap1, four1, rest1, one1, next1, end1, store1)
rows2:
	ROWS(IN2, STEP2, CLIP2, OUT2, tap2, four2, rest2, one2, next2, end2, store2)
rows3:
	ROWS(IN3, STEP3, CLIP3, OUT3, tap3, four3, rest3, one3, next3, end3, store3)
rows4:
	ROWS(IN4, STEP4, CLIP4, OUT4, tap4, four4, rest4, one4, next4, end4, store4)
rows5:
	ROWS(IN5, STEP5, CLIP5, OUT5, tap5, four5, rest5, one5, next5, end5, store5)
rows6:
	ROWS(IN6, STEP6, CLIP6, OUT6, tap6, four6, rest6, one6, next6, end6, store6)
