package stat

import (
	"context"
	"fmt"
	"slices"

	"github.com/gen-emerge/assay"
)

// KIDOptions adjust [KernelInception]. The zero KIDOptions asks for
// torch-fidelity's draws: 100 subsets of 1000 (or of the smaller set) with
// NumPy's RandomState(2020).
type KIDOptions struct {
	Subsets int    // 0 means 100
	Size    int    // rows drawn of each set; 0 means min(1000, n, m)
	Seed    uint32 // 0 means 2020
}

// A KID is a kernel distance over random subsets.
type KID struct {
	Mean     float64 // over the subsets
	Std      float64 // of the subsets, divisor their number as published: how much one subset strays, not the error of Mean
	Subsets  int     // drawn
	Size     int     // rows of each set in a subset
	Warnings []error // doubts to show beside the numbers, which still stand
}

// KernelInception returns the kernel inception distance (Bińkowski et al. 2018):
// the mean of the unbiased MMD² under k(x,y) = (⟨x,y⟩/d + 1)³ over random
// subsets, drawn without replacement, of the first set and then of the second in
// each round. Lower is closer; around 0, a little negative too, is alike. For an
// error of the distance itself see [PolynomialMMD]. Subsets of fewer than two
// rows or of more than a set has are errors wrapping [assay.ErrInvalid].
func KernelInception(ctx context.Context, x, y Features, opt KIDOptions) (KID, error) {
	if err := checkTwo("kid", x, y, 2); err != nil {
		return KID{}, err
	}
	return kid(ctx, best(), plain(x), plain(y), opt)
}

func kid(ctx context.Context, kn kernel, x, y rows, opt KIDOptions) (KID, error) {
	least := min(x.n, y.n)
	if opt.Subsets == 0 {
		opt.Subsets = 100
	}
	if opt.Size == 0 {
		opt.Size = min(1000, least)
	}
	if opt.Seed == 0 {
		opt.Seed = 2020
	}
	if opt.Subsets < 1 || opt.Size < 2 || opt.Size > least {
		return KID{}, fmt.Errorf("kid: %d subsets of %d from sets of %d and %d: want at least one subset of 2 to %d rows: %w",
			opt.Subsets, opt.Size, x.n, y.n, least, assay.ErrInvalid)
	}
	rng := NewMT19937(opt.Seed)
	sx, sy := make([][]int, opt.Subsets), make([][]int, opt.Subsets)
	for s := range sx {
		sx[s], sy[s] = rng.Choose(x.n, opt.Size), rng.Choose(y.n, opt.Size)
		// Sums know no order; rising rows make them the same and quick to find.
		slices.Sort(sx[s])
		slices.Sort(sy[s])
	}
	values, err := subsetMMDs(ctx, kn, x, y, sx, sy)
	if err != nil {
		return KID{}, err
	}
	k := KID{Subsets: opt.Subsets, Size: opt.Size}
	k.Mean, k.Std = meanStd(values)
	if least < 1000 {
		k.Warnings = append(k.Warnings, fmt.Errorf("%d images: published values draw subsets of 1000; the mean is unbiased at any size, but strays more the fewer there are", least))
	}
	if least < 2*opt.Size && opt.Subsets > 1 {
		k.Warnings = append(k.Warnings, fmt.Errorf("subsets of %d from sets of %d and %d are mostly the same rows: their spread says too little", opt.Size, x.n, y.n))
	}
	return k, nil
}

// subsetMMDs returns the unbiased MMD² of each pair of subsets. Where all subsets
// together have more pairs than the sets, every pair of the sets is computed
// once and shared out; the sums are then in another order, so the way depends on
// the sizes alone.
func subsetMMDs(ctx context.Context, kn kernel, x, y rows, sx, sy [][]int) ([]float64, error) {
	n, m, size := float64(x.n), float64(y.n), float64(len(sx[0]))
	values := make([]float64, len(sx))
	if n*n/2+m*m/2+n*m > float64(len(sx))*2*size*size {
		for s := range values {
			r, err := mmd(ctx, kn, x.pick(sx[s]), y.pick(sy[s]), polynomial(x.dim))
			if err != nil {
				return nil, err
			}
			values[s] = r.Unbiased
		}
		return values, nil
	}
	xx, err := subsetSums(ctx, kn, x, x, sx, sx, true)
	if err != nil {
		return nil, err
	}
	yy, err := subsetSums(ctx, kn, y, y, sy, sy, true)
	if err != nil {
		return nil, err
	}
	xy, err := subsetSums(ctx, kn, x, y, sx, sy, false)
	if err != nil {
		return nil, err
	}
	for s := range values {
		values[s] = (xx[s]+yy[s])/(size*(size-1)) - 2*xy[s]/(size*size)
	}
	return values, nil
}

// subsetSums sums KID's kernel over the pairs of each subset, without those of a
// row with itself where x and y are the same. Subsets are in rising order.
func subsetSums(ctx context.Context, kn kernel, x, y rows, sx, sy [][]int, same bool) ([]float64, error) {
	tj := tilesOf(y.n)
	parts := make([][]float64, tilesOf(x.n)*tj) // of each tile: the sums of all subsets
	kernel := polynomial(x.dim)
	err := products(ctx, kn, x, y, same, func(t tile) {
		for i := range t.rows {
			kernel(t.c[i*tileEdge:][:t.cols])
		}
		twice := 1.0
		if same && t.i0 == t.j0 {
			for i := range t.rows {
				t.c[i*tileEdge+i] = 0
			}
		} else if same {
			twice = 2
		}
		sums := make([]float64, len(sx))
		for s := range sums {
			cols := within(sy[s], t.j0, t.cols)
			for _, i := range within(sx[s], t.i0, t.rows) {
				row := t.c[(i-t.i0)*tileEdge:][:t.cols]
				for _, j := range cols {
					sums[s] += row[j-t.j0]
				}
			}
			sums[s] *= twice
		}
		parts[t.i0/tileEdge*tj+t.j0/tileEdge] = sums
	})
	if err != nil {
		return nil, err
	}
	all := make([]float64, len(sx))
	for _, p := range parts {
		for s, v := range p {
			all[s] += v
		}
	}
	return all, nil
}

// within returns the numbers of sorted that are from to from+n−1.
func within(sorted []int, from, n int) []int {
	lo, _ := slices.BinarySearch(sorted, from)
	hi, _ := slices.BinarySearch(sorted, from+n)
	return sorted[lo:hi]
}
