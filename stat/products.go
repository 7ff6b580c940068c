package stat

import "context"

// A tile is a part of a matrix of dot products.
type tile struct {
	worker     int // who has it; below the kernel's cores
	i0, j0     int // its first row and column in the whole
	rows, cols int
	c          []float64 // element (i0+i, j0+j) is c[i*tileEdge+j]
}

// blockEdge is how many rows of a set are laid out at a time: enough that laying
// them out costs a few hundredths of what the products do, and 16 MB at 2048
// columns.
const blockEdge = 4 * tileEdge

// products computes ⟨x_i, y_j⟩ for all rows, tile by tile, and hands each tile to
// visit, which several workers call at once and which may use the tile as its
// own until it returns. With same, x and y are one set and only tiles with
// i0 <= j0 are made. No more than a block of either set is held as float64.
func products(ctx context.Context, kn kernel, x, y rows, same bool, visit func(tile)) error {
	for i0 := 0; i0 < x.n; i0 += blockEdge {
		a := packBlock(kn, 0, x, i0)
		j0 := 0
		if same {
			j0 = i0
		}
		for ; j0 < y.n; j0 += blockEdge {
			if err := stopped(ctx); err != nil {
				return err
			}
			b := packBlock(kn, 1, y, j0)
			ti, tj := tilesOf(a.n), tilesOf(b.n)
			kn.parallel(ti*tj, func(worker, at int) {
				ri, rj := at/tj*tileEdge, at%tj*tileEdge
				if same && i0+ri > j0+rj {
					return
				}
				t := tile{worker: worker, i0: i0 + ri, j0: j0 + rj, rows: min(tileEdge, a.n-ri), cols: min(tileEdge, b.n-rj)}
				t.c = kn.scratch(worker, tileEdge*tileEdge)
				clear(t.c)
				kn.mulTile(a, b, ri, ri+t.rows, rj, rj+t.cols, t.c, tileEdge)
				visit(t)
			})
		}
	}
	return stopped(ctx)
}

func tilesOf(n int) int { return (n + tileEdge - 1) / tileEdge }

// packBlock lays out the rows of x from i0 on, as a side of a product.
func packBlock(kn kernel, side int, x rows, i0 int) *panel {
	p := kn.panel(side, min(blockEdge, x.n-i0), x.dim)
	kn.workChunks(p.n, groupEdge, func(worker, from, to int) {
		p.pack(from, to, kn.scratch(worker, p.w*p.k), func(i int, dst []float64) { x.read(i0+i, dst) })
	})
	return p
}
