package gemm

import "unsafe"

// size is the bytes of a number.
const size = 4

// A deep computes, at some neighbouring windows of one row, the first step of a
// [Separable] for all channels. Distances are in bytes.
type deep struct {
	rows   [window]unsafe.Pointer // of the first window
	column int                    // from one column of x to the next
	step   int                    // from one group of windows to the next, in x
	weight unsafe.Pointer         // as PackDeep packs it
	bias   unsafe.Pointer
	y      unsafe.Pointer
	yRow   int // from one window's results to the next
	groups int // of Lanes channels
	count  int // of groups of windows: of four, or of one
	most   float32
}

//go:noescape
func deepNear512(d *deep) // four windows, one column apart

//go:noescape
func deepFar512(d *deep) // four windows, two columns apart

//go:noescape
func deepOne512(d *deep)

//go:noescape
func deepNear256(d *deep)

//go:noescape
func deepFar256(d *deep)

//go:noescape
func deepOne256(d *deep)

// fours is how many windows are computed together.
const fours = 4

// run computes the windows, in fours, or, with one, one by one.
func (mc *kernel) deep(d *deep, stride int, one bool) {
	switch {
	case one && mc.wide:
		deepOne512(d)
	case one:
		deepOne256(d)
	case stride == 1 && mc.wide:
		deepNear512(d)
	case stride == 1:
		deepNear256(d)
	case mc.wide:
		deepFar512(d)
	default:
		deepFar256(d)
	}
}

// A band is some rows of a picture: those from the first on, and, where that is
// fewer than there are, the last of so many that were computed.
type band struct {
	data  []float32
	row   int // numbers in one
	first int
	held  int
}

// at returns what begins with row r and, with the rows behind it, ends where the
// band's memory does.
func (b band) at(r int) []float32 { return b.data[(r-b.first)%b.held*b.row:] }

// separable computes the rows of results from r0 to r1, which is not among them,
// into y, which begins with the first. All of them are in scratch memory at once.
// after are the weights that are needed next, or nil.
func (mc *kernel) separable(s Separable, y []float32, x band, r0, r1 int, after *float32) {
	_, w := s.Result()
	stride := s.In + padding
	block, free := lent((r1-r0)*w*stride + (s.Width+area)*s.In)
	defer free()
	d := deepRows{Separable: s, stride: stride, x: x}
	d.zeros, block = block[:s.Width*s.In], block[s.Width*s.In:]
	d.corner, block = block[:area*s.In], block[area*s.In:]
	if r0*s.Stride < s.Before || (r1-1)*s.Stride-s.Before+window > s.Height {
		clear(d.zeros)
	}
	for r := r0; r < r1; r++ {
		mc.deepRow(d, block[(r-r0)*w*stride:], r)
	}
	pr := product{rows: (r1 - r0) * w, k: s.In, out: s.Out, x: block, xRow: stride, w: s.Weight, depth: s.In,
		bias: s.Bias, y: y, yRow: s.Out, most: s.Most, after: after}
	for p := range parts(s.Out, Panel) {
		mc.panel(&pr, p)
	}
}

// lent returns scratch memory of at least n numbers, which have any values, and what
// takes it back.
func lent(n int) ([]float32, func()) {
	if n > scratchSize {
		return make([]float32, n), func() {}
	}
	pooled := scratch.Get().(*[scratchSize]float32)
	return pooled[:], func() { scratch.Put(pooled) }
}

// deepRows are what the first step of a separable convolution is computed from.
type deepRows struct {
	Separable
	x      band
	stride int       // from a window's results to the next
	zeros  []float32 // a row of the picture outside of it
	corner []float32 // [3, 3, In]: for a window that is partly outside
}

// deepRow computes the first step at row r of the windows.
func (mc *kernel) deepRow(s deepRows, y []float32, r int) {
	_, w := s.Result()
	d := deep{column: s.In * size, weight: unsafe.Pointer(&s.Deep[0]), bias: unsafe.Pointer(&s.DeepBias[0]),
		yRow: s.stride * size, groups: s.In / Lanes, most: s.Most}
	var rows [window][]float32
	for k := range rows {
		rows[k] = s.zeros
		if at := r*s.Stride - s.Before + k; at >= 0 && at < s.Height {
			rows[k] = s.x.at(at)
		}
	}
	// Windows from begin to end lie inside.
	begin, end := min(s.Before, w), w
	if (w-1)*s.Stride-s.Before+window > s.Width {
		end = max(w-1, begin)
	}
	inside := func(at, count int, one bool) {
		for k := range rows {
			d.rows[k] = unsafe.Pointer(&rows[k][(at*s.Stride-s.Before)*s.In])
		}
		d.y, d.count, d.step = unsafe.Pointer(&y[at*s.stride]), count, fours*s.Stride*d.column
		if one {
			d.step = s.Stride * d.column
		}
		mc.deep(&d, s.Stride, one)
	}
	switch n := end - begin; {
	case n >= fours:
		inside(begin, n/fours, false)
		if n%fours != 0 {
			inside(end-fours, 1, false) // some a second time
		}
	case n > 0:
		inside(begin, n, true)
	}
	for at := range w {
		if at >= begin && at < end {
			continue
		}
		for k := range rows {
			s.copyCorner(k, rows[k], at*s.Stride-s.Before)
			d.rows[k] = unsafe.Pointer(&s.corner[k*window*s.In])
		}
		d.y, d.count = unsafe.Pointer(&y[at*s.stride]), 1
		mc.deep(&d, s.Stride, true)
	}
}

// copyCorner copies one row of a window that begins at a column which may be
// outside of the picture.
func (s deepRows) copyCorner(k int, row []float32, column int) {
	for i := range window {
		to := s.corner[(k*window+i)*s.In:][:s.In]
		if at := column + i; at >= 0 && at < s.Width {
			copy(to, row[at*s.In:])
		} else {
			clear(to)
		}
	}
}
