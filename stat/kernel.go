package stat

import (
	"context"
	"fmt"
	"math"
)

// An MMD is a squared kernel distance of two whole sets.
type MMD struct {
	Unbiased float64 // U-statistic, without the pairs of a row with itself; may be negative
	Biased   float64 // V-statistic, with them; never negative but for rounding
	StdErr   float64 // of Unbiased: delete-one jackknife over the rows of both sets; NaN below 3 rows
}

// PolynomialMMD returns KID's distance with one subset: the whole sets, under
// k(x,y) = (⟨x,y⟩/d + 1)³ (Bińkowski et al. 2018). It needs two rows of each.
func PolynomialMMD(ctx context.Context, x, y Features) (MMD, error) {
	if err := checkTwo("polynomial mmd", x, y, 2); err != nil {
		return MMD{}, err
	}
	return mmd(ctx, best(), plain(x), plain(y), polynomial(x.Dim))
}

// polynomial makes KID's kernel of dot products, in place.
func polynomial(dim int) func(v []float64) {
	d := float64(dim)
	return func(v []float64) {
		for i, dot := range v {
			k := float64(dot/d) + 1
			v[i] = k * k * k
		}
	}
}

// A CMMD is CLIP's kernel distance (Jayasumana et al. 2024), times 1000 as
// published.
type CMMD struct {
	Value    float64 // as published: the pairs of a row with itself count (V-statistic)
	Unbiased float64 // without them; comparable between sets of different sizes; NaN for a set of one
	StdErr   float64 // of Unbiased: delete-one jackknife over the rows of both sets; NaN below 3 rows
	Warnings []error // doubts to show beside the numbers, which still stand
}

// cmmdFew is the number of rows below which the published form's bias shows in
// its third digit, by the authors' own figures for COCO.
const cmmdFew = 1000

// CLIPMMD returns the squared MMD under k(a,b) = exp(−‖a−b‖²/200) of rows brought
// to length 1, times 1000. Lower is closer. It needs a row of each set; a row of
// zeros is an error wrapping [assay.ErrInvalid].
func CLIPMMD(ctx context.Context, x, y Features) (CMMD, error) {
	if err := checkTwo("cmmd", x, y, 1); err != nil {
		return CMMD{}, err
	}
	kn := best()
	ux, err := plain(x).unit(kn, "cmmd: first set")
	if err != nil {
		return CMMD{}, err
	}
	uy, err := plain(y).unit(kn, "cmmd: second set")
	if err != nil {
		return CMMD{}, err
	}
	return clipMMD(ctx, kn, ux, uy)
}

func clipMMD(ctx context.Context, kn kernel, x, y rows) (CMMD, error) {
	r, err := mmd(ctx, kn, x, y, gaussianLess1)
	if err != nil {
		return CMMD{}, err
	}
	c := CMMD{Value: 1000 * r.Biased, Unbiased: 1000 * r.Unbiased, StdErr: 1000 * r.StdErr}
	switch n := min(x.n, y.n); {
	case n == 1:
		c.Warnings = append(c.Warnings, fmt.Errorf("a set of one image has no spread to compare"))
	case n < cmmdFew:
		c.Warnings = append(c.Warnings, fmt.Errorf("%d images: the published form grows as sets shrink, here by %.3g; compare sets of equal size, or the unbiased value", n, c.Value-c.Unbiased))
	}
	return c, nil
}

// gaussianLess1 makes CMMD's kernel less 1 of dot products of unit rows, in
// place: ‖a−b‖² is 2−2⟨a,b⟩, so k−1 = exp(t)−1 with t = (⟨a,b⟩−1)/100 in
// [−0.02, 0]. What is taken off cancels in every MMD, and its digits are spared;
// the first seven terms of the series are exact there, on every machine alike.
func gaussianLess1(v []float64) {
	for i, dot := range v {
		t := min(0, (dot-1)/100)
		s := 1.0 / 5040
		s = math.FMA(s, t, 1.0/720)
		s = math.FMA(s, t, 1.0/120)
		s = math.FMA(s, t, 1.0/24)
		s = math.FMA(s, t, 1.0/6)
		s = math.FMA(s, t, 0.5)
		s = math.FMA(s, t, 1)
		v[i] = s * t
	}
}

// mmd sums a kernel of dot products over all pairs.
func mmd(ctx context.Context, kn kernel, x, y rows, kernel func(v []float64)) (MMD, error) {
	xx, err := gather(ctx, kn, x, x, true, kernel)
	if err != nil {
		return MMD{}, err
	}
	yy, err := gather(ctx, kn, y, y, true, kernel)
	if err != nil {
		return MMD{}, err
	}
	xy, err := gather(ctx, kn, x, y, false, kernel)
	if err != nil {
		return MMD{}, err
	}
	sx, dx, sy, dy, sxy := total(xx.row), total(xx.diag), total(yy.row), total(yy.diag), total(xy.row)
	n, m := float64(x.n), float64(y.n)
	r := MMD{
		Unbiased: sx/(n*(n-1)) + sy/(m*(m-1)) - 2*sxy/(n*m),
		Biased:   (sx+dx)/(n*n) + (sy+dy)/(m*m) - 2*sxy/(n*m),
		StdErr:   math.NaN(),
	}
	if x.n >= 3 && y.n >= 3 {
		vx := jackknifeRows(sx, sxy, m, xx.row, xy.row, sy/(m*(m-1)))
		vy := jackknifeRows(sy, sxy, n, yy.row, xy.col, sx/(n*(n-1)))
		r.StdErr = math.Sqrt(float64(vx) + float64(vy))
	}
	return r, nil
}

// jackknifeRows is the delete-one jackknife variance of the unbiased MMD² over
// the rows of one set: own are its rows' sums within the set, cross those with
// the m rows of the other.
func jackknifeRows(sum, sumCross, m float64, own, cross []float64, rest float64) float64 {
	n := float64(len(own))
	v := make([]float64, len(own))
	for i := range v {
		v[i] = (sum-2*own[i])/((n-1)*(n-2)) - 2*(sumCross-cross[i])/((n-1)*m) + rest
	}
	_, std := meanStd(v)
	return (n - 1) * std * std
}

// meanStd returns the mean and the population standard deviation.
func meanStd(v []float64) (mean, std float64) {
	mean = total(v) / float64(len(v))
	for _, x := range v {
		std += float64((x - mean) * (x - mean))
	}
	return mean, math.Sqrt(std / float64(len(v)))
}

func total(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s
}

// pairSums are sums of a kernel over pairs of rows: by row of the first set; by
// row of the second; and for pairs of one set, row without the pairs of a row
// with itself, and those apart.
type pairSums struct{ row, col, diag []float64 }

// gather sums a kernel, which works on dot products in place. Each tile's sums
// are kept apart until all are there, so their order is always the same.
func gather(ctx context.Context, kn kernel, x, y rows, same bool, kernel func(v []float64)) (pairSums, error) {
	byRow := make([][]float64, tilesOf(y.n)) // of each tile column: the sums of all rows
	for t := range byRow {
		byRow[t] = make([]float64, x.n)
	}
	byCol := byRow
	if !same {
		byCol = make([][]float64, tilesOf(x.n))
		for t := range byCol {
			byCol[t] = make([]float64, y.n)
		}
	}
	var s pairSums
	if same {
		s.diag = make([]float64, x.n)
	}
	err := products(ctx, kn, x, y, same, func(t tile) {
		row := byRow[t.j0/tileEdge][t.i0:]
		col := byCol[t.i0/tileEdge][t.j0:]
		for i := range t.rows {
			v := t.c[i*tileEdge:][:t.cols]
			kernel(v)
			if same && t.i0 == t.j0 {
				s.diag[t.i0+i] = v[i]
				v[i] = 0
				row[i] = total(v)
				continue
			}
			row[i] = total(v)
			for j, k := range v {
				col[j] += k
			}
		}
	})
	if err != nil {
		return pairSums{}, err
	}
	s.row = addUp(byRow)
	if !same {
		s.col = addUp(byCol)
	}
	return s, nil
}

// addUp adds the vectors of v into the first, in order.
func addUp(v [][]float64) []float64 {
	for _, add := range v[1:] {
		for i, x := range add {
			v[0][i] += x
		}
	}
	return v[0]
}
