package stat

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// A kernel is the innermost arithmetic of this package, in float64. Every number
// it makes is a chain of fused multiply-adds in one stated order, so kernels of
// different widths give the same bits, and so do any number of cores: work is
// only ever split between numbers, never inside one.
type kernel struct {
	name   string
	mr, nr int   // rows and columns of a tile
	cores  int   // how many goroutines share the work; no number depends on it
	room   *room // memory used again by the next product of one call; nil for none

	// tile adds to the mr × nr numbers c[i*ldc+j] the products a[p*mr+i]·b[p*nr+j]
	// for p = 0 to k−1 in that order; k is at least 1.
	tile func(k int, a, b, c *float64, ldc int)
	// axpy adds to y[j] the products coef[r]·a[r*lda+j] for r = 0 to 7 in that
	// order; n is a positive multiple of 8.
	axpy func(n int, a *float64, lda int, coef *[8]float64, y *float64)
	// dot sets lanes[8*r+q], for r and q = 0 to 7, to the sum of the products
	// a[r*lda+j]·x[j] over j = q, q+8, … in that order; n is a positive multiple
	// of 8.
	dot func(n int, a *float64, lda int, x *float64, lanes *[64]float64)
}

// best returns the fastest kernel here, on all cores, for the products of one
// call, which follow each other.
func best() kernel {
	kn := kernels()[0]
	kn.cores = runtime.GOMAXPROCS(0)
	kn.room = &room{work: make([][]float64, kn.cores)}
	return kn
}

// A room is memory of the two sides of a product and of each worker.
type room struct {
	sides [2][]float64
	work  [][]float64
}

// panel returns an empty panel for a side of a product: what is in it is not
// cleared.
func (kn kernel) panel(side, n, k int) *panel {
	w := [2]int{kn.mr, kn.nr}[side]
	strips := (n + w - 1) / w
	if kn.room == nil {
		return newPanel(n, k, w)
	}
	return &panel{n, k, w, grow(&kn.room.sides[side], strips*w*k)}
}

// scratch returns n numbers that are the worker's own until it asks again.
func (kn kernel) scratch(worker, n int) []float64 {
	if kn.room == nil {
		return make([]float64, n)
	}
	return grow(&kn.room.work[worker], n)
}

func grow(v *[]float64, n int) []float64 {
	if cap(*v) < n {
		*v = make([]float64, n)
	}
	return (*v)[:n]
}

const (
	tileEdge  = 240 // rows and columns of what one task computes: a multiple of every kernel's mr and nr
	depth     = 256 // products a tile takes at a time: a strip of each side stays in the nearest cache
	groupEdge = 48  // a multiple of every kernel's mr and nr
)

// A panel is one side of a product, laid out as the kernel reads it: in strips of
// w rows, the w numbers of one k beside each other, depth of them at a time. Rows
// that fill up the last strip are zeros.
type panel struct {
	n, k, w int
	data    []float64
}

func newPanel(n, k, w int) *panel {
	strips := (n + w - 1) / w
	return &panel{n, k, w, make([]float64, strips*w*k)}
}

// strip returns where in data strip s begins for the products from k0 on, of
// which there are kl.
func (p *panel) strip(s, k0, kl int) int {
	strips := (p.n + p.w - 1) / p.w
	return strips*p.w*k0 + s*p.w*kl
}

// pack fills rows from to to−1 of the panel, which begin and end at whole strips
// or at the panel's end; read writes a row to its argument. The buffer holds
// p.w rows.
func (p *panel) pack(from, to int, buf []float64, read func(i int, dst []float64)) {
	for i0 := from; i0 < to; i0 += p.w {
		w := min(p.w, p.n-i0)
		for i := range w {
			read(i0+i, buf[i*p.k:(i+1)*p.k])
		}
		clear(buf[w*p.k:])
		for k0 := 0; k0 < p.k; k0 += depth {
			kl := min(depth, p.k-k0)
			dst := p.data[p.strip(i0/p.w, k0, kl):][:p.w*kl]
			for i := range p.w {
				src := buf[i*p.k+k0 : i*p.k+k0+kl]
				for q, v := range src {
					dst[q*p.w+i] = v
				}
			}
		}
	}
}

// put sets product q of the rows from on, which begin at a whole strip: the rows
// of the panel are the columns of what is multiplied.
func (p *panel) put(q, from int, v []float64) {
	k0 := q / depth * depth
	kl := min(depth, p.k-k0)
	for i := 0; i < len(v); i += p.w {
		dst := p.data[p.strip((from+i)/p.w, k0, kl)+(q-k0)*p.w:][:p.w]
		clear(dst[copy(dst, v[i:]):])
	}
}

// mulTile adds a·bᵀ to c for the rows i0 to i1 of a and j0 to j1 of b, which begin
// at whole strips. Element (i, j) is c[(i−i0)*ldc + j−j0].
func (kn kernel) mulTile(a, b *panel, i0, i1, j0, j1 int, c []float64, ldc int) {
	var edge [12 * 16]float64
	for k0 := 0; k0 < a.k; k0 += depth {
		kl := min(depth, a.k-k0)
		for j := j0; j < j1; j += kn.nr {
			bs := &b.data[b.strip(j/kn.nr, k0, kl)]
			for i := i0; i < i1; i += kn.mr {
				as := &a.data[a.strip(i/kn.mr, k0, kl)]
				at := (i-i0)*ldc + j - j0
				if i+kn.mr <= i1 && j+kn.nr <= j1 {
					kn.tile(kl, as, bs, &c[at], ldc)
					continue
				}
				rows, cols := min(kn.mr, i1-i), min(kn.nr, j1-j)
				for r := range rows {
					copy(edge[r*kn.nr:][:cols], c[at+r*ldc:])
				}
				kn.tile(kl, as, bs, &edge[0], kn.nr)
				for r := range rows {
					copy(c[at+r*ldc:][:cols], edge[r*kn.nr:])
				}
			}
		}
	}
}

// addRows adds Σ_r coef[r]·a[r*lda+j] to y[j], in the order of r; len(y) is a
// multiple of 8.
func (kn kernel) addRows(rows int, a []float64, lda int, coef, y []float64) {
	if len(y) == 0 {
		return
	}
	var c [8]float64
	r := 0
	for ; r+8 <= rows; r += 8 {
		copy(c[:], coef[r:r+8])
		kn.axpy(len(y), &a[r*lda], lda, &c, &y[0])
	}
	// What is left goes one by one: seven times the same row with nothing.
	c = [8]float64{}
	for ; r < rows; r++ {
		c[0] = coef[r]
		kn.axpy(len(y), &a[r*lda], 0, &c, &y[0])
	}
}

// dotRows sets out[r] to Σ_j a[r*lda+j]·x[j]; len(x) is a multiple of 8.
func (kn kernel) dotRows(rows int, a []float64, lda int, x, out []float64) {
	if len(x) == 0 {
		clear(out[:rows])
		return
	}
	var lanes [64]float64
	r := 0
	for ; r+8 <= rows; r += 8 {
		kn.dot(len(x), &a[r*lda], lda, &x[0], &lanes)
		for q := range 8 {
			out[r+q] = fold(lanes[8*q:])
		}
	}
	for ; r < rows; r++ {
		kn.dot(len(x), &a[r*lda], 0, &x[0], &lanes)
		out[r] = fold(lanes[:])
	}
}

// few is the number of products below which cores are not worth waking.
const few = 1 << 15

// addRowsAll is addRows on all cores: each takes columns of its own.
func (kn kernel) addRowsAll(rows int, a []float64, lda int, coef, y []float64) {
	if rows*len(y) < few {
		kn.addRows(rows, a, lda, coef, y)
		return
	}
	kn.chunks(len(y), share(len(y), kn.cores), func(from, to int) { kn.addRows(rows, a[from:], lda, coef, y[from:to]) })
}

// dotRowsAll is dotRows on all cores: each takes rows of its own.
func (kn kernel) dotRowsAll(rows int, a []float64, lda int, x, out []float64) {
	if rows*len(x) < few {
		kn.dotRows(rows, a, lda, x, out)
		return
	}
	kn.chunks(rows, share(rows, kn.cores), func(from, to int) { kn.dotRows(to-from, a[from*lda:], lda, x, out[from:]) })
}

// share is a part of n for each core, a multiple of 8.
func share(n, cores int) int { return max(64, ((n+cores-1)/cores+7)&^7) }

func fold(l []float64) float64 {
	return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
}

// parallel calls f(worker, i) for i = 0 to n−1 on all cores, each i once, in any
// order. A worker's calls follow each other, so it may keep things by its number,
// which is below kn.cores.
func (kn kernel) parallel(n int, f func(worker, i int)) {
	w := min(kn.cores, n)
	if w <= 1 {
		for i := range n {
			f(0, i)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for worker := range w {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(worker, i)
			}
		})
	}
	wg.Wait()
}

// chunks calls f for ranges of at most size numbers that together are 0 to n−1,
// on all cores.
func (kn kernel) chunks(n, size int, f func(from, to int)) {
	kn.workChunks(n, size, func(_, from, to int) { f(from, to) })
}

// workChunks is chunks that says which worker is at it.
func (kn kernel) workChunks(n, size int, f func(worker, from, to int)) {
	kn.parallel((n+size-1)/size, func(worker, c int) { f(worker, c*size, min(n, (c+1)*size)) })
}

// stopped returns the context's error once it has ended.
func stopped(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
