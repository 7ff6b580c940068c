package stat

import (
	"context"
	"fmt"
	"math"
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
	if err := checkMoments("fréchet distance", a, b, unbiased); err != nil {
		return Frechet{}, err
	}
	kn := best()
	sa, err := momentsSide(ctx, kn, a, unbiased)
	if err != nil {
		return Frechet{}, err
	}
	sb, err := momentsSide(ctx, kn, b, unbiased)
	if err != nil {
		return Frechet{}, err
	}
	return frechet(ctx, kn, sa, sb)
}

// FrechetFeatures is [FrechetMoments] of sets held whole. A set with no more rows
// than dimensions is used as it is, without its covariance, which is exact where
// the covariance's own rounding would show.
func FrechetFeatures(ctx context.Context, a, b Features, unbiased bool) (Frechet, error) {
	if err := checkTwo("fréchet distance", a, b, least(unbiased)); err != nil {
		return Frechet{}, err
	}
	return frechetRows(ctx, best(), plain(a), plain(b), unbiased)
}

func frechetRows(ctx context.Context, kn kernel, a, b rows, unbiased bool) (Frechet, error) {
	sa, err := rowsSide(ctx, kn, a, unbiased)
	if err != nil {
		return Frechet{}, err
	}
	sb, err := rowsSide(ctx, kn, b, unbiased)
	if err != nil {
		return Frechet{}, err
	}
	return frechet(ctx, kn, sa, sb)
}

// least is the number of rows that a covariance needs.
func least(unbiased bool) int {
	if unbiased {
		return 2
	}
	return 1
}

// divisor is what a scatter is divided by to be a covariance.
func divisor(n int, unbiased bool) float64 { return float64(n + 1 - least(unbiased)) }

// A side is what the distance needs of one set: its mean, the trace of its
// covariance, and a factor F (rank × dim, row-major) with Σ = FᵀF.
type side struct {
	n      int
	mean   []float64
	trace  float64
	factor []float64
	rank   int
}

func (s side) rows() rows {
	d := len(s.mean)
	return rows{s.rank, d, func(i int, dst []float64) { copy(dst, s.factor[i*d:(i+1)*d]) }}
}

// momentsSide factors the covariance, whose rank is below the number of rows.
func momentsSide(ctx context.Context, kn kernel, m *Moments, unbiased bool) (side, error) {
	d := m.Dim()
	div := divisor(m.N, unbiased)
	cov := make([]float64, d*d)
	for i, v := range m.Scatter {
		cov[i] = v / div
	}
	s := side{n: m.N, mean: m.Mean}
	for j := range d {
		s.trace += cov[j*d+j]
	}
	var err error
	if s.factor, s.rank, err = choleskyFactor(ctx, kn, cov, d, m.N-1); err != nil {
		return side{}, fmt.Errorf("moments of %d rows: %w", m.N, err)
	}
	return s, nil
}

func rowsSide(ctx context.Context, kn kernel, x rows, unbiased bool) (side, error) {
	d := x.dim
	if x.n > d {
		m, err := NewMoments(d)
		if err != nil {
			return side{}, err
		}
		if err := m.add(ctx, kn, x); err != nil {
			return side{}, err
		}
		return momentsSide(ctx, kn, m, unbiased)
	}
	s := side{n: x.n, mean: make([]float64, d), factor: make([]float64, x.n*d), rank: x.n}
	for i := range x.n {
		row := s.factor[i*d : (i+1)*d]
		x.read(i, row)
		for j, v := range row {
			s.mean[j] += v
		}
	}
	for j := range s.mean {
		s.mean[j] /= float64(x.n)
	}
	root := math.Sqrt(divisor(x.n, unbiased))
	for i := range x.n {
		row := s.factor[i*d : (i+1)*d]
		for j, v := range row {
			row[j] = (v - s.mean[j]) / root
			s.trace += float64(row[j] * row[j])
		}
	}
	return s, nil
}

func frechet(ctx context.Context, kn kernel, a, b side) (Frechet, error) {
	var f Frechet
	for j := range a.mean {
		d := a.mean[j] - b.mean[j]
		f.Means += float64(d * d)
	}
	root, err := nuclear(ctx, kn, a.rows(), b.rows())
	if err != nil {
		return Frechet{}, fmt.Errorf("fréchet distance: %w", err)
	}
	f.Traces = a.trace + b.trace - 2*root
	f.Value = f.Means + f.Traces
	switch n, d := min(a.n, b.n), len(a.mean); {
	case n <= d:
		f.Warnings = append(f.Warnings, fmt.Errorf("%d images for features of %d dimensions: the distance is biased upward by far; use %d or more, and compare sets of equal size only", n, d, frechetFew*d))
	case n < frechetFew*d:
		f.Warnings = append(f.Warnings, fmt.Errorf("%d images for features of %d dimensions: the distance is biased upward; use %d or more, and compare sets of equal size only", n, d, frechetFew*d))
	}
	return f, nil
}

// frechetFew is how many images a dimension the distance wants: FID's authors
// recommend 10,000 for 2048 dimensions.
const frechetFew = 5

// nuclear returns the sum of the singular values of a·bᵀ: with covariances AᵀA
// and BᵀB it is the trace of the root of their product, whose eigenvalues are the
// squares of those.
func nuclear(ctx context.Context, kn kernel, a, b rows) (float64, error) {
	if a.n < b.n {
		a, b = b, a
	}
	if b.n == 0 {
		return 0, nil
	}
	lda := (b.n + 7) &^ 7
	m := make([]float64, a.n*lda)
	err := products(ctx, kn, a, b, false, func(t tile) {
		for i := range t.rows {
			copy(m[(t.i0+i)*lda+t.j0:], t.c[i*tileEdge:][:t.cols])
		}
	})
	if err != nil {
		return 0, err
	}
	values, err := singularValues(ctx, kn, m, a.n, b.n, lda)
	if err != nil {
		return 0, err
	}
	return total(values), nil
}
