package stat

import (
	"context"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// A Pairwise is the mean of a distance over all pairs of a set: low where a set
// repeats itself.
type Pairwise struct {
	Mean   float64 // in the unit of the distance
	StdErr float64 // delete-one jackknife over the things; NaN below 3 things
	N      int     // things
	Pairs  int     // N(N−1)/2
}

// MeanPairwiseCosine returns the mean of 1−cosine over all pairs of rows, in
// [0, 2]. It takes one pass: the mean cosine is (‖Σu‖²−n)/(n(n−1)) of unit rows.
// It needs two rows; a row of zeros is an error wrapping [assay.ErrInvalid].
func MeanPairwiseCosine(f Features) (Pairwise, error) {
	if err := f.Check("mean pairwise distance", 2); err != nil {
		return Pairwise{}, err
	}
	u, err := plain(f).unit(best(), "mean pairwise distance")
	if err != nil {
		return Pairwise{}, err
	}
	sum, row := make([]float64, f.Dim), make([]float64, f.Dim)
	for i := range f.Len() {
		u.read(i, row)
		for k, v := range row {
			sum[k] += v
		}
	}
	// A row's distances to the others sum to (n−1) − (⟨u,Σ⟩ − ⟨u,u⟩).
	sums := make([]float64, f.Len())
	for i := range sums {
		u.read(i, row)
		sums[i] = float64(f.Len()-1) - (dot(row, sum) - dot(row, row))
	}
	return pairwise(sums), nil
}

// MeanPairwiseEuclidean returns the mean of ‖a−b‖ over all pairs of rows. It needs
// two.
func MeanPairwiseEuclidean(ctx context.Context, f Features) (Pairwise, error) {
	if err := f.Check("mean pairwise distance", 2); err != nil {
		return Pairwise{}, err
	}
	kn, x := best(), plain(f)
	sq := squares(kn, x)
	byRow := make([][]float64, tilesOf(x.n)) // of each tile column: the sums of all rows
	for t := range byRow {
		byRow[t] = make([]float64, x.n)
	}
	err := products(ctx, kn, x, x, true, func(t tile) {
		row, col := byRow[t.j0/tileEdge][t.i0:], byRow[t.i0/tileEdge][t.j0:]
		for i := range t.rows {
			v := t.c[i*tileEdge:][:t.cols]
			for j, dot := range v {
				v[j] = math.Sqrt(apart(sq[t.i0+i], sq[t.j0+j], dot))
			}
			row[i] = total(v)
			if t.i0 == t.j0 {
				continue
			}
			for j, d := range v {
				col[j] += d
			}
		}
	})
	if err != nil {
		return Pairwise{}, err
	}
	return pairwise(addUp(byRow)), nil
}

// MeanPairwise returns the mean of d(i, j) over all i < j < n. It needs two
// things and ends with d's first error, or the context's. A distance that is not
// finite is an error wrapping [assay.ErrInvalid].
func MeanPairwise(ctx context.Context, n int, d func(i, j int) (float64, error)) (Pairwise, error) {
	if n < 2 {
		return Pairwise{}, fmt.Errorf("mean pairwise distance: %d things: at least 2 are needed: %w", n, assay.ErrInvalid)
	}
	sums := make([]float64, n)
	for i := range n {
		if ctx.Err() != nil {
			return Pairwise{}, context.Cause(ctx)
		}
		for j := i + 1; j < n; j++ {
			v, err := d(i, j)
			if err != nil {
				return Pairwise{}, err
			}
			if v-v != 0 {
				return Pairwise{}, fmt.Errorf("mean pairwise distance: things %d and %d are %g apart: want a finite distance: %w", i, j, v, assay.ErrInvalid)
			}
			sums[i] += v
			sums[j] += v
		}
	}
	return pairwise(sums), nil
}

// pairwise makes the mean and its error of each thing's sum of distances.
func pairwise(sums []float64) Pairwise {
	n := float64(len(sums))
	all := total(sums) // every pair twice
	p := Pairwise{Mean: all / (n * (n - 1)), StdErr: math.NaN(), N: len(sums), Pairs: len(sums) * (len(sums) - 1) / 2}
	if len(sums) >= 3 {
		left := make([]float64, len(sums))
		for i, s := range sums {
			left[i] = (all - 2*s) / ((n - 1) * (n - 2))
		}
		_, std := meanStd(left)
		p.StdErr = math.Sqrt(n-1) * std
	}
	return p
}
