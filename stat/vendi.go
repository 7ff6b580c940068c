package stat

import (
	"context"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// Vendi returns the Vendi score of order q (Friedman and Dieng 2023; Pasarkar and
// Dieng 2024) of rows brought to length 1, under their cosines: the effective
// number of different rows, from 1 (all alike) to n. Order 1 is the published
// score, +Inf counts the largest group only; q must be positive. A row of zeros is
// an error wrapping [assay.ErrInvalid]. One row scores 1.
func Vendi(ctx context.Context, f Features, q float64) (float64, error) {
	if err := checkOrder(q); err != nil {
		return 0, err
	}
	if err := f.Check("vendi score", 1); err != nil {
		return 0, err
	}
	kn := best()
	u, err := plain(f).unit(kn, "vendi score")
	if err != nil {
		return 0, err
	}
	return vendi(ctx, kn, u, q)
}

// vendi takes the eigenvalues of XXᵀ/n or of XᵀX/n, whichever is smaller: those
// that are not 0 are the same.
func vendi(ctx context.Context, kn kernel, x rows, q float64) (float64, error) {
	size := min(x.n, x.dim)
	lda := (size + 7) &^ 7
	k := make([]float64, size*lda)
	if x.n <= x.dim {
		err := products(ctx, kn, x, x, true, func(t tile) {
			for i := range t.rows {
				for j, v := range t.c[i*tileEdge:][:t.cols] {
					k[(t.i0+i)*lda+t.j0+j], k[(t.j0+j)*lda+t.i0+i] = v, v
				}
			}
		})
		if err != nil {
			return 0, err
		}
	} else {
		m, err := NewMoments(x.dim)
		if err != nil {
			return 0, err
		}
		if err := m.add(ctx, kn, x); err != nil {
			return 0, err
		}
		for i := range size {
			for j := range size {
				k[i*lda+j] = m.Scatter[i*size+j] + float64(float64(m.N)*float64(m.Mean[i]*m.Mean[j]))
			}
		}
	}
	scale(k, 1/float64(x.n))
	values, err := eigenvalues(ctx, kn, k, size, lda)
	if err != nil {
		return 0, fmt.Errorf("vendi score: %w", err)
	}
	return vendiSpectrum(values, q), nil
}

// VendiKernel is [Vendi] under any similarity: k is row-major, n × n, symmetric,
// with ones on its diagonal. A matrix that is none of that is an error wrapping
// [assay.ErrInvalid]. Similarities that no features could have give negative
// eigenvalues, which are left out, as in the authors' package.
func VendiKernel(ctx context.Context, k []float64, n int, q float64) (float64, error) {
	if err := checkOrder(q); err != nil {
		return 0, err
	}
	if n < 1 || len(k) != n*n {
		return 0, fmt.Errorf("vendi score: %d similarities of %d things: want %d squared: %w", len(k), n, n, assay.ErrInvalid)
	}
	if err := checkFinite("vendi score: similarities", k); err != nil {
		return 0, err
	}
	for i := range n {
		if math.Abs(k[i*n+i]-1) > alikeEnough {
			return 0, fmt.Errorf("vendi score: thing %d is %g like itself: want 1: %w", i, k[i*n+i], assay.ErrInvalid)
		}
		for j := range i {
			if math.Abs(k[i*n+j]-k[j*n+i]) > alikeEnough {
				return 0, fmt.Errorf("vendi score: things %d and %d are %g and %g alike: want one similarity: %w", j, i, k[j*n+i], k[i*n+j], assay.ErrInvalid)
			}
		}
	}
	a, lda := padded(k, n, n)
	for i := range n {
		for j := range i {
			mean := (a[i*lda+j] + a[j*lda+i]) / 2
			a[i*lda+j], a[j*lda+i] = mean, mean
		}
	}
	scale(a, 1/float64(n))
	values, err := eigenvalues(ctx, best(), a, n, lda)
	if err != nil {
		return 0, fmt.Errorf("vendi score: %w", err)
	}
	return vendiSpectrum(values, q), nil
}

// alikeEnough is how far rounding in float32 may take a similarity.
const alikeEnough = 1e-6

func checkOrder(q float64) error {
	if !(q > 0) {
		return fmt.Errorf("vendi score: order %g: want a positive number or +Inf: %w", q, assay.ErrInvalid)
	}
	return nil
}

// vendiFloor is what rounding makes of an eigenvalue of 0: they sum to 1.
const vendiFloor = 1e-12

// vendiSpectrum is the exponential of Rényi's entropy of order q.
func vendiSpectrum(values []float64, q float64) float64 {
	sum, most := 0.0, 0.0
	for _, v := range values {
		most = max(most, v)
		switch {
		case v < vendiFloor:
		case q == 1:
			sum -= float64(v * math.Log(v))
		default:
			sum += math.Pow(v, q)
		}
	}
	switch {
	case math.IsInf(q, 1):
		return 1 / most
	case q == 1:
		return math.Exp(sum)
	}
	return math.Exp(math.Log(sum) / (1 - q))
}
