package stat

import (
	"context"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// choleskyBlock is how many rows of the factor are made between two updates of
// what is left.
const choleskyBlock = 64

// choleskyFactor returns F (rank × n, row-major) with a ≈ FᵀF for the symmetric
// positive semi-definite n × n matrix a, which it destroys: Cholesky's factor with
// full pivoting (Higham 1990), its columns back in their places. It ends at most
// rows, or where what is left is below n·2⁻⁵² of the largest entry: rounding, not
// rank. Where much is left, of either sign, a is no covariance of so many rows:
// an error wrapping [assay.ErrInvalid].
func choleskyFactor(ctx context.Context, kn kernel, a []float64, n, most int) ([]float64, int, error) {
	perm := make([]int, n)
	diag := make([]float64, n) // what is left of the diagonal
	top := 0.0
	for i := range n {
		perm[i] = i
		diag[i] = a[i*n+i]
		top = max(top, diag[i])
	}
	floor := top * float64(n) * 0x1p-52
	wide := (n + 7) &^ 7
	block := make([]float64, choleskyBlock*wide) // rows of the factor since the last update, by place
	coef := make([]float64, choleskyBlock)
	f := make([]float64, 0, min(n, most)*n)
	rank := 0
	for k0 := 0; k0 < min(n, most) && rank == k0; k0 += choleskyBlock {
		if err := stopped(ctx); err != nil {
			return nil, 0, err
		}
		clear(block)
		for rank < min(n, most, k0+choleskyBlock) {
			pivot := rank
			for i := rank + 1; i < n; i++ {
				if diag[i] > diag[pivot] {
					pivot = i
				}
			}
			if !(diag[pivot] > floor) {
				break
			}
			swapPlaces(a, n, rank, pivot)
			perm[rank], perm[pivot] = perm[pivot], perm[rank]
			diag[rank], diag[pivot] = diag[pivot], diag[rank]
			own := rank - k0
			for r := range own {
				block[r*wide+rank], block[r*wide+pivot] = block[r*wide+pivot], block[r*wide+rank]
				coef[r] = -block[r*wide+rank]
			}
			row := block[own*wide:][:wide]
			copy(row[rank+1:n], a[rank*n+rank+1:(rank+1)*n])
			from := (rank + 1) &^ 7
			kn.addRows(own, block[from:], wide, coef, row[from:])
			clear(row[:rank+1])
			root := math.Sqrt(diag[rank])
			row[rank] = root
			for j := rank + 1; j < n; j++ {
				row[j] /= root
				diag[j] -= float64(row[j] * row[j])
			}
			rank++
		}
		for r := range rank - k0 {
			f = f[:(k0+r+1)*n]
			out := f[(k0+r)*n:]
			for j, p := range perm {
				out[p] = block[r*wide+j]
			}
		}
		if rank < n {
			kn.lessOuter(a[rank*n+rank:], n, n-rank, n-rank, block[rank:], wide, block[rank:], wide, rank-k0)
		}
	}
	for _, left := range diag[rank:] {
		if math.Abs(left) > top*leftOver {
			return nil, 0, fmt.Errorf("after %d directions %.3g of the scatter's largest entry is left, where real rows leave 0: the count or the scatter is wrong: %w",
				rank, left/top, assay.ErrInvalid)
		}
	}
	return f, rank, nil
}

// leftOver is far above what rounding leaves of a scatter in float64 and far
// below what a wrong count or a damaged file does.
const leftOver = 1e-6

// swapPlaces exchanges rows and columns i and j of the symmetric matrix a.
func swapPlaces(a []float64, n, i, j int) {
	if i == j {
		return
	}
	for k := range n {
		a[i*n+k], a[j*n+k] = a[j*n+k], a[i*n+k]
	}
	for k := range n {
		a[k*n+i], a[k*n+j] = a[k*n+j], a[k*n+i]
	}
}
