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

// A separableScratch is the memory for a block of rows.
type separableScratch struct {
	block  []float32 // [windows, In], padded
	stride int       // of its rows
	zeros  []float32 // a row of the picture outside of it
	corner []float32 // [3, 3, In]: a window that is partly outside
}

// separable computes the rows of results from first to last, which is not among
// them.
func (mc *kernel) separable(s Separable, y, x []float32, first, last int) {
	_, w := s.Result()
	stride, edges := s.In+padding, (s.Width+area)*s.In
	rows := min(max(blockRows/w, 1), max((scratchSize-edges)/(w*stride), 1), last-first)
	block, free := lent(rows*w*stride + edges)
	defer free()
	m := separableScratch{stride: stride}
	m.zeros, block = block[:s.Width*s.In], block[s.Width*s.In:]
	m.corner, m.block = block[:area*s.In], block[area*s.In:]
	clear(m.zeros)
	for i := range parts(last-first, rows) {
		r0, r1 := part(last-first, rows, i)
		r0, r1 = first+r0, first+r1
		for r := r0; r < r1; r++ {
			mc.deepRow(s, m, m.block[(r-r0)*w*stride:], x, r)
		}
		pr := product{rows: (r1 - r0) * w, k: s.In, out: s.Out, x: m.block, xRow: stride, w: s.Weight, depth: s.In,
			bias: s.Bias, y: y[r0*w*s.Out:], yRow: s.Out, most: s.Most}
		for p := range parts(s.Out, Panel) {
			mc.panel(&pr, p)
		}
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

// deepRow computes the first step at row r of the windows.
func (mc *kernel) deepRow(s Separable, m separableScratch, y, x []float32, r int) {
	_, w := s.Result()
	d := deep{column: s.In * size, weight: unsafe.Pointer(&s.Deep[0]), yRow: m.stride * size, groups: s.In / Lanes, most: s.Most}
	var rows [window][]float32
	for k := range rows {
		rows[k] = m.zeros
		if at := r*s.Stride - s.Before + k; at >= 0 && at < s.Height {
			rows[k] = x[at*s.Width*s.In:][:s.Width*s.In]
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
		d.y, d.count, d.step = unsafe.Pointer(&y[at*m.stride]), count, fours*s.Stride*d.column
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
			m.copyCorner(s, k, rows[k], at*s.Stride-s.Before)
			d.rows[k] = unsafe.Pointer(&m.corner[k*window*s.In])
		}
		d.y, d.count = unsafe.Pointer(&y[at*m.stride]), 1
		mc.deep(&d, s.Stride, true)
	}
}

// copyCorner copies one row of a window that begins at a column which may be
// outside of the picture.
func (m separableScratch) copyCorner(s Separable, k int, row []float32, column int) {
	for i := range window {
		to := m.corner[(k*window+i)*s.In:][:s.In]
		if at := column + i; at >= 0 && at < s.Width {
			copy(to, row[at*s.In:])
		} else {
			clear(to)
		}
	}
}
