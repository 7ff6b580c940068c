package stat

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

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
	u, err := unit("vendi score", f)
	if err != nil {
		return 0, err
	}
	n, d := f.Len(), f.Dim
	x := mat.NewDense(n, d, nil)
	for i := range n {
		u.read(i, x.RawRowView(i))
	}
	var svd mat.SVD
	if !svd.Factorize(x, mat.SVDNone) {
		return 0, fmt.Errorf("vendi score: the singular values did not settle: %w", assay.ErrInvalid)
	}
	values := svd.Values(nil)
	for i, s := range values {
		values[i] = s * s / float64(n)
	}
	return vendiSpectrum(values, q), nil
}

// VendiKernel is [Vendi] under any similarity: k is row-major, n × n, symmetric,
// with ones on its diagonal. A matrix that is none of that is an error wrapping
// [assay.ErrInvalid].
func VendiKernel(k []float64, n int, q float64) (float64, error) {
	if err := checkOrder(q); err != nil {
		return 0, err
	}
	if n < 1 || len(k) != n*n {
		return 0, fmt.Errorf("vendi score: %d similarities of %d things: want %d squared: %w", len(k), n, n, assay.ErrInvalid)
	}
	if err := checkFinite("vendi score: similarities", k); err != nil {
		return 0, err
	}
	s := mat.NewSymDense(n, nil)
	for i := range n {
		if math.Abs(k[i*n+i]-1) > 1e-6 {
			return 0, fmt.Errorf("vendi score: thing %d is %g like itself: want 1: %w", i, k[i*n+i], assay.ErrInvalid)
		}
		for j := i; j < n; j++ {
			if math.Abs(k[i*n+j]-k[j*n+i]) > 1e-6 {
				return 0, fmt.Errorf("vendi score: things %d and %d are %g and %g alike: want one similarity: %w", i, j, k[i*n+j], k[j*n+i], assay.ErrInvalid)
			}
			s.SetSym(i, j, k[i*n+j]/float64(n))
		}
	}
	var eig mat.EigenSym
	if !eig.Factorize(s, false) {
		return 0, fmt.Errorf("vendi score: the eigenvalues did not settle: %w", assay.ErrInvalid)
	}
	return vendiSpectrum(eig.Values(nil), q), nil
}

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
