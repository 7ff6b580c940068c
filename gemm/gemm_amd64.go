package gemm

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/cpu"
)

// A kernel computes tiles of the result.
type kernel struct {
	rows, cols int // of the largest tile
	wide       bool
}

// run computes a tile.
func (mc *kernel) run(t *tile) {
	if mc.wide {
		tile512(t)
	} else {
		tile256(t)
	}
}

// A tile is a piece of the result, and what the next pieces will need, which is
// fetched meanwhile. Distances are in bytes.
type tile struct {
	rows, cols int
	k          int            // inputs that are added at every tap
	x          unsafe.Pointer // [rows, k]
	xRow       int            // from one row of x to the next
	panel      unsafe.Pointer // [k, Panel], from the first column of the tile
	begin      unsafe.Pointer // [rows, cols]: what the sums begin with
	beginRow   int            // 0: the same for all rows
	y          unsafe.Pointer // [rows, cols]
	yRow       int
	near       uintptr // results of the next tile, to the first cache
	far        uintptr // of the next panel, to the second cache
	pace       int     // bytes of that for every 2 inputs

	taps   unsafe.Pointer // where x is for the k inputs after these, and so on
	more   int            // of them
	clip   int            // 1: results are moved between the bounds; 0: they are left
	lo, hi float32
}

// bound makes the tile move its results between 0 and most.
func (t *tile) bound(most float32) { t.clip, t.hi = 1, most }

//go:noescape
func tile512(t *tile)

//go:noescape
func tile256(t *tile)

var (
	avx512 = kernel{rows: 14, cols: Panel, wide: true}
	avx2   = kernel{rows: 6, cols: Panel / 2}
)

// machine returns the fastest kernel of this processor, or nil.
func machine() *kernel {
	switch {
	case cpu.X86.HasAVX512F:
		return &avx512
	case hasAVX2():
		return &avx2
	}
	return nil
}

func hasAVX2() bool { return cpu.X86.HasAVX2 && cpu.X86.HasFMA }

// Blocks of x are at most so large: 1 MiB, half of a second cache of today.
const (
	blockDepth  = 1024 // inputs
	blockRows   = 320
	scratchSize = blockRows * (blockDepth + padding)
	padding     = 16 // numbers between rows, lest all of them fall into the same lines of the first cache
)

// scratch holds blocks of x.
var scratch = sync.Pool{New: func() any { return new([scratchSize]float32) }}

// panels computes the columns of the panels from first to last, which is not
// among them.
func (mc *kernel) panels(l Layer, y, x []float32, rows, first, last int) {
	block := scratch.Get().(*[scratchSize]float32)
	defer scratch.Put(block)
	for i := range parts(rows, blockRows) {
		r0, r1 := part(rows, blockRows, i)
		for j := range parts(l.In, blockDepth) {
			k0, k1 := part(l.In, blockDepth, j)
			stride := k1 - k0 + padding
			for r := r0; r < r1; r++ {
				copy(block[(r-r0)*stride:], x[r*l.In+k0:r*l.In+k1])
			}
			pr := product{rows: r1 - r0, k: k1 - k0, out: l.Out, x: block[:], xRow: stride,
				w: l.Weight, depth: l.In, k0: k0, y: y[r0*l.Out:], yRow: l.Out}
			if j == 0 {
				pr.bias = l.Bias
			}
			for p := first; p < last; p++ {
				mc.panel(&pr, p)
				if l.QuickGELU && k1 == l.In {
					mc.quickGELU(&pr, p)
				}
			}
		}
	}
}

// parts returns into how many equal parts of at most most n things are put.
func parts(n, most int) int { return (n + most - 1) / most }

// part returns where part i begins and ends.
func part(n, most, i int) (begin, end int) {
	c := parts(n, most)
	return n * i / c, n * (i + 1) / c
}

// A product is y = x·Wᵀ + bias, or, where bias is nil, y += x·Wᵀ.
type product struct {
	rows, k, out int
	x            []float32 // [rows, k], rows that are xRow numbers apart
	xRow         int
	w            []float32 // packed, of depth inputs, of which x has those from k0
	depth, k0    int
	bias         []float32 // [out]
	y            []float32 // [rows, out], rows that are yRow numbers apart
	yRow         int
	most         float32  // results are moved between 0 and most; 0: they are left
	after        *float32 // the weights of the product that comes next; nil where that is not known
}

// panel computes the columns of panel p.
func (mc *kernel) panel(pr *product, p int) {
	weights := pr.w[(p*pr.depth+pr.k0)*Panel:]
	next := pr.after
	if n := ((p+1)*pr.depth + pr.k0) * Panel; n < len(pr.w) || next == nil {
		next = &pr.w[min(n, len(pr.w)-pr.k*Panel)]
	}
	t := tile{k: pr.k, xRow: pr.xRow * size, yRow: pr.yRow * size, far: uintptr(unsafe.Pointer(next))}
	if pr.most > 0 {
		t.bound(pr.most)
	}
	tiles := parts(pr.rows, mc.rows)
	// The next panel is fetched evenly while this one is used: all at once would
	// take up the buffers that bring x and this panel from the second cache.
	calls := tiles * parts(min(Panel, pr.out-p*Panel), mc.cols)
	t.pace = min(64, parts(2*Panel*size, calls))
	for i := range tiles {
		r0, r1 := part(pr.rows, mc.rows, i)
		for c := 0; c < Panel && p*Panel+c < pr.out; c += mc.cols {
			col := p*Panel + c
			t.rows, t.cols = r1-r0, min(mc.cols, pr.out-col)
			t.x = unsafe.Pointer(&pr.x[r0*pr.xRow])
			t.panel = unsafe.Pointer(&weights[c])
			t.y = unsafe.Pointer(&pr.y[r0*pr.yRow+col])
			t.begin, t.beginRow = t.y, t.yRow
			if pr.bias != nil {
				t.begin, t.beginRow = unsafe.Pointer(&pr.bias[col]), 0
			}
			t.near = uintptr(t.y) + uintptr(t.rows*t.yRow)
			if i == tiles-1 {
				t.near = uintptr(unsafe.Pointer(&pr.y[0])) + uintptr((p+1)*Panel*size)
			}
			mc.run(&t)
			t.far += uintptr(pr.k / 4 * 2 * t.pace)
		}
	}
}

//go:noescape
func gelu512(y *float32, rows, row, cols int)

//go:noescape
func gelu256(y *float32, rows, row, cols int)

// quickGELU applies the function to the columns of panel p, which have just been
// computed.
func (mc *kernel) quickGELU(pr *product, p int) {
	const half = 8
	cols := min(Panel, pr.out-p*Panel)
	y := pr.y[p*Panel:]
	if mc.wide {
		gelu512(&y[0], pr.rows, pr.yRow*size, cols)
		return
	}
	for c := 0; c < cols; c += half {
		gelu256(&y[c], pr.rows, pr.yRow*size, min(half, cols-c))
	}
}
