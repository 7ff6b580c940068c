package rank

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// errSingular reports that the curvature does not determine the parameters:
// the extra parameters run off to infinity, or rounding has eaten the rest.
var errSingular = errors.New("the votes do not determine the strengths to working precision: use a prior")

// conjugate solves curvature·x = b for the strengths alone by conjugate
// gradients with Jacobi's preconditioner, until the residual is rtol times b.
// Under maximum likelihood b sums to zero in each component and so does x. It
// reports false when the residual does not get there.
func (s *system) conjugate(x, b []float64, rtol float64) bool {
	n := s.n
	r, z, p, q := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	inv := make([]float64, n)
	for i, d := range s.diag {
		if d > 0 { // an item that met nobody has no curvature and stays at 0
			inv[i] = 1 / d
		}
		x[i] = 0
	}
	copy(r, b[:n])
	goal := rtol * floats.Norm(r, 2)
	if goal == 0 {
		return true
	}
	// In exact arithmetic n steps suffice; rounding asks for a few times more.
	// The smallest residual is kept in case rounding stops the descent first.
	rz := 0.0
	for step := range 4*n + 20 {
		floats.MulTo(z, inv, r)
		s.project(z)
		next := floats.Dot(r, z)
		if step == 0 {
			copy(p, z)
		} else {
			floats.Scale(next/rz, p)
			floats.Add(p, z)
		}
		rz = next
		s.multiply(q, p)
		pq := floats.Dot(p, q)
		if !(pq > 0) {
			return false
		}
		floats.AddScaled(x[:n], rz/pq, p)
		floats.AddScaled(r, -rz/pq, q)
		if floats.Norm(r, 2) <= goal {
			s.project(x[:n])
			return true
		}
	}
	return false
}

// bordered solves the whole system for parameters of all kinds by eliminating
// the strengths, given a solver for the strengths alone.
func (s *system) bordered(x, b []float64, solve func(x, b []float64) bool) error {
	if !solve(x[:s.n], b[:s.n]) {
		return errSingular
	}
	m := s.extras()
	if m == 0 {
		return nil
	}
	cols := make([][]float64, m)
	var schur [2][2]float64
	var rhs [2]float64
	for e := range m {
		cols[e] = make([]float64, s.n)
		if !solve(cols[e], s.border[e]) {
			return errSingular
		}
	}
	for e := range m {
		rhs[e] = b[s.n+e] - floats.Dot(s.border[e], x[:s.n])
		for f := range m {
			schur[e][f] = s.corner[e][f] - floats.Dot(s.border[e], cols[f])
		}
	}
	z, ok := solveSmall(schur, rhs, m, s.corner)
	if !ok {
		return errSingular
	}
	for e := range m {
		x[s.n+e] = z[e]
		floats.AddScaled(x[:s.n], -z[e], cols[e])
	}
	return nil
}

// solveSmall solves a positive definite system of one or two equations. It
// reports false when a pivot has lost all but the last digits of the scale it
// was computed at.
func solveSmall(a [2][2]float64, b [2]float64, m int, scale [2][2]float64) ([2]float64, bool) {
	const eps = 1e-13
	if !(a[0][0] > eps*scale[0][0]) {
		return b, false
	}
	if m == 1 {
		return [2]float64{b[0] / a[0][0]}, true
	}
	ratio := a[1][0] / a[0][0]
	pivot := a[1][1] - ratio*a[0][1]
	if !(pivot > eps*scale[1][1]) {
		return b, false
	}
	second := (b[1] - ratio*b[0]) / pivot
	return [2]float64{(b[0] - a[0][1]*second) / a[0][0], second}, true
}

// dense factors the whole curvature. Under maximum likelihood the mean of each
// component is pinned by adding the same amount to all entries of its block,
// which changes no contrast within it.
func (s *system) dense() (*mat.Cholesky, error) {
	size := s.n + s.extras()
	a := mat.NewSymDense(size, nil)
	for i := range s.n {
		a.SetSym(i, i, s.diag[i])
		for at := s.begin[i]; at < s.begin[i+1]; at++ {
			if j := int(s.other[at]); j > i {
				a.SetSym(i, j, a.At(i, j)-s.off[at])
			}
		}
		for e := range s.border {
			a.SetSym(i, s.n+e, s.border[e][i])
		}
	}
	for e := range s.border {
		for f := e; f < len(s.border); f++ {
			a.SetSym(s.n+e, s.n+f, s.corner[e][f])
		}
	}
	for _, group := range s.groups {
		pin := pinOf(s.diag, group)
		for x, i := range group {
			for _, j := range group[x:] {
				a.SetSym(i, j, a.At(i, j)+pin)
			}
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(a) {
		return nil, errSingular
	}
	if cond := chol.Cond(); !(cond < 1e15) {
		return nil, fmt.Errorf("condition number %.2g: %w", cond, errSingular)
	}
	return &chol, nil
}

// pinOf is the amount that pins the mean of a component: of the size of its
// eigenvalues, so that the condition number does not suffer.
func pinOf(diag []float64, group []int) float64 {
	top := 0.0
	for _, i := range group {
		top = math.Max(top, diag[i])
	}
	if top == 0 {
		return 1
	}
	return top / float64(len(group))
}
