package stat

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/gen-emerge/assay"
)

// A Frechet is the Fréchet distance of two sets seen as Gaussian clouds (Dowson
// and Landau 1982; FID: Heusel et al. 2017): ‖μ₁−μ₂‖² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½.
// Lower is closer; 0 is alike.
type Frechet struct {
	Value    float64 // Means + Traces; not clamped, so alike sets may give −1e-9
	Means    float64 // ‖μ₁−μ₂‖²
	Traces   float64 // tr Σ₁ + tr Σ₂ − 2 tr (Σ₁Σ₂)^½
	Warnings []error // doubts to show beside the numbers, which still stand
}

// FrechetMoments returns the Fréchet distance of two sets from their moments.
// With unbiased, covariances divide by N−1 (FID as TTUR, pytorch-fid and
// clean-fid have it), else by N (NVIDIA's). The trace of the root is the sum of
// the singular values of a product of factors of the covariances, which is never
// complex and holds for covariances of any rank. Fewer than two rows (one where
// not unbiased) or moments of different dimensions are errors wrapping
// [assay.ErrInvalid].
func FrechetMoments(ctx context.Context, a, b *Moments, unbiased bool) (Frechet, error) {
	if err := checkMoments(a, b, unbiased); err != nil {
		return Frechet{}, err
	}
	return frechet(ctx, momentsSide(a, unbiased), momentsSide(b, unbiased))
}

// FrechetFeatures is [FrechetMoments] of sets held whole. A set with no more rows
// than dimensions is used as it is, without its covariance, which is exact where
// the covariance's own rounding would show.
func FrechetFeatures(ctx context.Context, a, b Features, unbiased bool) (Frechet, error) {
	if err := checkTwo("fréchet distance", a, b, least(unbiased)); err != nil {
		return Frechet{}, err
	}
	sa, err := featuresSide(ctx, a, unbiased)
	if err != nil {
		return Frechet{}, err
	}
	sb, err := featuresSide(ctx, b, unbiased)
	if err != nil {
		return Frechet{}, err
	}
	return frechet(ctx, sa, sb)
}

func least(unbiased bool) int {
	if unbiased {
		return 2
	}
	return 1
}

func checkMoments(a, b *Moments, unbiased bool) error {
	if a.Dim() != b.Dim() {
		return fmt.Errorf("fréchet distance: %d dimensions against %d: want features of one kind: %w", a.Dim(), b.Dim(), assay.ErrInvalid)
	}
	for _, m := range []*Moments{a, b} {
		if err := m.Check(); err != nil {
			return fmt.Errorf("fréchet distance: %w", err)
		}
		if m.N < least(unbiased) {
			return fmt.Errorf("fréchet distance: %d rows: at least %d are needed: %w", m.N, least(unbiased), assay.ErrInvalid)
		}
	}
	return nil
}

// A side is what the distance needs of one set: its mean, the trace of its
// covariance, and a factor F (rank × dim) with Σ = FᵀF.
type side struct {
	n      int
	mean   []float64
	trace  float64
	factor func(ctx context.Context) (*mat.Dense, error)
}

func divisor(n int, unbiased bool) float64 {
	if unbiased {
		return float64(n - 1)
	}
	return float64(n)
}

func momentsSide(m *Moments, unbiased bool) side {
	d := m.Dim()
	div := divisor(m.N, unbiased)
	trace := 0.0
	for j := range d {
		trace += m.Scatter[j*d+j] / div
	}
	return side{m.N, m.Mean, trace, func(context.Context) (*mat.Dense, error) {
		cov := mat.NewSymDense(d, nil)
		for i := range d {
			for j := i; j < d; j++ {
				cov.SetSym(i, j, m.Scatter[i*d+j]/div)
			}
		}
		var chol mat.PivotedCholesky
		chol.Factorize(cov, -1)
		var u mat.TriDense
		chol.UTo(&u)
		pivot := chol.ColumnPivots(nil)
		f := mat.NewDense(max(1, chol.Rank()), d, nil)
		for i := range chol.Rank() {
			for j := i; j < d; j++ {
				f.Set(i, pivot[j], u.At(i, j))
			}
		}
		return f, nil
	}}
}

func featuresSide(ctx context.Context, f Features, unbiased bool) (side, error) {
	n, d := f.Len(), f.Dim
	if n > d {
		m, err := NewMoments(d)
		if err != nil {
			return side{}, err
		}
		if err := m.Add(ctx, f); err != nil {
			return side{}, err
		}
		return momentsSide(m, unbiased), nil
	}
	mean := make([]float64, d)
	for i := range n {
		for j, v := range f.Row(i) {
			mean[j] += float64(v)
		}
	}
	for j := range mean {
		mean[j] /= float64(n)
	}
	root := math.Sqrt(divisor(n, unbiased))
	c := mat.NewDense(n, d, nil)
	trace := 0.0
	for i := range n {
		row := c.RawRowView(i)
		for j, v := range f.Row(i) {
			row[j] = (float64(v) - mean[j]) / root
			trace += float64(row[j] * row[j])
		}
	}
	return side{n, mean, trace, func(context.Context) (*mat.Dense, error) { return c, nil }}, nil
}

func frechet(ctx context.Context, a, b side) (Frechet, error) {
	var f Frechet
	for j := range a.mean {
		d := a.mean[j] - b.mean[j]
		f.Means += float64(d * d)
	}
	fa, err := a.factor(ctx)
	if err != nil {
		return Frechet{}, err
	}
	fb, err := b.factor(ctx)
	if err != nil {
		return Frechet{}, err
	}
	var prod mat.Dense
	prod.Mul(fa, fb.T())
	var svd mat.SVD
	if !svd.Factorize(&prod, mat.SVDNone) {
		return Frechet{}, fmt.Errorf("fréchet distance: the singular values did not settle: %w", assay.ErrInvalid)
	}
	root := 0.0
	for _, s := range svd.Values(nil) {
		root += s
	}
	f.Traces = a.trace + b.trace - 2*root
	f.Value = f.Means + f.Traces
	if n, d := min(a.n, b.n), len(a.mean); n <= d {
		f.Warnings = append(f.Warnings, fmt.Errorf("%d images for features of %d dimensions: the distance is biased upward, and only sets of equal size may be compared; use more than %d, better 10,000", n, d, d))
	}
	return f, nil
}
