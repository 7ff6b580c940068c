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
	most = min(n, most)
	c := cholesky{kernel: kn, a: a, n: n, wide: (n + 7) &^ 7, perm: make([]int, n), diag: make([]float64, n), coef: make([]float64, choleskyBlock)}
	c.block = make([]float64, choleskyBlock*c.wide)
	top := 0.0
	for i := range n {
		c.perm[i] = i
		c.diag[i] = a[i*n+i]
		top = max(top, c.diag[i])
	}
	floor := top * float64(n) * 0x1p-52
	f := make([]float64, 0, most*n)
	for k0 := 0; k0 < most && c.rank == k0; k0 += choleskyBlock {
		if err := stopped(ctx); err != nil {
			return nil, 0, err
		}
		clear(c.block)
		for c.rank < min(most, k0+choleskyBlock) {
			pivot := c.pivot()
			if !(c.diag[pivot] > floor) {
				break
			}
			c.step(pivot, c.rank-k0)
		}
		for r := range c.rank - k0 {
			f = f[:(k0+r+1)*n]
			out := f[(k0+r)*n:]
			for j, p := range c.perm {
				out[p] = c.block[r*c.wide+j]
			}
		}
		if at := c.rank; at < n {
			kn.lessOuter(a[at*n+at:], n, n-at, n-at, c.block[at:], c.wide, c.block[at:], c.wide, at-k0)
		}
	}
	for _, left := range c.diag[c.rank:] {
		if math.Abs(left) > top*leftOver {
			return nil, 0, fmt.Errorf("after %d directions %.3g of the scatter's largest entry is left, where real rows leave 0: the count or the scatter is wrong: %w",
				c.rank, left/top, assay.ErrInvalid)
		}
	}
	return f, c.rank, nil
}

// A cholesky is a factor in the making.
type cholesky struct {
	kernel
	a     []float64 // what is left of the matrix, its rows and columns in the order of perm
	n     int
	perm  []int     // the place that each row and column came from
	diag  []float64 // what is left of the diagonal
	block []float64 // rows of the factor since the last update, by place
	wide  int       // of those rows
	coef  []float64 // of the rows, in the next one
	rank  int       // rows made
}

// pivot returns the place of the largest entry that is left of the diagonal.
func (c *cholesky) pivot() int {
	at := c.rank
	for i := c.rank + 1; i < c.n; i++ {
		if c.diag[i] > c.diag[at] {
			at = i
		}
	}
	return at
}

// step makes the next row of the factor, the own-th of its block, with the given
// pivot.
func (c *cholesky) step(pivot, own int) {
	at, n, wide := c.rank, c.n, c.wide
	swapPlaces(c.a, n, at, pivot)
	c.perm[at], c.perm[pivot] = c.perm[pivot], c.perm[at]
	c.diag[at], c.diag[pivot] = c.diag[pivot], c.diag[at]
	for r := range own {
		c.block[r*wide+at], c.block[r*wide+pivot] = c.block[r*wide+pivot], c.block[r*wide+at]
		c.coef[r] = -c.block[r*wide+at]
	}
	row := c.block[own*wide:][:wide]
	copy(row[at+1:n], c.a[at*n+at+1:(at+1)*n])
	from := (at + 1) &^ 7
	c.addRows(own, c.block[from:], wide, c.coef, row[from:])
	clear(row[:at+1])
	root := math.Sqrt(c.diag[at])
	row[at] = root
	for j := at + 1; j < n; j++ {
		row[j] /= root
		c.diag[j] -= float64(row[j] * row[j])
	}
	c.rank++
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
