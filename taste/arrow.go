package taste

import (
	"errors"

	"gonum.org/v1/gonum/mat"
)

// An arrow is the curvature of the log-posterior, whose matrix has the shape of
// one: what people have in common touches everything, what is one rater's own
// (departures, then residuals of items) only itself and that.
type arrow struct {
	s      *system
	grad   point
	grads  []float64       // of the common block, with the raters eliminated
	common mat.Cholesky    // of what is left of the common block
	own    []*mat.Cholesky // of each rater's block; nil of one without rows
	cross  []*mat.Dense    // of each rater: own⁻¹ times the block that touches what is common
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
		block := s.block(p, pr, r, a, n)
		for i, v := range block.common {
			common[i] += v
		}
		if err := a.eliminate(r, block, common, n); err != nil {
			return nil, err
		}
	}
	for k, v := range pr.pop {
		a.grad.pop[k] -= p.pop[k] / v
		common[k*n+k] += 1 / v
	}
	if s.ties {
		a.grad.pop[s.cols] -= p.pop[s.cols] / tieVariance
		common[n*n-1] += 1.0 / tieVariance
	}
	if !a.common.Factorize(mat.NewSymDense(n, common)) {
		return nil, errors.New("taste: the curvature of the reward is not positive")
	}
	a.grads = append([]float64(nil), a.grad.pop[:n]...)
	for r, cross := range a.cross {
		if cross == nil {
			continue
		}
		for j, g := range a.local(r) {
			for i, x := range cross.RawRowView(j) {
				a.grads[i] -= x * g
			}
		}
	}
	return a, nil
}

// local returns the gradient of one rater's own parameters.
func (a *arrow) local(r int) []float64 {
	var out []float64
	for _, k := range a.s.locals {
		out = append(out, a.grad.dev[r][k])
	}
	return append(out, a.grad.item[r]...)
}

// A block is what one rater's rows add to the curvature.
type block struct {
	common []float64 // n×n, the columns and log ν
	touch  []float64 // size×n, the rater's own and these
	own    []float64 // size×size, the upper triangle
	n      int
	size   int
}

// add adds to the curvature between two of the rater's own parameters.
func (b block) add(i, j int, h float64) { b.own[min(i, j)*b.size+max(i, j)] += h }

// block returns the curvature of one rater's rows, and adds to the gradient.
func (s *system) block(p point, pr prior, r int, a *arrow, n int) block {
	m := len(s.locals)
	size := m + len(s.items[r])
	b := block{make([]float64, n*n), make([]float64, size*n), make([]float64, size*size), n, size}
	w := p.weights(r, s.cols)
	for k, row := range s.rows[r] {
		_, left, right, tie := s.chances(s.difference(p, w, r, k), p.pop[s.cols])
		lean := left - right
		g, h := (row.y-lean)/2, (left+right-lean*lean)/4
		slant := 0.0 // curvature between the difference and log ν
		if s.ties {
			slant = -tie * lean / 2
			b.common[n*n-1] += tie * (1 - tie)
			a.grad.pop[s.cols] -= tie
			if row.y == 0 {
				a.grad.pop[s.cols]++
			}
		}
		for i, x := range row.z {
			if x == 0 {
				continue
			}
			a.grad.pop[i] += g * x
			a.grad.dev[r][i] += g * x
			line, hx := b.common[i*n:i*n+i+1], h*x
			for j := range line {
				line[j] += hx * row.z[j]
			}
			if s.ties {
				b.common[(n-1)*n+i] += slant * x
			}
		}
		b.item(m+s.seats[r][k].left, 1, h, slant, row.z, s.ties)
		a.grad.item[r][s.seats[r][k].left] += g
		if at := s.seats[r][k].right; at >= 0 {
			b.item(m+at, -1, h, slant, row.z, s.ties)
			a.grad.item[r][at] -= g
			b.add(m+s.seats[r][k].left, m+at, -h)
		}
	}
	for i := range n {
		for j := range i {
			b.common[j*n+i] = b.common[i*n+j]
		}
	}
	b.finish(s.locals)
	s.shrink(p, pr, r, a, b)
	return b
}

// item adds what a row says of one of its items.
func (b block) item(at int, sign, h, slant float64, z []float64, ties bool) {
	b.add(at, at, h)
	line := b.touch[at*b.n : (at+1)*b.n]
	for i, x := range z {
		line[i] += sign * h * x
	}
	if ties {
		line[b.n-1] += sign * slant
	}
}

// finish fills in the departures, which touch what the columns touch.
func (b block) finish(locals []int) {
	n := b.n
	for i, k := range locals {
		copy(b.touch[i*n:], b.common[k*n:k*n+n])
		for j, l := range locals[:i+1] {
			b.add(i, j, b.common[k*n+l])
		}
		for j := len(locals); j < b.size; j++ {
			b.add(i, j, b.touch[j*n+k])
		}
	}
}

// shrink adds the prior of what is a rater's own.
func (s *system) shrink(p point, pr prior, r int, a *arrow, b block) {
	m := len(s.locals)
	for i, k := range s.locals {
		a.grad.dev[r][k] -= p.dev[r][k] / pr.dev[k]
		b.add(i, i, 1/pr.dev[k])
	}
	for j, e := range p.item[r] {
		a.grad.item[r][j] -= e / pr.residual
		b.add(m+j, m+j, 1/pr.residual)
	}
}

// eliminate takes what is one rater's own out of the common block.
func (a *arrow) eliminate(r int, b block, common []float64, n int) error {
	a.own[r], a.cross[r] = &mat.Cholesky{}, &mat.Dense{}
	if !a.own[r].Factorize(mat.NewSymDense(b.size, b.own)) {
		return errors.New("taste: the curvature of a rater is not positive")
	}
	touch := mat.NewDense(b.size, b.n, b.touch)
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
	m := len(a.s.locals)
	for r, own := range a.own {
		if own == nil {
			continue
		}
		g := a.local(r)
		var y mat.VecDense
		if err := own.SolveVecTo(&y, mat.NewVecDense(len(g), g)); err != nil {
			return step, 0
		}
		for j := range g {
			v := y.AtVec(j) - dot(a.cross[r].RawRowView(j), step.pop[:len(a.grads)])
			decrement += v * g[j] / 2
			if j < m {
				step.dev[r][a.s.locals[j]] = v
			} else {
				step.item[r][j-m] = v
			}
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
// columns, then of the residuals of the items that they judged. A rater without
// rows departs by the prior.
func (a *arrow) covariance(pr prior, rater int) (*mat.SymDense, error) {
	var common mat.SymDense
	if err := a.common.InverseTo(&common); err != nil {
		return nil, err
	}
	c, n, m := a.s.cols, common.SymmetricDim(), len(a.s.locals)
	size := c + len(a.s.items[rater])
	share := mat.NewDense(size, n, nil) // of each in what is common
	for k := range c {
		share.Set(k, k, 1)
	}
	out := mat.NewSymDense(size, nil)
	if a.own[rater] == nil {
		for k, v := range pr.dev {
			out.SetSym(k, k, v)
		}
	} else {
		var own mat.SymDense
		if err := a.own[rater].InverseTo(&own); err != nil {
			return nil, err
		}
		to := func(j int) int { // where a parameter of the rater's block stands
			if j < m {
				return a.s.locals[j]
			}
			return c + j - m
		}
		for j := range own.SymmetricDim() {
			for i := range n {
				share.Set(to(j), i, share.At(to(j), i)-a.cross[rater].At(j, i))
			}
			for i := range j + 1 {
				out.SetSym(to(j), to(i), own.At(j, i))
			}
		}
	}
	var left, all mat.Dense
	left.Mul(share, &common)
	all.Mul(&left, share.T())
	for i := range size {
		for j := range i + 1 {
			out.SetSym(i, j, out.At(i, j)+(all.At(i, j)+all.At(j, i))/2)
		}
	}
	return out, nil
}
