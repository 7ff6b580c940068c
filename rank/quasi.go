package rank

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/gen-emerge/assay"
)

// QuasiVariances returns one number for each item, in squared log-odds, such
// that the sum of two is close to the variance of the difference of their
// strengths, so that a reader can compare any two items from a single column
// (Firth and de Menezes, Biometrika 91, 2004). They minimise the squared
// differences of log(q[i]+q[j]) and log Var(i, j) over all pairs, apart in each
// component without a prior. The worst relative error of a standard error of a
// difference that they imply comes with them. Items without a finite estimate
// get +Inf. The error wraps [assay.ErrUnavailable] when there is no covariance
// matrix (see [Fit.Local]) or no set of quasi-variances is found.
func (f *Fit) QuasiVariances() (q []float64, worst float64, err error) {
	if f.cov == nil {
		return nil, 0, fmt.Errorf("rank: quasi-variances of %d items: raise Options.Dense to have the covariance: %w", len(f.Strength), assay.ErrUnavailable)
	}
	q = make([]float64, len(f.Strength))
	for c := range f.references() {
		scope := f.scope(c)
		switch len(scope) {
		case 1:
			q[scope[0]] = math.Inf(1)
			continue
		case 2:
			half := f.Var(scope[0], scope[1]) / 2
			q[scope[0]], q[scope[1]] = half, half
			continue
		}
		part, off, err := f.quasi(scope)
		if err != nil {
			return nil, 0, err
		}
		for k, i := range scope {
			q[i] = part[k]
		}
		worst = max(worst, off)
	}
	return q, worst, nil
}

// quasi finds the quasi-variances of three or more items by Gauss–Newton with
// damping.
func (f *Fit) quasi(scope []int) (q []float64, worst float64, err error) {
	n := len(scope)
	q = make([]float64, n)
	for k, i := range scope {
		mean := 0.0
		for _, j := range scope {
			mean += f.Var(i, j)
		}
		q[k] = mean / float64(n-1) / 2
	}
	loss := f.quasiLoss(scope, q)
	damp := 1e-9
	for range 200 {
		step, err := f.quasiStep(scope, q, damp)
		if err != nil {
			return nil, 0, err
		}
		trial := make([]float64, n)
		moved := 0.0
		for k := range q {
			trial[k] = q[k] + step[k]
			moved = math.Max(moved, math.Abs(step[k])/math.Abs(q[k]))
		}
		next := f.quasiLoss(scope, trial)
		if !(next <= loss*(1+1e-12)) { // also when a sum went negative
			if damp *= 10; damp > 1e12 {
				break
			}
			continue
		}
		q, loss, damp = trial, next, math.Max(damp/10, 1e-12)
		if moved < 1e-10 {
			return q, f.quasiWorst(scope, q), nil
		}
	}
	return nil, 0, fmt.Errorf("rank: no quasi-variances fit the %d items; use Var for each pair: %w", n, assay.ErrUnavailable)
}

// quasiLoss is the sum of squares, NaN when a pair's sum is not positive.
func (f *Fit) quasiLoss(scope []int, q []float64) float64 {
	total := 0.0
	for x, i := range scope {
		for y := range x {
			r := math.Log((q[x] + q[y]) / f.Var(i, scope[y]))
			total += r * r
		}
	}
	return total
}

func (f *Fit) quasiWorst(scope []int, q []float64) float64 {
	worst := 0.0
	for x, i := range scope {
		for y := range x {
			worst = math.Max(worst, math.Abs(math.Sqrt((q[x]+q[y])/f.Var(i, scope[y]))-1))
		}
	}
	return worst
}

// quasiStep solves the damped normal equations of the linearised problem.
func (f *Fit) quasiStep(scope []int, q []float64, damp float64) ([]float64, error) {
	n := len(scope)
	a, g := mat.NewSymDense(n, nil), mat.NewVecDense(n, nil)
	for x, i := range scope {
		for y := range x {
			s := q[x] + q[y]
			r, w := math.Log(s/f.Var(i, scope[y]))/s, 1/(s*s)
			a.SetSym(x, x, a.At(x, x)+w)
			a.SetSym(y, y, a.At(y, y)+w)
			a.SetSym(x, y, w)
			g.SetVec(x, g.AtVec(x)-r)
			g.SetVec(y, g.AtVec(y)-r)
		}
	}
	for x := range n {
		a.SetSym(x, x, a.At(x, x)*(1+damp))
	}
	var chol mat.Cholesky
	step := make([]float64, n)
	if !chol.Factorize(a) {
		return nil, fmt.Errorf("rank: quasi-variances of %d items: %w: %w", n, errSingular, assay.ErrUnavailable)
	}
	if err := chol.SolveVecTo(mat.NewVecDense(n, step), g); err != nil {
		return nil, fmt.Errorf("rank: quasi-variances of %d items: %w", n, err)
	}
	return step, nil
}
