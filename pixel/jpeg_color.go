package pixel

// A plane is one subsampled component of a JPEG picture and brings it to full
// size row by row, as libjpeg-turbo 2.1 and later do by default ("fancy"
// upsampling): a triangle filter where a sample is shared by two pixels in a
// direction, repetition for other ratios and for planes of at most two columns.
// Its rounding alternates between down and up from pixel to pixel; the sources
// are jdsample.c's comments on h2v1, h1v2 and h2v2 and its choice of method.
type plane struct {
	pix    []uint8
	stride int
	w, h   int // samples that stand for pixels; the file's padding is not used
	hs, vs int // pixels a sample, each direction
	line   []uint8
	sums   []int32
}

// newPlane describes the component of a width×height picture held in pix.
func newPlane(pix []uint8, stride, width, height, hs, vs int) *plane {
	p := &plane{pix: pix, stride: stride, hs: hs, vs: vs}
	p.w, p.h = (width+hs-1)/hs, (height+vs-1)/vs
	if hs > 1 || vs > 1 {
		p.line = make([]uint8, p.w*hs)
	}
	if hs == 2 {
		p.sums = make([]int32, p.w)
	}
	return p
}

// src returns row y of the stored samples, the nearest one outside the plane.
func (p *plane) src(y int) []uint8 {
	y = max(0, min(y, p.h-1))
	return p.pix[y*p.stride : y*p.stride+p.w]
}

// row returns the samples of row y of the picture. They are good until the next call.
func (p *plane) row(y int) []uint8 {
	near := p.src(y / p.vs)
	far := p.src(y/p.vs - 1 + 2*(y%p.vs)) // the row above for even y, below for odd; for vs == 2
	switch {
	case p.hs == 1 && p.vs == 1:
		return near
	case p.hs == 2 && p.vs <= 2 && p.w > 2:
		if p.vs == 1 {
			for x, v := range near {
				p.sums[x] = int32(v)
			}
			widen(p.line, p.sums, 2, 1, 2)
		} else {
			for x, v := range near {
				p.sums[x] = 3*int32(v) + int32(far[x])
			}
			widen(p.line, p.sums, 4, 8, 7)
		}
	case p.hs == 1 && p.vs == 2:
		bias := 1 + y%2
		for x, v := range near {
			p.line[x] = uint8((3*int(v) + int(far[x]) + bias) >> 2)
		}
	default:
		for x, v := range near {
			for k := range p.hs {
				p.line[x*p.hs+k] = v
			}
		}
	}
	return p.line
}

// widen doubles a row with weights 3/4 and 1/4. The result is shifted right by
// shift after adding left for the left pixel of a pair and right for the right.
func widen(dst []uint8, src []int32, shift uint, left, right int32) {
	n := len(src)
	// The outermost pixels are the outermost samples: 4·v/4.
	dst[0] = uint8((4*src[0] + left) >> shift)
	dst[2*n-1] = uint8((4*src[n-1] + right) >> shift)
	prev := src[0]
	for i := 1; i < n; i++ {
		cur := src[i]
		dst[2*i-1] = uint8((3*prev + cur + right) >> shift)
		dst[2*i] = uint8((3*cur + prev + left) >> shift)
		prev = cur
	}
}

// Conversion factors of JFIF 1.02 (ITU-R 601, full range) times 65536, rounded.
const (
	crToR = 91881  // 1.40200
	cbToB = 116130 // 1.77200
	crToG = 46802  // 0.71414
	cbToG = 22554  // 0.34414
)

// writeRow returns the function that turns a row of each of n components into
// pixels: YCbCr into RGB; four components into CMYK as Pillow delivers it, which
// takes every file to be inverted, as Adobe's are.
func writeRow(ycc bool, n int) func(dst []uint8, rows [][]uint8) {
	t := new(yccTables)
	if ycc {
		t.fill()
	}
	switch {
	case n == 1:
		return func(dst []uint8, rows [][]uint8) { copy(dst, rows[0]) }
	case n == 3 && ycc:
		return t.rgb
	case n == 3:
		return func(dst []uint8, rows [][]uint8) {
			for i, row := range rows {
				put(dst[i:], 3, row, 0)
			}
		}
	}
	return func(dst []uint8, rows [][]uint8) {
		if ycc { // libjpeg's CMY is 255 − RGB, which the inversion undoes
			t.cmy(dst, rows)
			rows = rows[3:]
		}
		for i, row := range rows {
			put(dst[4-len(rows)+i:], 4, row, 255)
		}
	}
}

// put writes row to every step-th byte of dst, with the bits of flip inverted.
func put(dst []uint8, step int, row []uint8, flip uint8) {
	for x, v := range row {
		dst[x*step] = v ^ flip
	}
}

// yccTables are products of chroma samples. The arithmetic is that of libjpeg's
// jdcolor.c: red and blue are rounded by themselves, green once.
type yccTables struct {
	red, blue, greenR, greenB [256]int32
}

func (t *yccTables) fill() {
	for i := range int32(256) {
		c := i - 128
		t.red[i] = (crToR*c + 1<<15) >> 16
		t.blue[i] = (cbToB*c + 1<<15) >> 16
		t.greenR[i] = -crToG * c
		t.greenB[i] = -cbToG*c + 1<<15
	}
}

// rgb writes a row of RGB.
func (t *yccTables) rgb(dst []uint8, rows [][]uint8) {
	ys := rows[0]
	us, vs, dst := rows[1][:len(ys)], rows[2][:len(ys)], dst[:3*len(ys)]
	for x, y := range ys {
		l, u, v := int32(y), us[x], vs[x]
		p := (*[3]uint8)(dst)
		p[0] = clamp8(l + t.red[v])
		p[1] = clamp8(l + (t.greenR[v]+t.greenB[u])>>16)
		p[2] = clamp8(l + t.blue[u])
		dst = dst[3:]
	}
}

// cmy writes the same numbers to the first three of each four bytes.
func (t *yccTables) cmy(dst []uint8, rows [][]uint8) {
	for x, y := range rows[0] {
		l, u, v := int32(y), rows[1][x], rows[2][x]
		p := dst[4*x : 4*x+3 : 4*x+3]
		p[0] = clamp8(l + t.red[v])
		p[1] = clamp8(l + (t.greenR[v]+t.greenB[u])>>16)
		p[2] = clamp8(l + t.blue[u])
	}
}

// clamp8 returns v limited to 0..255.
func clamp8(v int32) uint8 {
	if uint32(v) > 255 {
		return uint8(^(v >> 31)) // 0 if negative, else 255
	}
	return uint8(v)
}
