// One tile with AVX-512: up to 14 rows of 32 columns in 28 registers. For every k
// two loads of the panel and one broadcast a row feed two multiply-adds a row, so
// that the arithmetic units have work in every cycle.
//
//	AX, DX      row 0 and row 7 of x, from the present k
//	R8, R9, R10 1, 3 and 5 times the bytes between rows of x
//	BX          the panel, from the present k
//	CX          k that are left
//	R13, R14    what to fetch of the next panel, and how many bytes at a time
//	Z0-Z27      the sums, two registers a row
//	Z28, Z29    the panel's 32 weights for this k
//	Z30         a number of x
//	K1, K2      which columns there are
//	SI, DI      where the next taps are, and how many; before, what the sums begin with

#include "go_asm.h"
#include "textflag.h"

#define LINE(d) VMOVUPS d(BX), Z28; VMOVUPS (d+64)(BX), Z29
#define MUL(a, lo, hi) VBROADCASTSS a, Z30; VFMADD231PS Z28, Z30, lo; VFMADD231PS Z29, Z30, hi
#define IN(lo, hi) VMOVUPS.Z (SI), K1, lo; VMOVUPS.Z 64(SI), K2, hi; ADDQ DI, SI
#define OUT(lo, hi) VMOVUPS lo, K1, (R11); VMOVUPS hi, K2, 64(R11); ADDQ R12, R11
#define CLIP(lo, hi) VMAXPS lo, Z28, lo; VMAXPS hi, Z28, hi; VMINPS lo, Z29, lo; VMINPS hi, Z29, hi
#define NEAR PREFETCHT0 (R15); PREFETCHT0 64(R15); ADDQ R12, R15

// STEPn multiplies and adds for n rows, d bytes after the present k.
#define STEP1(d) MUL(d(AX), Z0, Z1)
#define STEP2(d) STEP1(d); MUL(d(AX)(R8*1), Z2, Z3)
#define STEP3(d) STEP2(d); MUL(d(AX)(R8*2), Z4, Z5)
#define STEP4(d) STEP3(d); MUL(d(AX)(R9*1), Z6, Z7)
#define STEP5(d) STEP4(d); MUL(d(AX)(R8*4), Z8, Z9)
#define STEP6(d) STEP5(d); MUL(d(AX)(R10*1), Z10, Z11)
#define STEP7(d) STEP6(d); MUL(d(AX)(R9*2), Z12, Z13)
#define STEP8(d) STEP7(d); MUL(d(DX), Z14, Z15)
#define STEP9(d) STEP8(d); MUL(d(DX)(R8*1), Z16, Z17)
#define STEP10(d) STEP9(d); MUL(d(DX)(R8*2), Z18, Z19)
#define STEP11(d) STEP10(d); MUL(d(DX)(R9*1), Z20, Z21)
#define STEP12(d) STEP11(d); MUL(d(DX)(R8*4), Z22, Z23)
#define STEP13(d) STEP12(d); MUL(d(DX)(R10*1), Z24, Z25)
#define STEP14(d) STEP13(d); MUL(d(DX)(R9*2), Z26, Z27)

// INn loads what the sums of n rows begin with.
#define IN1 IN(Z0, Z1)
#define IN2 IN1; IN(Z2, Z3)
#define IN3 IN2; IN(Z4, Z5)
#define IN4 IN3; IN(Z6, Z7)
#define IN5 IN4; IN(Z8, Z9)
#define IN6 IN5; IN(Z10, Z11)
#define IN7 IN6; IN(Z12, Z13)
#define IN8 IN7; IN(Z14, Z15)
#define IN9 IN8; IN(Z16, Z17)
#define IN10 IN9; IN(Z18, Z19)
#define IN11 IN10; IN(Z20, Z21)
#define IN12 IN11; IN(Z22, Z23)
#define IN13 IN12; IN(Z24, Z25)
#define IN14 IN13; IN(Z26, Z27)

// OUTn stores the sums of n rows.
#define OUT1 OUT(Z0, Z1)
#define OUT2 OUT1; OUT(Z2, Z3)
#define OUT3 OUT2; OUT(Z4, Z5)
#define OUT4 OUT3; OUT(Z6, Z7)
#define OUT5 OUT4; OUT(Z8, Z9)
#define OUT6 OUT5; OUT(Z10, Z11)
#define OUT7 OUT6; OUT(Z12, Z13)
#define OUT8 OUT7; OUT(Z14, Z15)
#define OUT9 OUT8; OUT(Z16, Z17)
#define OUT10 OUT9; OUT(Z18, Z19)
#define OUT11 OUT10; OUT(Z20, Z21)
#define OUT12 OUT11; OUT(Z22, Z23)
#define OUT13 OUT12; OUT(Z24, Z25)
#define OUT14 OUT13; OUT(Z26, Z27)

// CLIPn moves the sums of n rows between Z28 and Z29. What is not a number stays.
#define CLIP1 CLIP(Z0, Z1)
#define CLIP2 CLIP1; CLIP(Z2, Z3)
#define CLIP3 CLIP2; CLIP(Z4, Z5)
#define CLIP4 CLIP3; CLIP(Z6, Z7)
#define CLIP5 CLIP4; CLIP(Z8, Z9)
#define CLIP6 CLIP5; CLIP(Z10, Z11)
#define CLIP7 CLIP6; CLIP(Z12, Z13)
#define CLIP8 CLIP7; CLIP(Z14, Z15)
#define CLIP9 CLIP8; CLIP(Z16, Z17)
#define CLIP10 CLIP9; CLIP(Z18, Z19)
#define CLIP11 CLIP10; CLIP(Z20, Z21)
#define CLIP12 CLIP11; CLIP(Z22, Z23)
#define CLIP13 CLIP12; CLIP(Z24, Z25)
#define CLIP14 CLIP13; CLIP(Z26, Z27)

// NEARn fetches n rows of the next tile's results into the nearest cache.
#define NEAR1 NEAR
#define NEAR2 NEAR1; NEAR
#define NEAR3 NEAR2; NEAR
#define NEAR4 NEAR3; NEAR
#define NEAR5 NEAR4; NEAR
#define NEAR6 NEAR5; NEAR
#define NEAR7 NEAR6; NEAR
#define NEAR8 NEAR7; NEAR
#define NEAR9 NEAR8; NEAR
#define NEAR10 NEAR9; NEAR
#define NEAR11 NEAR10; NEAR
#define NEAR12 NEAR11; NEAR
#define NEAR13 NEAR12; NEAR
#define NEAR14 NEAR13; NEAR

// ROWS is the tile of so many rows: for every tap, four k at a time, then one at
// a time.
#define ROWS(IN, NEAR, STEP, CLIP, OUT, tap, four, rest, one, next, end, store) \
	IN; \
	NEAR; \
	MOVQ t+0(FP), R14; \
	MOVQ tile_taps(R14), SI; \
	MOVQ tile_more(R14), DI; \
	MOVQ tile_pace(R14), R14; \
tap: \
	SUBQ $4, CX; \
	JLT rest; \
four: \
	PREFETCHT1 (R13); \
	PREFETCHT1 (R13)(R14*1); \
	LEAQ (R13)(R14*2), R13; \
	LINE(0); STEP(0); \
	LINE(128); STEP(4); \
	LINE(256); STEP(8); \
	LINE(384); STEP(12); \
	ADDQ $16, AX; \
	ADDQ $16, DX; \
	ADDQ $512, BX; \
	SUBQ $4, CX; \
	JGE four; \
rest: \
	ADDQ $4, CX; \
	JLE next; \
one: \
	LINE(0); STEP(0); \
	ADDQ $4, AX; \
	ADDQ $4, DX; \
	ADDQ $128, BX; \
	SUBQ $1, CX; \
	JNZ one; \
next: \
	SUBQ $1, DI; \
	JLT end; \
	MOVQ (SI), AX; \
	ADDQ $8, SI; \
	LEAQ (AX)(R9*1), DX; \
	LEAQ (DX)(R8*4), DX; \
	MOVQ t+0(FP), CX; \
	MOVQ tile_k(CX), CX; \
	JMP tap; \
end: \
	MOVQ t+0(FP), R14; \
	CMPQ tile_clip(R14), $0; \
	JEQ store; \
	VBROADCASTSS tile_lo(R14), Z28; \
	VBROADCASTSS tile_hi(R14), Z29; \
	CLIP; \
store: \
	OUT; \
	VZEROUPPER; \
	RET

// func tile512(t *tile)
TEXT ·tile512(SB), NOSPLIT, $0-8
	MOVQ t+0(FP), DI
	MOVQ tile_cols(DI), CX
	MOVQ $1, DX
	SHLQ CX, DX
	SUBQ $1, DX
	KMOVW DX, K1
	SHRQ $16, DX
	KMOVW DX, K2
	MOVQ tile_k(DI), CX
	MOVQ tile_x(DI), AX
	MOVQ tile_xRow(DI), R8
	LEAQ (R8)(R8*2), R9
	LEAQ (R8)(R8*4), R10
	LEAQ (R9)(R8*4), DX
	ADDQ AX, DX
	MOVQ tile_panel(DI), BX
	MOVQ tile_begin(DI), SI
	MOVQ tile_y(DI), R11
	MOVQ tile_yRow(DI), R12
	MOVQ tile_far(DI), R13
	MOVQ tile_near(DI), R15
	MOVQ tile_rows(DI), R14
	MOVQ tile_beginRow(DI), DI
	CMPQ R14, $14
	JEQ rows14
	CMPQ R14, $13
	JEQ rows13
	CMPQ R14, $12
	JEQ rows12
	CMPQ R14, $11
	JEQ rows11
	CMPQ R14, $10
	JEQ rows10
	CMPQ R14, $9
	JEQ rows9
	CMPQ R14, $8
	JEQ rows8
	CMPQ R14, $7
	JEQ rows7
	CMPQ R14, $6
	JEQ rows6
	CMPQ R14, $5
	JEQ rows5
	CMPQ R14, $4
	JEQ rows4
	CMPQ R14, $3
	JEQ rows3
	CMPQ R14, $2
	JEQ rows2
	ROWS(IN1, NEAR1, STEP1, CLIP1, OUT1, tap1, four1, rest1, one1, next1, end1, store1)
rows2:
	ROWS(IN2, NEAR2, STEP2, CLIP2, OUT2, tap2, four2, rest2, one2, next2, end2, store2)
rows3:
	ROWS(IN3, NEAR3, STEP3, CLIP3, OUT3, tap3, four3, rest3, one3, next3, end3, store3)
rows4:
	ROWS(IN4, NEAR4, STEP4, CLIP4, OUT4, tap4, four4, rest4, one4, next4, end4, store4)
rows5:
	ROWS(IN5, NEAR5, STEP5, CLIP5, OUT5, tap5, four5, rest5, one5, next5, end5, store5)
rows6:
	ROWS(IN6, NEAR6, STEP6, CLIP6, OUT6, tap6, four6, rest6, one6, next6, end6, store6)
rows7:
	ROWS(IN7, NEAR7, STEP7, CLIP7, OUT7, tap7, four7, rest7, one7, next7, end7, store7)
rows8:
	ROWS(IN8, NEAR8, STEP8, CLIP8, OUT8, tap8, four8, rest8, one8, next8, end8, store8)
rows9:
	ROWS(IN9, NEAR9, STEP9, CLIP9, OUT9, tap9, four9, rest9, one9, next9, end9, store9)
rows10:
	ROWS(IN10, NEAR10, STEP10, CLIP10, OUT10, tap10, four10, rest10, one10, next10, end10, store10)
rows11:
	ROWS(IN11, NEAR11, STEP11, CLIP11, OUT11, tap11, four11, rest11, one11, next11, end11, store11)
rows12:
	ROWS(IN12, NEAR12, STEP12, CLIP12, OUT12, tap12, four12, rest12, one12, next12, end12, store12)
rows13:
	ROWS(IN13, NEAR13, STEP13, CLIP13, OUT13, tap13, four13, rest13, one13, next13, end13, store13)
rows14:
	ROWS(IN14, NEAR14, STEP14, CLIP14, OUT14, tap14, four14, rest14, one14, next14, end14, store14)
