package stat

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gen-emerge/assay"
)

// FrechetInfinityOptions adjust [FrechetInfinity]. The zero value is dgm-eval's.
type FrechetInfinityOptions struct {
	Sizes int    // at how many sizes the distance is taken; 0 means 15
	Seed  uint64 // of the PCG generator that orders the rows
}

// A FrechetInfinityResult is a Fréchet distance extrapolated to a set without end.
type FrechetInfinityResult struct {
	Value     float64   // intercept of the line
	StdErr    float64   // of the intercept, from the scatter about the line; the points share rows, so it is too small
	Whole     float64   // the distance of the whole set
	Sizes     []int     // rows of b at each point
	Distances []float64 // at each point
	Warnings  []error   // doubts to show beside the numbers, which still stand
}

// FrechetInfinity returns the intercept of a line through the distances of set a
// from growing parts of set b, over 1/rows (Chong and Forsyth 2020): the bias of
// the distance falls as 1/rows, so this is free of b's share of it. Sizes are
// spread evenly from min(5000, max(rows/10, 2)) to all rows, as dgm-eval's. Its
// parts are drawn anew at each size; here one is the beginning of the next, in a
// random order of the rows, so that they can be added up. It needs two rows of a,
// twenty of b and two sizes.
func FrechetInfinity(ctx context.Context, a *Moments, b Features, unbiased bool, opt FrechetInfinityOptions) (FrechetInfinityResult, error) {
	if opt.Sizes == 0 {
		opt.Sizes = 15
	}
	if opt.Sizes < 2 {
		return FrechetInfinityResult{}, fmt.Errorf("fréchet distance at infinity: %d sizes: at least 2 are needed for a line: %w", opt.Sizes, assay.ErrInvalid)
	}
	if err := b.Check("fréchet distance at infinity: second set", infinityRows); err != nil {
		return FrechetInfinityResult{}, err
	}
	seen, err := NewMoments(b.Dim)
	if err != nil {
		return FrechetInfinityResult{}, err
	}
	kn := best()
	if err := checkMoments("fréchet distance at infinity", a, &Moments{N: b.Len(), Mean: seen.Mean, Scatter: seen.Scatter}, unbiased); err != nil {
		return FrechetInfinityResult{}, err
	}
	sa, err := momentsSide(ctx, kn, a, unbiased)
	if err != nil {
		return FrechetInfinityResult{}, err
	}
	order := rand.New(rand.NewPCG(opt.Seed, 0)).Perm(b.Len())
	var r FrechetInfinityResult
	x := make([]float64, opt.Sizes)
	for s := range opt.Sizes {
		size := infinitySize(b.Len(), s, opt.Sizes)
		if err := seen.add(ctx, kn, plain(b).pick(order[seen.N:size])); err != nil {
			return FrechetInfinityResult{}, err
		}
		sb, err := momentsSide(ctx, kn, seen, unbiased)
		if err != nil {
			return FrechetInfinityResult{}, err
		}
		f, err := frechet(ctx, kn, sa, sb)
		if err != nil {
			return FrechetInfinityResult{}, err
		}
		r.Sizes, r.Distances, r.Whole = append(r.Sizes, size), append(r.Distances, f.Value), f.Value
		x[s] = 1 / float64(size)
	}
	r.Value, r.StdErr = intercept(x, r.Distances)
	if r.Sizes[0] <= b.Dim {
		r.Warnings = append(r.Warnings, fmt.Errorf("parts of %d rows for features of %d dimensions: with no more rows than dimensions the distance does not yet fall as 1/rows; the intercept is rough", r.Sizes[0], b.Dim))
	}
	return r, nil
}

// infinityRows is the size from which the first part has two rows.
const infinityRows = 20

// infinitySize is the s-th of numpy.linspace(first, n, sizes), cut to a whole number.
func infinitySize(n, s, sizes int) int {
	if s == sizes-1 {
		return n
	}
	first := float64(min(5000, max(n/10, 2)))
	step := (float64(n) - first) / float64(sizes-1)
	return int(float64(float64(s)*step) + first)
}

// intercept returns where the least-squares line meets x = 0, and its error.
func intercept(x, y []float64) (at, stdErr float64) {
	n := float64(len(x))
	mx, my := total(x)/n, total(y)/n
	var sxx, sxy float64
	for i := range x {
		sxx += float64((x[i] - mx) * (x[i] - mx))
		sxy += float64((x[i] - mx) * (y[i] - my))
	}
	slope := sxy / sxx
	at = my - float64(slope*mx)
	if len(x) < 3 {
		return at, math.NaN()
	}
	rest := 0.0
	for i := range x {
		e := y[i] - at - float64(slope*x[i])
		rest += float64(e * e)
	}
	return at, math.Sqrt(rest / (n - 2) * (1/n + float64(mx*mx)/sxx))
}
