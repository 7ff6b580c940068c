package taste

import (
	"context"
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"
)

// A prior holds the variances of the columns: of what people have in common,
// and of how far each departs from it. A column whose dev is 0 nobody departs in.
type prior struct {
	pop, dev []float64
}

// tieVariance is the prior variance of log ν about 0, at which a tie between
// equals is as likely as half of their wins and losses: wide.
const tieVariance = 4

// A system is the likelihood of some rows, by rater.
type system struct {
	rows   [][]row // by rater; some may be empty
	cols   int
	ties   bool  // whether log ν is estimated; without ties there is none
	locals []int // columns in which raters depart
}

func newSystem(rows []row, cols, raters int) *system {
	s := &system{rows: make([][]row, raters), cols: cols}
	for _, r := range rows {
		s.rows[r.rater] = append(s.rows[r.rater], r)
		s.ties = s.ties || r.y == 0
	}
	return s
}

// A point is a place in the space of parameters.
type point struct {
	pop []float64   // by column, then log ν
	dev [][]float64 // by rater and column
}

func (s *system) origin() point {
	p := point{pop: make([]float64, s.cols+1), dev: make([][]float64, len(s.rows))}
	for r := range p.dev {
		p.dev[r] = make([]float64, s.cols)
	}
	return p
}

func (p point) clone() point {
	q := point{pop: append([]float64(nil), p.pop...), dev: make([][]float64, len(p.dev))}
	for r := range p.dev {
		q.dev[r] = append([]float64(nil), p.dev[r]...)
	}
	return q
}

// weights returns the columns' weights for one rater.
func (p point) weights(rater, cols int) []float64 {
	w := append([]float64(nil), p.pop[:cols]...)
	for k, v := range p.dev[rater] {
		w[k] += v
	}
	return w
}

// A posterior is the most probable point and the curvature there.
type posterior struct {
	point
	evidence float64 // ln of the marginal likelihood, by Laplace's approximation
	arrow    *arrow
}

// maximise climbs from the given point to the most probable one. The
// log-posterior is concave, so there is one.
func (s *system) maximise(ctx context.Context, pr prior, from point) (posterior, error) {
	s.locals = s.locals[:0]
	for k, v := range pr.dev {
		if v > 0 {
			s.locals = append(s.locals, k)
		}
	}
	at := from.clone()
	for r := range at.dev {
		for k := range at.dev[r] {
			if pr.dev[k] == 0 {
				at.dev[r][k] = 0
			}
		}
	}
	value := s.value(at, pr)
	for range 60 {
		if err := ctx.Err(); err != nil {
			return posterior{}, err
		}
		a, err := s.curvature(at, pr)
		if err != nil {
			return posterior{}, err
		}
		step, decrement := a.solve()
		if decrement < 1e-9*(1+math.Abs(value)) {
			return posterior{at, value - a.logDet()/2, a}, nil
		}
		shrink := 1.0
		for ; shrink > 1e-8; shrink /= 2 {
			next := at.moved(step, shrink)
			if v := s.value(next, pr); v > value {
				at, value = next, v
				break
			}
		}
		if shrink <= 1e-8 { // no way up that arithmetic can see
			return posterior{at, value - a.logDet()/2, a}, nil
		}
	}
	return posterior{}, errors.New("taste: the reward did not converge in 60 steps")
}

func (p point) moved(step point, by float64) point {
	q := p.clone()
	for k, v := range step.pop {
		q.pop[k] += by * v
	}
	for r := range step.dev {
		for k, v := range step.dev[r] {
			q.dev[r][k] += by * v
		}
	}
	return q
}

// chances returns ln Z and the probabilities of left, right and a tie at a
// difference d of strengths.
func (s *system) chances(d, logNu float64) (logZ, left, right, tie float64) {
	m := math.Abs(d) / 2
	z := 1 + math.Exp(-2*m)
	if s.ties {
		z += math.Exp(logNu - m)
		tie = math.Exp(logNu - m)
	}
	left, right = math.Exp(d/2-m)/z, math.Exp(-d/2-m)/z
	return m + math.Log(z), left, right, tie / z
}

// value returns the log-likelihood and the log-prior with what normalises it,
// up to a constant.
func (s *system) value(p point, pr prior) float64 {
	sum := 0.0
	for r, rows := range s.rows {
		w := p.weights(r, s.cols)
		for _, row := range rows {
			d := dot(row.z, w)
			logZ, _, _, _ := s.chances(d, p.pop[s.cols])
			sum -= logZ
			if row.y == 0 {
				sum += p.pop[s.cols]
			} else {
				sum += row.y * d / 2
			}
		}
		if len(rows) == 0 {
			continue
		}
		for _, k := range s.locals {
			sum -= (p.dev[r][k]*p.dev[r][k]/pr.dev[k] + math.Log(pr.dev[k])) / 2
		}
	}
	for k, v := range pr.pop {
		sum -= (p.pop[k]*p.pop[k]/v + math.Log(v)) / 2
	}
	if s.ties {
		sum -= p.pop[s.cols] * p.pop[s.cols] / tieVariance / 2
	}
	return sum
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, x := range a {
		sum += x * b[i]
	}
	return sum
}

// An arrow is the curvature of the log-posterior, whose matrix has the shape of
// one: what people have in common touches everything, each rater's departures
// only themselves and that.
type arrow struct {
	s      *system
	grad   point
	common mat.Cholesky    // of what is left of the common block when the raters are eliminated
	own    []*mat.Cholesky // of each rater's block; nil of one without rows
	cross  []*mat.Dense    // of each rater: own⁻¹ times the block that touches what is common
	grads  []float64       // of the common block, with the raters eliminated
}

// curvature computes gradient and curvature at a point.
func (s *system) curvature(p point, pr prior) (*arrow, error) {
	n := s.cols
	if s.ties {
		n++
	}
	a := &arrow{s: s, grad: s.origin(), own: make([]*mat.Cholesky, len(s.rows)), cross: make([]*mat.Dense, len(s.rows))}
	common := make([]float64, n*n)
	for r, rows := range s.rows {
		if len(rows) == 0 {
			continue
		}
		block := s.block(p, r, a, n)
		for i, v := range block {
			common[i] += v
		}
		if len(s.locals) > 0 {
			if err := a.eliminate(p, pr, r, block, common, n); err != nil {
				return nil, err
			}
		}
	}
	for k, v := range pr.pop {
		a.grad.pop[k] -= p.pop[k] / v
		common[k*n+k] += 1 / v
	}
	if s.ties {
		a.grad.pop[s.cols] -= p.pop[s.cols] / tieVariance
		common[n*n-1] += 1 / tieVariance
	}
	if !a.common.Factorize(mat.NewSymDense(n, common)) {
		return nil, errors.New("taste: the curvature of the reward is not positive")
	}
	a.grads = append([]float64(nil), a.grad.pop[:n]...)
	for r, cross := range a.cross {
		if cross == nil {
			continue
		}
		for j, k := range s.locals {
			for i := range n {
				a.grads[i] -= cross.At(j, i) * a.grad.dev[r][k]
			}
		}
	}
	return a, nil
}

// block returns the curvature of one rater's rows over the columns and log ν,
// all of it, and adds to the gradient.
func (s *system) block(p point, r int, a *arrow, n int) []float64 {
	out := make([]float64, n*n)
	w := p.weights(r, s.cols)
	for _, row := range s.rows[r] {
		_, left, right, tie := s.chances(dot(row.z, w), p.pop[s.cols])
		lean := left - right
		g, h := (row.y-lean)/2, (left+right-lean*lean)/4
		for i, x := range row.z {
			if x == 0 {
				continue
			}
			a.grad.pop[i] += g * x
			a.grad.dev[r][i] += g * x
			hx := h * x
			line := out[i*n : i*n+i+1]
			for j := range line {
				line[j] += hx * row.z[j]
			}
			if s.ties {
				out[(n-1)*n+i] -= tie * lean / 2 * x
			}
		}
		if s.ties {
			if row.y == 0 {
				a.grad.pop[s.cols]++
			}
			a.grad.pop[s.cols] -= tie
			out[n*n-1] += tie * (1 - tie)
		}
	}
	for i := range n {
		for j := range i {
			out[j*n+i] = out[i*n+j]
		}
	}
	return out
}

// eliminate takes one rater's departures out of the common block.
func (a *arrow) eliminate(p point, pr prior, r int, block, common []float64, n int) error {
	m := len(a.s.locals)
	own, touch := mat.NewSymDense(m, nil), mat.NewDense(m, n, nil)
	for i, k := range a.s.locals {
		a.grad.dev[r][k] -= p.dev[r][k] / pr.dev[k]
		for j, l := range a.s.locals[:i+1] {
			own.SetSym(i, j, block[k*n+l])
		}
		own.SetSym(i, i, own.At(i, i)+1/pr.dev[k])
		touch.SetRow(i, block[k*n:k*n+n])
	}
	a.own[r], a.cross[r] = &mat.Cholesky{}, &mat.Dense{}
	if !a.own[r].Factorize(own) {
		return errors.New("taste: the curvature of a rater is not positive")
	}
	if err := a.own[r].SolveTo(a.cross[r], touch); err != nil {
		return err
	}
	var less mat.Dense
	less.Mul(touch.T(), a.cross[r])
	for i := range n {
		for j := range n {
			common[i*n+j] -= (less.At(i, j) + less.At(j, i)) / 2
		}
	}
	return nil
}

// solve returns Newton's step, and how much it promises to gain.
func (a *arrow) solve() (step point, decrement float64) {
	step = a.s.origin()
	var x mat.VecDense
	if err := a.common.SolveVecTo(&x, mat.NewVecDense(len(a.grads), a.grads)); err != nil {
		return step, 0
	}
	for i := range a.grads {
		step.pop[i] = x.AtVec(i)
		decrement += step.pop[i] * a.grad.pop[i] / 2
	}
	for r, own := range a.own {
		if own == nil {
			continue
		}
		g := make([]float64, len(a.s.locals))
		for j, k := range a.s.locals {
			g[j] = a.grad.dev[r][k]
		}
		var y mat.VecDense
		if err := own.SolveVecTo(&y, mat.NewVecDense(len(g), g)); err != nil {
			return step, 0
		}
		for j, k := range a.s.locals {
			v := y.AtVec(j)
			for i := range a.grads {
				v -= a.cross[r].At(j, i) * step.pop[i]
			}
			step.dev[r][k] = v
			decrement += v * a.grad.dev[r][k] / 2
		}
	}
	return step, decrement
}

// logDet returns the logarithm of the determinant of the curvature.
func (a *arrow) logDet() float64 {
	sum := a.common.LogDet()
	for _, own := range a.own {
		if own != nil {
			sum += own.LogDet()
		}
	}
	return sum
}

// covariance returns the posterior covariance of one rater's weights of the
// columns. A rater without rows departs by the prior.
func (a *arrow) covariance(pr prior, rater int) (*mat.SymDense, error) {
	var common mat.SymDense
	if err := a.common.InverseTo(&common); err != nil {
		return nil, err
	}
	c, n := a.s.cols, common.SymmetricDim()
	m := mat.NewDense(c, n, nil) // the weights' share in what is common
	for k := range c {
		m.Set(k, k, 1)
	}
	out := mat.NewSymDense(c, nil)
	if a.own[rater] != nil {
		var own mat.SymDense
		if err := a.own[rater].InverseTo(&own); err != nil {
			return nil, err
		}
		for j, k := range a.s.locals {
			for i := range n {
				m.Set(k, i, m.At(k, i)-a.cross[rater].At(j, i))
			}
			for i, l := range a.s.locals[:j+1] {
				out.SetSym(k, l, own.At(j, i))
			}
		}
	} else {
		for k, v := range pr.dev {
			out.SetSym(k, k, v)
		}
	}
	var left, all mat.Dense
	left.Mul(m, &common)
	all.Mul(&left, m.T())
	for i := range c {
		for j := range i + 1 {
			out.SetSym(i, j, out.At(i, j)+(all.At(i, j)+all.At(j, i))/2)
		}
	}
	return out, nil
}
