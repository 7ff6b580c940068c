package gemm

import "math"

//go:noescape
func softmax512(s *float32, vectors int)

//go:noescape
func softmax256(s *float32, vectors int)

// softmax replaces a row, whose length is a multiple of 16, by its softmax.
func (mc *kernel) softmax(row []float32) {
	if mc.wide {
		softmax512(&row[0], len(row)/lanes)
	} else {
		softmax256(&row[0], len(row)/lanes)
	}
}

const (
	lanes     = 16
	queryRows = 56 // that are looked at together: their shares stay in the second cache
)

// A headScratch is the memory that one head at a time needs.
type headScratch struct {
	q, shares  []float32 // [queryRows, d] and [queryRows, n], padded
	keys, vals []float32 // packed
	zeros      []float32
	stride     int // of shares
}

// carve divides a block of memory.
func carve(block []float32, n, d int) headScratch {
	take := func(m int) []float32 {
		part := block[:m:m]
		block = block[m:]
		return part
	}
	s := headScratch{stride: parts(n, lanes)*lanes + padding}
	s.keys = take(parts(n, Panel) * Panel * d)
	s.vals = take(parts(d, Panel) * Panel * n)
	s.q = take(queryRows * (d + padding))
	s.shares = take(queryRows * s.stride)
	s.zeros = take(max(n, d))
	clear(s.keys) // columns of a last panel that is not full stay so
	clear(s.vals)
	clear(s.zeros)
	return s
}

// heads computes the heads from first to last, which is not among them.
func (mc *kernel) heads(a Attention, y, qkv []float32, n, first, last int) {
	pooled := scratch.Get().(*[scratchSize]float32)
	defer scratch.Put(pooled)
	block, d := pooled[:], a.Width/a.Heads
	need := parts(n, Panel)*Panel*d + parts(d, Panel)*Panel*n + queryRows*(d+n+lanes+2*padding) + max(n, d)
	if need > len(block) {
		block = make([]float32, need)
	}
	s := carve(block, n, d)
	for h := first; h < last; h++ {
		mc.head(a, y[h*d:], qkv[h*d:], n, s)
	}
}

// head computes one head: y and qkv begin with its first number.
func (mc *kernel) head(a Attention, y, qkv []float32, n int, s headScratch) {
	d, row := a.Width/a.Heads, 3*a.Width
	packRows(s.keys, qkv[a.Width:], n, d, row)
	packColumns(s.vals, qkv[2*a.Width:], n, d, row)
	scale := a.scale()
	for r0 := 0; r0 < n; r0 += queryRows {
		rows := min(queryRows, n-r0)
		for r := range rows {
			q := s.q[r*(d+padding):][:d]
			for i, v := range qkv[(r0+r)*row:][:d] {
				q[i] = v * scale
			}
		}
		looks := product{rows: rows, k: d, out: n, x: s.q, xRow: d + padding, w: s.keys, depth: d, bias: s.zeros, y: s.shares, yRow: s.stride}
		for p := range parts(n, Panel) {
			mc.panel(&looks, p)
		}
		for r := range rows {
			shares := s.shares[r*s.stride:][:parts(n, lanes)*lanes]
			for i := n; i < len(shares); i++ {
				shares[i] = float32(math.Inf(-1))
			}
			mc.softmax(shares)
		}
		sees := product{rows: rows, k: n, out: d, x: s.shares, xRow: s.stride, w: s.vals, depth: n, bias: s.zeros, y: y[r0*a.Width:], yRow: a.Width}
		for p := range parts(d, Panel) {
			mc.panel(&sees, p)
		}
	}
}

// packRows packs the matrix m [n, d] as a weight of n outputs and d inputs; its
// rows are row numbers apart.
func packRows(packed, m []float32, n, d, row int) {
	const group = 8 // rows at a time, whose numbers lie together; it divides Panel
	r := 0
	for ; r+group <= n; r += group {
		panel := packed[r/Panel*Panel*d+r%Panel:]
		m := m[r*row:]
		m0, m1, m2, m3 := m[:d], m[row:][:d], m[2*row:][:d], m[3*row:][:d]
		m4, m5, m6, m7 := m[4*row:][:d], m[5*row:][:d], m[6*row:][:d], m[7*row:][:d]
		for i, v := range m0 {
			to := (*[group]float32)(panel[i*Panel:])
			to[0], to[1], to[2], to[3] = v, m1[i], m2[i], m3[i]
			to[4], to[5], to[6], to[7] = m4[i], m5[i], m6[i], m7[i]
		}
	}
	for ; r < n; r++ {
		panel := packed[r/Panel*Panel*d+r%Panel:]
		for i, v := range m[r*row:][:d] {
			panel[i*Panel] = v
		}
	}
}

// packColumns packs m as a weight of d outputs and n inputs.
func packColumns(packed, m []float32, n, d, row int) {
	for p := range parts(d, Panel) {
		panel := packed[p*Panel*n:]
		width := min(Panel, d-p*Panel)
		for r := range n {
			copy(panel[r*Panel:][:width], m[r*row+p*Panel:])
		}
	}
}
