package stat

import (
	"context"
	"fmt"
	"math"

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
	Std      float64 // over the subsets, divided by their number: not the error of Mean
	Subsets  int
	Size     int
	Warnings []error // doubts to show beside the numbers, which still stand
}

// KernelInception returns the kernel inception distance (Bińkowski et al. 2018):
// the mean of the unbiased MMD² under k(x,y) = (⟨x,y⟩/d + 1)³ over random
// subsets, drawn without replacement, of the first set and then of the second in
// each round. Lower is closer; around 0, a little negative too, is alike. Subsets
// of fewer than two rows or of more than a set has are errors wrapping
// [assay.ErrInvalid].
func KernelInception(ctx context.Context, x, y Features, opt KIDOptions) (KID, error) {
	if err := checkTwo("kid", x, y, 2); err != nil {
		return KID{}, err
	}
	n, m := x.Len(), y.Len()
	if opt.Subsets == 0 {
		opt.Subsets = 100
	}
	if opt.Size == 0 {
		opt.Size = min(1000, n, m)
	}
	if opt.Seed == 0 {
		opt.Seed = 2020
	}
	if opt.Subsets < 1 || opt.Size < 2 || opt.Size > min(n, m) {
		return KID{}, fmt.Errorf("kid: %d subsets of %d from sets of %d and %d: want at least one subset of 2 to %d rows: %w",
			opt.Subsets, opt.Size, n, m, min(n, m), assay.ErrInvalid)
	}
	rng := NewMT19937(opt.Seed)
	values := make([]float64, opt.Subsets)
	for s := range values {
		ix, iy := rng.Choose(n, opt.Size), rng.Choose(m, opt.Size)
		r, err := polynomial(ctx, rows{f: x, index: ix}, rows{f: y, index: iy})
		if err != nil {
			return KID{}, err
		}
		values[s] = r.Unbiased
	}
	k := KID{Subsets: opt.Subsets, Size: opt.Size}
	k.Mean, k.Std = meanStd(values)
	if min(n, m) < 2*opt.Size {
		k.Warnings = append(k.Warnings, fmt.Errorf("subsets of %d from sets of %d and %d overlap for the most part: their spread says little", opt.Size, n, m))
	}
	return k, nil
}

// meanStd returns the mean and the population standard deviation.
func meanStd(v []float64) (mean, std float64) {
	for _, x := range v {
		mean += x
	}
	mean /= float64(len(v))
	for _, x := range v {
		std += float64((x - mean) * (x - mean))
	}
	return mean, math.Sqrt(std / float64(len(v)))
}

// An MMD is a squared kernel distance of two whole sets.
type MMD struct {
	Unbiased float64 // U-statistic, without the pairs of a row with itself; may be negative
	Biased   float64 // V-statistic, with them; never negative
	StdErr   float64 // of Unbiased: delete-one jackknife over the rows of both sets; NaN below 3 rows
}

// PolynomialMMD returns KID's distance with one subset: the whole sets. It needs
// two rows of each.
func PolynomialMMD(ctx context.Context, x, y Features) (MMD, error) {
	if err := checkTwo("polynomial mmd", x, y, 2); err != nil {
		return MMD{}, err
	}
	return polynomial(ctx, rows{f: x}, rows{f: y})
}

func polynomial(ctx context.Context, x, y rows) (MMD, error) {
	d := float64(x.f.Dim)
	kernel := func(dot float64) float64 {
		k := dot/d + 1
		return k * k * k
	}
	return mmd(ctx, x, y, kernel)
}

// A CMMD is CLIP's kernel distance (Jayasumana et al. 2024), times 1000 as
// published.
type CMMD struct {
	Value    float64 // as published: the pairs of a row with itself count (V-statistic)
	Unbiased float64 // without them; comparable between sets of different sizes
	StdErr   float64 // of Unbiased: delete-one jackknife over the rows of both sets; NaN below 3 rows
	Warnings []error // doubts to show beside the numbers, which still stand
}

// CLIPMMD returns the squared MMD under k(a,b) = exp(−‖a−b‖²/200) of rows brought
// to length 1, times 1000. Lower is closer. It needs two rows of each set; a row
// of zeros is an error wrapping [assay.ErrInvalid].
func CLIPMMD(ctx context.Context, x, y Features) (CMMD, error) {
	if err := checkTwo("cmmd", x, y, 2); err != nil {
		return CMMD{}, err
	}
	ux, err := unit("cmmd: first set", x)
	if err != nil {
		return CMMD{}, err
	}
	uy, err := unit("cmmd: second set", y)
	if err != nil {
		return CMMD{}, err
	}
	r, err := mmd(ctx, ux, uy, func(dot float64) float64 { return math.Exp((dot - 1) / 100) })
	if err != nil {
		return CMMD{}, err
	}
	c := CMMD{Value: 1000 * r.Biased, Unbiased: 1000 * r.Unbiased, StdErr: 1000 * r.StdErr}
	if n := min(x.Len(), y.Len()); n < 1000 {
		c.Warnings = append(c.Warnings, fmt.Errorf("%d images: the published form grows as sets shrink, here by about %.3g; compare sets of equal size, or the unbiased value", n, c.Value-c.Unbiased))
	}
	return c, nil
}

// mmd sums a kernel of dot products over all pairs.
func mmd(ctx context.Context, x, y rows, kernel func(dot float64) float64) (MMD, error) {
	n, m := x.len(), y.len()
	xx := pairSums{make([]float64, n), make([]float64, n), nil}
	yy := pairSums{make([]float64, m), make([]float64, m), nil}
	xy := pairSums{make([]float64, n), nil, make([]float64, m)}
	if err := xx.gather(ctx, x, x, kernel); err != nil {
		return MMD{}, err
	}
	if err := yy.gather(ctx, y, y, kernel); err != nil {
		return MMD{}, err
	}
	if err := xy.gather(ctx, x, y, kernel); err != nil {
		return MMD{}, err
	}
	sx, dx, sy, dy, sxy := total(xx.row), total(xx.diag), total(yy.row), total(yy.diag), total(xy.row)
	fn, fm := float64(n), float64(m)
	r := MMD{
		Unbiased: sx/(fn*(fn-1)) + sy/(fm*(fm-1)) - 2*sxy/(fn*fm),
		Biased:   (sx+dx)/(fn*fn) + (sy+dy)/(fm*fm) - 2*sxy/(fn*fm),
		StdErr:   math.NaN(),
	}
	if n >= 3 && m >= 3 {
		vx := jackknifeRows(sx, sxy, fn, fm, xx.row, xy.row, sy/(fm*(fm-1)))
		vy := jackknifeRows(sy, sxy, fm, fn, yy.row, xy.col, sx/(fn*(fn-1)))
		r.StdErr = math.Sqrt(vx + vy)
	}
	return r, nil
}

// jackknifeRows is the delete-one jackknife variance of the unbiased MMD² over
// the rows of one set: own are its rows' sums within the set, cross those with
// the other set.
func jackknifeRows(sum, sumCross, n, m float64, own, cross []float64, rest float64) float64 {
	v := make([]float64, len(own))
	for i := range v {
		v[i] = (sum-2*own[i])/((n-1)*(n-2)) - 2*(sumCross-cross[i])/((n-1)*m) + rest
	}
	_, std := meanStd(v)
	return (n - 1) * std * std
}

func total(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s
}

// pairSums are sums of a kernel over the pairs of rows: by row, without the pairs
// of a row with itself, those apart, and by row of the second set.
type pairSums struct{ row, diag, col []float64 }

func (s *pairSums) gather(ctx context.Context, x, y rows, kernel func(dot float64) float64) error {
	d := x.f.Dim
	a, b := make([]float64, d), make([]float64, d)
	for i := range x.len() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		x.read(i, a)
		for j := range y.len() {
			y.read(j, b)
			k := kernel(dot(a, b))
			switch {
			case s.diag != nil && i == j:
				s.diag[i] = k
			default:
				s.row[i] += k
				if s.col != nil {
					s.col[j] += k
				}
			}
		}
	}
	return nil
}

func dot(a, b []float64) float64 {
	s := 0.0
	for k, v := range a {
		s = math.FMA(v, b[k], s)
	}
	return s
}
