package pixel

import "image"

// vp8ToRGB writes a VP8 picture as RGB to the first three of each n bytes of the
// rows that at returns, with libwebp's "fancy" upsampling (its default): each
// pixel takes 9/16 of the nearest chroma sample, 3/16 of the next in either
// direction and 1/16 of the diagonal one, rounded as libwebp's dsp/upsampling.c
// rounds: two averages with truncation in between.
func vp8ToRGB(at func(y int) []uint8, n int, m *image.YCbCr, w, h int) {
	cw, ch := (w+1)/2, (h+1)/2
	us, vs := make([]uint8, 2*cw), make([]uint8, 2*cw)
	for y := range h {
		near := y / 2
		far := max(0, min(near-1+2*(y%2), ch-1))
		vp8Widen(us, m.Cb[near*m.CStride:][:cw], m.Cb[far*m.CStride:][:cw])
		vp8Widen(vs, m.Cr[near*m.CStride:][:cw], m.Cr[far*m.CStride:][:cw])
		dst, ys := at(y), m.Y[y*m.YStride:][:w]
		for x, l := range ys {
			p := dst[n*x : n*x+3 : n*x+3]
			p[0], p[1], p[2] = vp8RGB(int32(l), int32(us[x]), int32(vs[x]))
		}
	}
}

// vp8Widen writes two samples for each column of near, the row that the pixels
// lie in; far is the row on the pixels' other side.
func vp8Widen(dst, near, far []uint8) {
	edge := func(x int) uint8 { return uint8((3*int(near[x]) + int(far[x]) + 2) >> 2) }
	last := len(near) - 1
	dst[0], dst[2*last+1] = edge(0), edge(last)
	for x := 1; x <= last; x++ {
		a, b := int(near[x-1]), int(near[x])
		c, d := int(far[x-1]), int(far[x])
		sum := a + b + c + d + 8
		// The pixel right of column x−1, then the one left of column x.
		dst[2*x-1] = uint8(((sum+2*(b+c))>>3 + a) >> 1)
		dst[2*x] = uint8(((sum+2*(a+d))>>3 + b) >> 1)
	}
}

// vp8RGB converts one pixel from ITU-R 601, studio range, in the 14-bit fixed
// point of libwebp's dsp/yuv.h: products lose 8 bits, the sum 6.
func vp8RGB(y, u, v int32) (r, g, b uint8) {
	l := y * 19077 >> 8                            // 1.164 · 2^14
	r = vp8Clip(l + v*26149>>8 - 14234)            // 1.596
	g = vp8Clip(l - u*6419>>8 - v*13320>>8 + 8708) // 0.391, 0.813
	b = vp8Clip(l + u*33050>>8 - 17685)            // 2.018
	return r, g, b
}

func vp8Clip(v int32) uint8 { return clamp8(v >> 6) }
