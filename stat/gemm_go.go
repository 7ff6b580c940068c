package stat

import (
	"math"
	"unsafe"
)

// kernelGo is what every machine can run, and what the others must equal bit for
// bit.
var kernelGo = kernel{name: "go", mr: 4, nr: 4, tile: tileGo, axpy: axpyGo, dot: dotGo}

// tileGo is tile of a [kernel] of 4 rows of 4.
func tileGo(k int, a, b, c *float64, ldc int) {
	as, bs := unsafe.Slice(a, 4*k), unsafe.Slice(b, 4*k)
	cs := unsafe.Slice(c, 3*ldc+4)
	for i := range 4 {
		row := cs[i*ldc : i*ldc+4]
		c0, c1, c2, c3 := row[0], row[1], row[2], row[3]
		for p := 0; p < len(as); p += 4 {
			v, w := as[p+i], bs[p:p+4:p+4]
			c0 = math.FMA(v, w[0], c0)
			c1 = math.FMA(v, w[1], c1)
			c2 = math.FMA(v, w[2], c2)
			c3 = math.FMA(v, w[3], c3)
		}
		row[0], row[1], row[2], row[3] = c0, c1, c2, c3
	}
}

// axpyGo is axpy of a [kernel].
func axpyGo(n int, a *float64, lda int, coef *[8]float64, y *float64) {
	ys := unsafe.Slice(y, n)
	as := unsafe.Slice(a, 7*lda+n)
	for r, c := range coef {
		row := as[r*lda : r*lda+n]
		for j, v := range row {
			ys[j] = math.FMA(v, c, ys[j])
		}
	}
}

// dotGo is dot of a [kernel].
func dotGo(n int, a *float64, lda int, x *float64, lanes *[64]float64) {
	xs := unsafe.Slice(x, n)
	as := unsafe.Slice(a, 7*lda+n)
	for r := range 8 {
		row := as[r*lda : r*lda+n]
		var l [8]float64
		for j := 0; j < n; j += 8 {
			for q := range l {
				l[q] = math.FMA(row[j+q], xs[j+q], l[q])
			}
		}
		copy(lanes[8*r:], l[:])
	}
}
