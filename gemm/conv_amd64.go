package gemm

import "unsafe"

// seenSize is how many numbers of a picture are looked at together: they stay in
// the second cache.
const seenSize = 192 << 10

// A view is a block of rows of a picture with zeros around it, copied so that the
// windows of a row see it at equal distances. Distances are in numbers.
type view struct {
	x           []float32
	right, down int       // from a window to its neighbours
	k           int       // inputs that lie beside each other
	taps        [area]int // where they do, from the window's first
}

// convolution computes the rows of results from first to last, which is not among
// them, into y, which begins with the first.
func (mc *kernel) convolution(c Convolution, y, x []float32, first, last int) {
	g := c.Seen()
	_, w := g.Result()
	row := (g.Width + window - 1) * c.In
	pixel := c.In
	if !c.Planes {
		pixel = c.In + spread(c.In)
		row = (g.Width + window - 1) * pixel
	}
	rows := min(max((seenSize/row-window)/g.Stride+1, 1), last-first)
	block, free := lent(((rows-1)*g.Stride + window) * row)
	defer free()
	for i := range parts(last-first, rows) {
		r0, r1 := part(last-first, rows, i)
		r0, r1 = first+r0, first+r1
		seen := (r1-r0-1)*g.Stride + window
		v := view{x: block, right: g.Stride * pixel, down: g.Stride * row, k: c.In}
		if c.Planes {
			v.look3(c, x, r0*g.Stride-g.Before, seen)
		} else {
			v.look(c, x, r0-g.Before, seen, pixel, row)
		}
		for p := range parts(c.Out, Panel) {
			mc.windows(c, &v, y[(r0-first)*w*c.Out:], r1-r0, w, p)
		}
	}
}

// spread is what is put between positions of so many channels, lest the positions of
// a tile fall into the same lines of the first cache.
func spread(channels int) int {
	if channels%(16*padding) == 0 {
		return padding
	}
	return 0
}

// look copies n rows of a picture, from the given one, which may be outside. A row
// takes row numbers, a position pixel.
func (v *view) look(c Convolution, x []float32, from, n, pixel, row int) {
	g := c.Seen()
	for i := range v.taps {
		v.taps[i] = i/window*row + i%window*pixel
	}
	for r := range n {
		to := v.x[r*row:][:row]
		at := from + r
		if at < 0 || at >= g.Height {
			clear(to)
			continue
		}
		clear(to[:pixel])
		clear(to[(g.Width+1)*pixel:])
		to = to[pixel:]
		switch {
		case c.Halved:
			halve(to, x[2*at*c.Width*c.In:], c.Width*c.In, g.Width, c.In, pixel)
		case pixel == c.In:
			copy(to, x[at*g.Width*c.In:][:g.Width*c.In])
		default:
			for i := range g.Width {
				copy(to[i*pixel:], x[(at*g.Width+i)*c.In:][:c.In])
			}
		}
	}
}

//go:noescape
func largest256(to, a, b, c, d *float32, n int)

// halve puts the largest of every 2×2 positions of two rows, which are row numbers
// apart, into a row of n positions that are pixel numbers apart.
func halve(to, x []float32, row, n, channels, pixel int) {
	const lanes = 8
	whole := channels / lanes * lanes
	for i := range n {
		a, b := x[2*i*channels:], x[row+2*i*channels:]
		to := to[i*pixel:]
		if whole > 0 {
			largest256(&to[0], &a[0], &a[channels], &b[0], &b[channels], whole/lanes)
		}
		for c := whole; c < channels; c++ {
			to[c] = max(a[c], a[channels+c], b[c], b[channels+c])
		}
	}
}

// look3 copies n rows of three planes.
func (v *view) look3(c Convolution, x []float32, from, n int) {
	g := c.Grid
	row := g.Width + window - 1
	v.right, v.down, v.k = g.Stride, g.Stride*row, window
	for i := range v.taps {
		v.taps[i] = (i/window*n + i%window) * row
	}
	for i := range window * n {
		to := v.x[i*row:][:row]
		at := from + i%n
		if at < 0 || at >= g.Height {
			clear(to)
			continue
		}
		clear(to[:g.Before])
		copy(to[g.Before:], x[(i/n*g.Height+at)*g.Width:][:g.Width])
		clear(to[g.Before+g.Width:])
	}
}

// windows computes the columns of panel p of a block of rows of w windows each.
func (mc *kernel) windows(c Convolution, v *view, y []float32, rows, w, p int) {
	depth := area * c.In
	weights := c.Weight[p*depth*Panel:]
	next := min((p+1)*depth*Panel, len(c.Weight)-depth*Panel)
	var taps [area - 1]unsafe.Pointer
	t := tile{k: v.k, xRow: v.right * size, yRow: c.Out * size, far: uintptr(unsafe.Pointer(&c.Weight[next])),
		taps: unsafe.Pointer(&taps), more: len(taps)}
	t.bound(c.Most)
	tiles := parts(w, mc.rows)
	t.pace = min(64, parts(2*Panel*size, rows*tiles*parts(min(Panel, c.Out-p*Panel), mc.cols)))
	for i := range rows * tiles {
		r := i / tiles
		w0, w1 := part(w, mc.rows, i%tiles)
		at := r*v.down + w0*v.right
		for k := range taps {
			taps[k] = unsafe.Pointer(&v.x[at+v.taps[k+1]])
		}
		for col := p * Panel; col < min((p+1)*Panel, c.Out); col += mc.cols {
			t.rows, t.cols = w1-w0, min(mc.cols, c.Out-col)
			t.x = unsafe.Pointer(&v.x[at])
			t.panel = unsafe.Pointer(&weights[col%Panel])
			t.y = unsafe.Pointer(&y[(r*w+w0)*c.Out+col])
			t.begin = unsafe.Pointer(&c.Bias[col])
			t.near = uintptr(t.y) + uintptr(t.rows*t.yRow)
			mc.run(&t)
			t.far += uintptr(depth / 4 * 2 * t.pace)
		}
	}
}
