package rank

import (
	"context"
	"errors"
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

const (
	// direct is the number of items up to which Newton's step is solved by
	// Cholesky; beyond it conjugate gradients are faster even on dense rows.
	direct = 300
	// stepTol is the residual at which conjugate gradients stop within a Newton
	// step: the error of the step is then far below the step itself.
	stepTol = 1e-6
	// farOff is the size of log nu or of a side effect, in logits, beyond which
	// it is taken to have no finite estimate: odds of e^25 need more votes than
	// there are.
	farOff = 25
)

// errRunaway reports that log nu or the side effect has no finite estimate.
var errRunaway = errors.New("an extra parameter has no finite estimate")

// A path says how Newton's method went.
type path struct {
	iterations int
	last       float64 // largest change in the last step, logits
	moments    moments // at the end
}

// newton maximises the penalised log-likelihood from x, which it overwrites,
// by Newton's method with a halving line search. At the end the curvature is
// that at x.
func (s *system) newton(ctx context.Context, x []float64, opt Options) (path, error) {
	g, step, trial := make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x))
	p := path{last: math.Inf(1)}
	p.moments = s.evaluate(x)
	s.gather(x, g, p.moments)
	for p.iterations < opt.MaxIter {
		if ctx.Err() != nil {
			return p, context.Cause(ctx)
		}
		if err := s.step(step, g, opt); err != nil {
			if s.extras() > 0 {
				return p, errRunaway
			}
			return p, err
		}
		s.project(step)
		p.iterations++
		value := p.moments.loglik + s.penalty(x)
		// Rounding in the sum over rows may hide the last gains.
		slack := 1e-12 * (1 + math.Abs(value))
		scale := 1.0
		for {
			copy(trial, x)
			floats.AddScaled(trial, scale, step)
			p.moments = s.evaluate(trial)
			if p.moments.loglik+s.penalty(trial) >= value-slack || scale < 1e-12 {
				break
			}
			scale /= 2
		}
		copy(x, trial)
		s.gather(x, g, p.moments)
		p.last = scale * floats.Norm(step, math.Inf(1))
		for _, v := range x[s.n:] {
			if !(math.Abs(v) < farOff) {
				return p, errRunaway
			}
		}
		if p.last <= opt.Tol {
			break
		}
	}
	return p, nil
}

// step solves the Newton equation at the gathered curvature.
func (s *system) step(step, g []float64, opt Options) error {
	if s.n > direct {
		err := s.bordered(step, g, func(x, b []float64) bool { return s.conjugate(x, b, stepTol) })
		if err == nil || s.n > opt.Dense {
			return err
		}
		// Badly conditioned, but small enough for elimination.
	}
	chol, err := s.dense()
	if err != nil {
		return err
	}
	return chol.SolveVecTo(mat.NewVecDense(len(step), step), mat.NewVecDense(len(g), g))
}
