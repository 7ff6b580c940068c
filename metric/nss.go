package metric

import (
	"math"
	"sort"
	"sync"
)

// NIQE and BRISQUE read the same natural-scene statistics: mean-subtracted,
// contrast-normalised (MSCN) values, and generalised Gaussians fitted to them
// and to the products of neighbours. This file holds what they share.
//
// Every product that meets a sum is converted to float64 first, which forbids
// the compiler to fuse the two. In a flat area the mean differs from the pixel
// by rounding alone, and the fits read the sign of that difference, so a fused
// multiplication would give other numbers on other processors.

// mscnTaps are the four distinct weights, outermost first, of the 7-tap
// Gaussian exp(−x²/2σ²) of standard deviation σ = 7/6, normalised to sum 1
// (Mittal et al. 2012, section III-A). They are written out because math.Exp
// may differ in its last digit between processors.
var mscnTaps = [4]float64{0.012560200468474614, 0.07882796468173002, 0.2372960771171706, 0.34263151546524945}

// A border says what lies outside the plane.
type border int

const (
	zeros     border = iota // black, as MATLAB's filter2 has it
	replicate               // the nearest sample, as imfilter's 'replicate' has it
)

// mscn returns (x − μ)/(σ + 1) of every sample, row-major w×h, where μ and σ
// are the local mean and standard deviation under the Gaussian window, in
// units of 8-bit levels. Rows of src are stride apart.
//
// Differences below snap are taken to be 0: they are rounding, not picture.
func mscn[T uint8 | float64](src []T, w, h, stride int, edge border, snap float64) []float64 {
	win := newWindow(w, edge)
	out := make([]float64, w*h)
	for y := range min(3, h) {
		load(win, src[y*stride:y*stride+w], y)
	}
	for y := range h {
		if y+3 < h {
			load(win, src[(y+3)*stride:(y+3)*stride+w], y+3)
		}
		win.vertical(y, h)
		win.normalise(out[y*w:(y+1)*w], win.level[y%7], snap)
	}
	return out
}

// A window holds the seven rows that one output row needs.
type window struct {
	w      int
	edge   border
	taps   [4]float64
	level  [7][]float64 // row y is at y%7
	square [7][]float64
	none   []float64 // a row of zeros
	mean   []float64 // column means of the levels, padded by 3 on either side
	power  []float64 // column means of the squares, likewise
}

func newWindow(w int, edge border) *window {
	win := &window{w: w, edge: edge, taps: mscnTaps, none: make([]float64, w),
		mean: make([]float64, w+6), power: make([]float64, w+6)}
	for i := range win.level {
		win.level[i], win.square[i] = make([]float64, w), make([]float64, w)
	}
	return win
}

func load[T uint8 | float64](win *window, row []T, y int) {
	level := win.level[y%7][:len(row)]
	square := win.square[y%7][:len(row)]
	for x, v := range row {
		f := float64(v)
		level[x] = f
		square[x] = f * f
	}
}

// vertical fills mean and power for output row y of h.
func (win *window) vertical(y, h int) {
	var level, square [7][]float64
	for k := range 7 {
		at := y + k - 3
		if win.edge == replicate {
			at = min(max(at, 0), h-1)
		}
		if at < 0 || at >= h {
			level[k], square[k] = win.none, win.none
			continue
		}
		level[k], square[k] = win.level[at%7], win.square[at%7]
	}
	win.columns(win.mean, &level)
	win.columns(win.power, &square)
}

func (win *window) columns(dst []float64, rows *[7][]float64) {
	n := win.w
	t0, t1, t2, t3 := win.taps[0], win.taps[1], win.taps[2], win.taps[3]
	r0, r1, r2, r3 := rows[0][:n], rows[1][:n], rows[2][:n], rows[3][:n]
	r4, r5, r6 := rows[4][:n], rows[5][:n], rows[6][:n]
	mid := dst[3 : 3+n]
	for x := range mid {
		mid[x] = float64(t3*r3[x]) + float64(t2*(r2[x]+r4[x])) + float64(t1*(r1[x]+r5[x])) + float64(t0*(r0[x]+r6[x]))
	}
	if win.edge == replicate {
		for k := range 3 {
			dst[k], dst[3+n+k] = mid[0], mid[n-1]
		}
	}
}

// normalise writes the MSCN values of one row, whose samples are level.
func (win *window) normalise(out, level []float64, snap float64) {
	t0, t1, t2, t3 := win.taps[0], win.taps[1], win.taps[2], win.taps[3]
	n := len(out)
	level = level[:n]
	a, q := win.mean[:n+6], win.power[:n+6]
	for x := range out {
		a, q := a[x:x+7:x+7], q[x:x+7:x+7]
		mu := float64(t3*a[3]) + float64(t2*(a[2]+a[4])) + float64(t1*(a[1]+a[5])) + float64(t0*(a[0]+a[6]))
		m2 := float64(t3*q[3]) + float64(t2*(q[2]+q[4])) + float64(t1*(q[1]+q[5])) + float64(t0*(q[0]+q[6]))
		d := level[x] - mu
		if math.Abs(d) < snap {
			d = 0
		}
		out[x] = d / (math.Sqrt(math.Abs(m2-float64(mu*mu))) + 1)
	}
}

// half shrinks a plane by two in each direction as MATLAB's imresize(·, 0.5)
// does: bicubic (a = −1/2) widened to 8 taps, borders mirrored, sides rounded
// up. It returns the samples and the new sides.
//
// The taps are multiples of 1/256, so integers give the result exactly.
func half(src []uint8, w, h, stride int) (dst []float64, dw, dh int) {
	dw, dh = (w+1)/2, (h+1)/2
	dst = make([]float64, dw*dh)
	column := make([]int32, w+8) // one row of vertical sums, mirrored by 4 on either side
	for y := range dh {
		var rows [8][]uint8
		for k := range rows {
			at := mirror(2*y+k-3, h) * stride
			rows[k] = src[at : at+w]
		}
		r0, r1, r2, r3 := rows[0], rows[1][:w], rows[2][:w], rows[3][:w]
		r4, r5, r6, r7 := rows[4][:w], rows[5][:w], rows[6][:w], rows[7][:w]
		mid := column[4 : 4+w]
		for x := range mid {
			mid[x] = halfTaps(int32(r0[x])+int32(r7[x]), int32(r1[x])+int32(r6[x]),
				int32(r2[x])+int32(r5[x]), int32(r3[x])+int32(r4[x]))
		}
		for k := range 4 {
			column[k] = mid[mirror(k-4, w)]
			column[4+w+k] = mid[mirror(w+k, w)]
		}
		row := dst[y*dw : (y+1)*dw]
		for x := range row {
			c := column[2*x+1 : 2*x+9 : 2*x+9]
			row[x] = float64(halfTaps(c[0]+c[7], c[1]+c[6], c[2]+c[5], c[3]+c[4])) / (256 * 256)
		}
	}
	return dst, dw, dh
}

// halfTaps weighs four pairs of samples, outermost first. The weights are
// k(7/4), k(5/4), k(3/4) and k(1/4) of the bicubic kernel, times 128.
func halfTaps(far, outer, inner, near int32) int32 {
	return -3*far - 9*outer + 29*inner + 111*near
}

// mirror reflects index i into [0, n), the border sample repeated.
func mirror(i, n int) int {
	i %= 2 * n
	if i < 0 {
		i += 2 * n
	}
	if i >= n {
		i = 2*n - 1 - i
	}
	return i
}

// moments sums up one set of values for a generalised Gaussian fit.
type moments struct {
	n, neg, nonpos int     // values; those below 0; those not above 0
	sqNeg, sqPos   float64 // sums of squares below and above 0
	abs            float64 // sum of magnitudes
}

// add takes in the products a[i]·b[i].
func (m *moments) add(a, b []float64) {
	b = b[:len(a)]
	var neg, nonpos uint64
	sqNeg, sqPos, abs := m.sqNeg, m.sqPos, m.abs
	for i, v := range a {
		p := float64(v*b[i]) + 0 // + 0 turns −0 into 0
		bits := math.Float64bits(p)
		sign := uint64(int64(bits) >> 63) // all ones below 0
		sq := math.Float64bits(p * p)
		sqNeg += math.Float64frombits(sq & sign)
		sqPos += math.Float64frombits(sq &^ sign)
		abs += math.Abs(p)
		neg += bits >> 63
		nonpos += (bits - 1) >> 63
	}
	m.n += len(a)
	m.neg += int(neg)
	m.nonpos += int(nonpos)
	m.sqNeg, m.sqPos, m.abs = sqNeg, sqPos, abs
}

// The sets of values that both measures fit.
const (
	self       = iota // the MSCN values
	horizontal        // times the left neighbour
	vertical          // times the upper neighbour
	diagonal          // times the upper left one
	antidiag          // times the upper right one
	sets
)

// neighbours sums up the MSCN values of a w×h block, rows stride apart, and
// their products with four neighbours. Neighbours wrap round the block.
func neighbours(block []float64, w, h, stride int) [sets]moments {
	var m [sets]moments
	ones := make([]float64, w)
	for i := range ones {
		ones[i] = 1
	}
	above, here := make([]float64, w+2), make([]float64, w+2)
	wrap := func(dst []float64, y int) {
		row := block[y*stride : y*stride+w]
		copy(dst[1:], row)
		dst[0], dst[w+1] = row[w-1], row[0]
	}
	wrap(above, h-1)
	for y := range h {
		wrap(here, y)
		row := here[1 : w+1]
		m[self].add(row, ones)
		m[horizontal].add(row, here[:w])
		m[vertical].add(row, above[1:w+1])
		m[diagonal].add(row, above[:w])
		m[antidiag].add(row, above[2:])
		above, here = here, above
	}
	return m
}

// Shapes of the fits: 0.2 to 10 in steps of 0.001, as both releases search.
const (
	shapeLo   = 0.2
	shapeStep = 0.001
	shapes    = 9801
)

// shapeRatios holds Γ(2/α)² / (Γ(1/α)·Γ(3/α)) for every shape α. It increases.
var shapeRatios = sync.OnceValue(func() []float64 {
	r := make([]float64, shapes)
	for i := range r {
		a := shapeAt(i)
		g := math.Gamma(2 / a)
		r[i] = g * g / (math.Gamma(1/a) * math.Gamma(3/a))
	}
	return r
})

func shapeAt(i int) float64 { return shapeLo + float64(shapeStep*float64(i)) }

// nearestShape returns the shape whose ratio, seen through view, is nearest to
// want; of two equally near, the smaller. The view is monotone.
func nearestShape(want float64, view func(float64) float64) float64 {
	r := shapeRatios()
	rising := view(r[shapes-1]) > view(r[0])
	i := sort.Search(shapes, func(i int) bool {
		if rising {
			return view(r[i]) >= want
		}
		return view(r[i]) <= want
	})
	if i == shapes || i > 0 && math.Abs(view(r[i-1])-want) <= math.Abs(view(r[i])-want) {
		i--
	}
	return shapeAt(i)
}

// symmetric fits a generalised Gaussian: its shape, and its variance.
// The moments must not be all zero.
func (m *moments) symmetric() (shape, variance float64) {
	n := float64(m.n)
	variance = (m.sqNeg + m.sqPos) / n
	mean := m.abs / n
	rho := variance / float64(mean*mean)
	return nearestShape(rho, func(r float64) float64 { return 1 / r }), variance
}

// asymmetric fits an asymmetric generalised Gaussian (Lasmar et al. 2009):
// its shape, and the root mean squares below and above 0. ok is false if the
// values are not on both sides of 0, for then there is nothing to fit.
func (m *moments) asymmetric() (shape, left, right float64, ok bool) {
	pos := m.n - m.nonpos
	if m.neg == 0 || pos == 0 || m.sqNeg == 0 || m.sqPos == 0 {
		return 0, 0, 0, false
	}
	n := float64(m.n)
	left = math.Sqrt(m.sqNeg / float64(m.neg))
	right = math.Sqrt(m.sqPos / float64(pos))
	g := left / right
	mean := m.abs / n
	ratio := float64(mean*mean) / ((m.sqNeg + m.sqPos) / n)
	g2 := float64(g * g)
	want := ratio * (float64(g2*g) + 1) * (g + 1) / float64((g2+1)*(g2+1))
	return nearestShape(want, func(r float64) float64 { return r }), left, right, true
}
