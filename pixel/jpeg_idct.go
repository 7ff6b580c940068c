package pixel

// The inverse DCT is the "accurate integer" one that libjpeg and libjpeg-turbo
// use by default: the factorisation of C. Loeffler, A. Ligtenberg and G.
// Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications", ICASSP
// 1989, in fixed point with 13 bits of fraction, columns first; two bits of
// fraction stay between the passes. Decoders agree to the bit only if they
// round in the same places.
//
// What an encoder makes stays far within 16 bits. Files that exceed them are
// read as libjpeg-turbo's vector code for x86-64 does, which is what Pillow
// runs there: products with the quantisation table and sums before a
// multiplication wrap at 16 bits, results of a pass saturate.
const (
	idctBits = 13
	passBits = 2
)

// Factors times 2^13, rounded: sums of cosines of multiples of π/16, times √2.
const (
	fix0298 = 2446  // 0.298631336
	fix0390 = 3196  // 0.390180644
	fix0541 = 4433  // 0.541196100
	fix0765 = 6270  // 0.765366865
	fix0899 = 7373  // 0.899976223
	fix1175 = 9633  // 1.175875602
	fix1501 = 12299 // 1.501321110
	fix1847 = 15137 // 1.847759065
	fix1961 = 16069 // 1.961570560
	fix2053 = 16819 // 2.053119869
	fix2562 = 20995 // 2.562915447
	fix3072 = 25172 // 3.072711026
)

// idct8 is the transform of eight numbers, times 2^13·√8. Inputs are within 16 bits.
func idct8(a0, a1, a2, a3, a4, a5, a6, a7 int32) (b0, b1, b2, b3, b4, b5, b6, b7 int32) {
	// Even part: a rotation of 2 and 6, a butterfly of 0 and 4.
	r := (a2 + a6) * fix0541
	e2 := r - a6*fix1847
	e3 := r + a2*fix0765
	e0 := int32(int16(a0+a4)) << idctBits
	e1 := int32(int16(a0-a4)) << idctBits
	e0, e1, e2, e3 = e0+e3, e1+e2, e1-e2, e0-e3

	// Odd part.
	s73, s51 := int32(int16(a7+a3)), int32(int16(a5+a1))
	both := (s73 + s51) * fix1175
	z73, z51 := both-s73*fix1961, both-s51*fix0390
	z71, z53 := -(a7+a1)*fix0899, -(a5+a3)*fix2562
	o0 := a7*fix0298 + z71 + z73
	o1 := a5*fix2053 + z53 + z51
	o2 := a3*fix3072 + z53 + z73
	o3 := a1*fix1501 + z71 + z51
	return e0 + o3, e1 + o2, e2 + o1, e3 + o0, e3 - o0, e2 - o1, e1 - o2, e0 - o3
}

// idct writes the 8×8 samples of a block to dst, whose rows are stride apart.
// The coefficients in b and the quantisation table q are in natural order. No
// coefficient past index last in zigzag order is set.
func idct(dst []uint8, stride int, b, q *[64]int16, last int) {
	if last == 0 {
		v := int32(b[0]*q[0]<<passBits) + 1<<(passBits+2)
		idctFill(dst, stride, clamp8(v>>(passBits+3)+128))
		return
	}
	var ws [64]int32
	idctColumns(&ws, b, q)
	const shift, half = idctBits + passBits + 3, 1<<(idctBits+passBits+2) + 128<<(idctBits+passBits+3)
	for y := range 8 {
		w := (*[8]int32)(ws[8*y:])
		p := (*[8]uint8)(dst[y*stride:])
		if w[1]|w[2]|w[3]|w[4]|w[5]|w[6]|w[7] == 0 {
			v := clamp8((w[0]+1<<(passBits+2))>>(passBits+3) + 128)
			*p = [8]uint8{v, v, v, v, v, v, v, v}
			continue
		}
		// The rounding and the level shift by 128 go in with the first input.
		b0, b1, b2, b3, b4, b5, b6, b7 := idct8(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7])
		p[0], p[1] = clamp8((b0+half)>>shift), clamp8((b1+half)>>shift)
		p[2], p[3] = clamp8((b2+half)>>shift), clamp8((b3+half)>>shift)
		p[4], p[5] = clamp8((b4+half)>>shift), clamp8((b5+half)>>shift)
		p[6], p[7] = clamp8((b6+half)>>shift), clamp8((b7+half)>>shift)
	}
}

// idctColumns is the first pass.
func idctColumns(ws *[64]int32, b, q *[64]int16) {
	const shift, half = idctBits - passBits, 1 << (idctBits - passBits - 1)
	for x := range 8 {
		c, f := (*[57]int16)(b[x:]), (*[57]int16)(q[x:])
		w := (*[57]int32)(ws[x:])
		a0 := int32(c[0] * f[0])
		if c[8]|c[16]|c[24]|c[32]|c[40]|c[48]|c[56] == 0 {
			v := a0 << passBits
			if v != int32(int16(v)) {
				v = idctExtreme(v, b)
			}
			w[0], w[8], w[16], w[24], w[32], w[40], w[48], w[56] = v, v, v, v, v, v, v, v
			continue
		}
		b0, b1, b2, b3, b4, b5, b6, b7 := idct8(a0, int32(c[8]*f[8]), int32(c[16]*f[16]), int32(c[24]*f[24]),
			int32(c[32]*f[32]), int32(c[40]*f[40]), int32(c[48]*f[48]), int32(c[56]*f[56]))
		w[0], w[8] = clamp16((b0+half)>>shift), clamp16((b1+half)>>shift)
		w[16], w[24] = clamp16((b2+half)>>shift), clamp16((b3+half)>>shift)
		w[32], w[40] = clamp16((b4+half)>>shift), clamp16((b5+half)>>shift)
		w[48], w[56] = clamp16((b6+half)>>shift), clamp16((b7+half)>>shift)
	}
}

// idctExtreme is what the first pass makes of a column with one coefficient,
// the first, that is out of range: it saturates, but wraps if all columns are so.
func idctExtreme(v int32, b *[64]int16) int32 {
	for _, c := range b[8:] {
		if c != 0 {
			return clamp16(v)
		}
	}
	return int32(int16(v))
}

func idctFill(dst []uint8, stride int, v uint8) {
	for y := range 8 {
		*(*[8]uint8)(dst[y*stride:]) = [8]uint8{v, v, v, v, v, v, v, v}
	}
}

// clamp16 returns v limited to the range of 16 bits.
func clamp16(v int32) int32 {
	if v != int32(int16(v)) {
		return v>>31 ^ 0x7fff // −0x8000 if negative, else 0x7fff
	}
	return v
}
