package rank

import (
	"math"
	"math/rand/v2"
)

// A jointSystem is the information matrix of a joint model at its parameters, as
// what it does to a vector: it is never written out but in covariance.
type jointSystem struct {
	m      *jointModel
	locals []local
	blocks []orderBlock
	diag   []float64
}

func newJointSystem(m *jointModel) *jointSystem {
	return &jointSystem{m: m, locals: make([]local, len(m.votes)), blocks: make([]orderBlock, len(m.orders)), diag: make([]float64, m.size())}
}

// build evaluates all votes and orders at the model's parameters.
func (s *jointSystem) build() {
	m := s.m
	copy(s.diag, m.prec)
	for k := range m.votes {
		v := &m.votes[k]
		l := m.look(v)
		s.locals[k] = l
		s.addDiag(v, &l, v.w*v.g)
	}
	for k := range m.orders {
		s.blocks[k] = m.orderBlock(&m.orders[k])
		s.blocks[k].addDiag(s.diag, m)
	}
}

// level makes z what the preconditioner makes of r among vectors whose log
// reliabilities, where they are free, sum to 0: the typical rater is of
// reliability 1 by definition, see [jointModel.rescale].
func (s *jointSystem) level(r, z []float64) {
	m := s.m
	for k := range z {
		if z[k] = 0; !m.held[k] {
			z[k] = r[k] / s.diag[k]
		}
	}
	if !m.several() || m.held[m.at(0)] {
		return
	}
	var sum, weight float64
	for rater := range m.raters {
		at := m.at(int32(rater))
		sum, weight = sum+z[at], weight+1/s.diag[at]
	}
	for rater := range m.raters {
		at := m.at(int32(rater))
		r[at] -= sum / weight // what would tilt them all: taken off here, lest rounding bring it back
		z[at] = r[at] / s.diag[at]
	}
}

func (s *jointSystem) addDiag(v *jointVote, l *local, w float64) {
	m, g := s.m, s.m.global()
	dd := w * l.info[0]
	z := dd * l.eta * l.eta
	s.diag[v.i] += z
	s.diag[v.j] += z
	if v.ui >= 0 {
		s.diag[v.ui] += z
		s.diag[v.uj] += z
	}
	s.diag[g+1] += w * l.info[3]
	s.diag[g+2] += w * l.info[5]
	if v.sided {
		s.diag[g] += dd
	}
	if v.rater >= 0 {
		at := m.at(v.rater)
		s.diag[at] += z * l.diff * l.diff
		s.diag[at+2] += w * l.info[3]
		if v.sided {
			s.diag[at+1] += dd
		}
	}
}

// gradient is that of the log posterior.
func (s *jointSystem) gradient() []float64 {
	m := s.m
	out := make([]float64, m.size())
	for k := range m.votes {
		s.addScore(k, m.votes[k].w*m.votes[k].g, out)
	}
	for k := range m.orders {
		s.blocks[k].addScore(m, out)
	}
	for k, x := range m.x {
		if out[k] -= m.prec[k] * x; m.held[k] {
			out[k] = 0
		}
	}
	return out
}

// addScore adds w times the score of vote k to out.
func (s *jointSystem) addScore(k int, w float64, out []float64) {
	l := &s.locals[k]
	s.m.spread(&s.m.votes[k], l, [3]float64{w * l.score[0], w * l.score[1], w * l.score[2]}, out)
}

// times is the information matrix times x.
func (s *jointSystem) times(x, out []float64) {
	m := s.m
	for k := range out {
		out[k] = m.prec[k] * x[k]
	}
	for k := range m.votes {
		v, l := &m.votes[k], &s.locals[k]
		y := l.times(m.gather(v, l, x))
		w := v.w * v.g
		m.spread(v, l, [3]float64{w * y[0], w * y[1], w * y[2]}, out)
	}
	for k := range m.orders {
		s.blocks[k].times(m, x, out)
	}
	for k := range out {
		if m.held[k] {
			out[k] = 0
		}
	}
}

func (s *jointSystem) norm(x []float64) (largest float64) {
	for _, v := range x {
		largest = max(largest, math.Abs(v))
	}
	return largest
}

// solve returns the x whose image is b, by conjugate gradients preconditioned by
// the diagonal. What is held stays 0.
func (s *jointSystem) solve(b []float64) []float64 { return s.solveTo(b, 1e-9) }

// solveTo is solve up to a residual of tol, against that of b.
func (s *jointSystem) solveTo(b []float64, tol float64) []float64 {
	n := len(b)
	x, r, z, p, q := make([]float64, n), append([]float64(nil), b...), make([]float64, n), make([]float64, n), make([]float64, n)
	s.level(r, z)
	copy(p, z)
	rz := dot(r, z)
	stop := rz * tol * tol
	for range 4*n + 100 {
		if rz <= stop || rz == 0 {
			break
		}
		s.times(p, q)
		pq := dot(p, q)
		if pq <= 0 { // rounding: nothing more to gain
			break
		}
		a := rz / pq
		for k := range x {
			x[k] += a * p[k]
			r[k] -= a * q[k]
		}
		s.level(r, z)
		next := dot(r, z)
		b := next / rz
		for k := range p {
			p[k] = z[k] + b*p[k]
		}
		rz = next
	}
	return x
}

func dot(a, b []float64) (sum float64) {
	for k, v := range a {
		sum += v * b[k]
	}
	return sum
}

// ownSpread is the EM update of the spread of raters' own strengths: the mean of
// their squares and posterior variances. The sum of the variances is estimated by
// Hutchinson's method, with signs from a fixed seed.
func (m *jointModel) ownSpread(s *jointSystem) float64 {
	const probes = 4
	s.build()
	first, last := m.n, m.n+len(m.own)
	var sum float64
	for _, u := range m.x[first:last] {
		sum += u * u
	}
	rng := rand.New(rand.NewPCG(1, 2))
	z := make([]float64, m.size())
	for range probes {
		for k := first; k < last; k++ {
			z[k] = float64(2*rng.IntN(2) - 1)
		}
		x := s.solve(z)
		for k := first; k < last; k++ {
			sum += z[k] * x[k] / probes
		}
	}
	return math.Sqrt(sum / float64(last-first))
}
