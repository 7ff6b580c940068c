package rank

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/gen-emerge/assay"
)

// A GradedVote says by how much one item is preferred to another.
type GradedVote struct {
	Left, Right int
	Grade       float64 // −1 (left, as decidedly as can be) … +1 (right)
	Weight      float64 // multiplies the log-likelihood; 0 means 1
}

// A GradeLaw is the distribution of grades between two equal items.
type GradeLaw uint8

// The laws: a slider, whose grades are uniform on [−1,1]; five buttons, at −1, −½,
// 0, ½ and 1; two buttons, which is Bradley and Terry's model of twice the
// difference.
const (
	Slider GradeLaw = iota
	FiveButtons
	TwoButtons
)

// EstimateGraded fits the generalised Bradley–Terry model of graded comparisons
// (Fageot, Farhadkhani, Hoang and Villemaud, AAAI 2024): a grade r has density in
// proportion to f(r)·e^{r·d}, f being the law and d the difference right − left,
// and each strength is normal with mean 0 and standard deviation sd. It returns
// the maximum of the posterior and the Laplace standard errors. Grades outside
// [−1,1], weights and items as in [Estimate], and an sd that is not above 0 are
// errors wrapping [assay.ErrInvalid]. It uses n² memory.
func EstimateGraded(ctx context.Context, n int, votes []GradedVote, law GradeLaw, sd float64) (strength, stdErr []float64, err error) {
	if !(sd > 0) || math.IsInf(sd, 0) || law > TwoButtons || n < 1 || n > 4000 {
		return nil, nil, fmt.Errorf("rank: graded votes on %d items, prior sd %g, law %d: want 1 to 4000 items, an sd above 0 and a known law: %w", n, sd, law, assay.ErrInvalid)
	}
	for k, v := range votes {
		if !(v.Grade >= -1 && v.Grade <= 1) || !(v.Weight >= 0 && v.Weight <= maxWeight) ||
			v.Left < 0 || v.Left >= n || v.Right < 0 || v.Right >= n || v.Left == v.Right {
			return nil, nil, fmt.Errorf("rank: graded vote %d: %+v: want two of %d items, a grade from -1 to 1 and a weight that is not negative: %w", k, v, n, assay.ErrInvalid)
		}
	}
	x := mat.NewVecDense(n, nil)
	for range 200 {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		grad, info := gradedSystem(x, votes, law, sd)
		var chol mat.Cholesky
		if !chol.Factorize(info) {
			return nil, nil, fmt.Errorf("rank: the information of graded votes is not positive: %w", assay.ErrUnavailable)
		}
		var step mat.VecDense
		if err := chol.SolveVecTo(&step, grad); err != nil {
			return nil, nil, fmt.Errorf("rank: graded votes: %w: %w", err, assay.ErrUnavailable)
		}
		// The curvature falls off with distance: a step of more than 2 may overshoot.
		largest := mat.Norm(&step, math.Inf(1))
		x.AddScaledVec(x, min(1, 2/largest), &step)
		if largest < 1e-11 {
			var inverse mat.SymDense
			if err := chol.InverseTo(&inverse); err != nil {
				return nil, nil, fmt.Errorf("rank: graded votes: %w: %w", err, assay.ErrUnavailable)
			}
			for i := range n {
				strength, stdErr = append(strength, x.AtVec(i)), append(stdErr, math.Sqrt(inverse.At(i, i)))
			}
			return strength, stdErr, nil
		}
	}
	return nil, nil, fmt.Errorf("rank: graded votes did not settle: %w", assay.ErrUnavailable)
}

func gradedSystem(x *mat.VecDense, votes []GradedVote, law GradeLaw, sd float64) (*mat.VecDense, *mat.SymDense) {
	n := x.Len()
	grad, info := mat.NewVecDense(n, nil), mat.NewSymDense(n, nil)
	for i := range n {
		grad.SetVec(i, -x.AtVec(i)/(sd*sd))
		info.SetSym(i, i, 1/(sd*sd))
	}
	for _, v := range votes {
		w := v.Weight
		if w == 0 {
			w = 1
		}
		mean, variance := law.moments(x.AtVec(v.Right) - x.AtVec(v.Left))
		g, h := w*(v.Grade-mean), w*variance
		grad.SetVec(v.Right, grad.AtVec(v.Right)+g)
		grad.SetVec(v.Left, grad.AtVec(v.Left)-g)
		info.SetSym(v.Right, v.Right, info.At(v.Right, v.Right)+h)
		info.SetSym(v.Left, v.Left, info.At(v.Left, v.Left)+h)
		info.SetSym(v.Left, v.Right, info.At(v.Left, v.Right)-h)
	}
	return grad, info
}

// moments are the mean and variance of a grade at the difference d.
func (law GradeLaw) moments(d float64) (mean, variance float64) {
	switch law {
	case TwoButtons:
		t := math.Tanh(d)
		return t, 1 - t*t
	case FiveButtons:
		var sum, first, second float64
		for _, r := range []float64{-1, -0.5, 0, 0.5, 1} {
			w := math.Exp(r*d - math.Abs(d))
			sum, first, second = sum+w, first+w*r, second+w*r*r
		}
		mean = first / sum
		return mean, second/sum - mean*mean
	}
	if math.Abs(d) < 1e-3 { // series: the terms of the closed form cancel
		return d / 3 * (1 - d*d/15), 1.0/3 - d*d/15
	}
	sinh := math.Sinh(d)
	variance = 1 / (d * d)
	if !math.IsInf(sinh, 0) {
		variance -= 1 / (sinh * sinh)
	}
	return 1/math.Tanh(d) - 1/d, variance
}
