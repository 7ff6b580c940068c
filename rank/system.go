package rank

import (
	"math"
	"sync"
)

// chunk is the number of rows that one goroutine takes at a time. Partial sums
// are kept for each chunk and added in order, so that results do not depend on
// the number of goroutines.
const chunk = 1 << 13

// A system is the penalised log-likelihood of the rows, its gradient and its
// curvature. Parameters are the n strengths, then log nu if ties are modelled,
// then the side effect if it is fitted. After setup only evaluate and gather
// write to it.
type system struct {
	n     int
	rows  *rows
	alpha float64 // inverse variance of the prior; 0 under maximum likelihood
	// comp numbers the component of each item under maximum likelihood, within
	// which strengths sum to zero; nil with a prior.
	comp    []int
	groups  [][]int // members of comp
	tie     int     // index of log nu, or -1
	side    int     // index of the side effect, or -1
	workers int

	// The rows that touch item i are begin[i] to begin[i+1]: the other item, and
	// the row's number with its sign in the lowest bit (1 where i is its b).
	begin []int
	other []int32
	ref   []int32

	// Filled by evaluate, one for each row: the score in d, the curvature in d,
	// and the curvature between d and log nu.
	u, h, c []float64
	// Filled by gather. The curvature of the strengths is diag on the diagonal
	// and -off elsewhere; border and corner complete it.
	diag   []float64
	off    []float64
	border [][]float64 // one column of length n for each extra parameter
	corner [2][2]float64
}

// extras is the number of parameters beside the strengths.
func (s *system) extras() int { return len(s.border) }

func newSystem(n int, r *rows, alpha float64, comp []int, tie, side bool, workers int) *system {
	s := &system{n: n, rows: r, alpha: alpha, comp: comp, tie: -1, side: -1, workers: workers}
	if comp != nil {
		s.groups = members(comp)
	}
	if tie {
		s.tie = n + len(s.border)
		s.border = append(s.border, make([]float64, n))
		s.c = make([]float64, r.len())
	}
	if side {
		s.side = n + len(s.border)
		s.border = append(s.border, make([]float64, n))
	}
	s.u, s.h = make([]float64, r.len()), make([]float64, r.len())
	s.diag, s.off = make([]float64, n), make([]float64, 2*r.len())
	s.begin = make([]int, n+2)
	for k := range r.a {
		s.begin[r.a[k]+2]++
		s.begin[r.b[k]+2]++
	}
	for i := 2; i < len(s.begin); i++ {
		s.begin[i] += s.begin[i-1]
	}
	s.other, s.ref = make([]int32, 2*r.len()), make([]int32, 2*r.len())
	put := func(i, j, ref int32) {
		at := s.begin[i+1]
		s.begin[i+1]++
		s.other[at], s.ref[at] = j, ref
	}
	for k := range r.a {
		put(r.a[k], r.b[k], int32(k)<<1)
		put(r.b[k], r.a[k], int32(k)<<1|1)
	}
	s.begin = s.begin[:n+1]
	return s
}

// parallel calls f for each chunk of n things, at most workers at a time, and
// returns when all are done.
func (s *system) parallel(n int, f func(id, lo, hi int)) {
	chunks := (n + chunk - 1) / chunk
	workers := min(s.workers, chunks)
	if workers <= 1 {
		for id := range chunks {
			f(id, id*chunk, min(n, (id+1)*chunk))
		}
		return
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for id := w; id < chunks; id += workers {
				f(id, id*chunk, min(n, (id+1)*chunk))
			}
		})
	}
	wg.Wait()
}

// moments are sums over rows that evaluate returns.
type moments struct {
	loglik     float64 // without the prior
	tie, side  float64 // scores of the extra parameters
	tt, ss, ts float64 // their curvature
	_          [2]float64
}

func (m *moments) add(o moments) {
	m.loglik += o.loglik
	m.tie, m.side = m.tie+o.tie, m.side+o.side
	m.tt, m.ss, m.ts = m.tt+o.tt, m.ss+o.ss, m.ts+o.ts
}

// chances are the probabilities that the first item of a row wins, loses and
// ties, given d and log nu (-Inf where ties are not modelled), and the log of
// their normaliser.
func chances(d, logNu float64) (win, lose, tie, logZ float64) {
	top := max(math.Abs(d)/2, logNu)
	win, lose, tie = math.Exp(d/2-top), math.Exp(-d/2-top), math.Exp(logNu-top)
	z := win + lose + tie
	return win / z, lose / z, tie / z, top + math.Log(z)
}

// evaluate fills u, h and c for the parameters x and returns the sums.
func (s *system) evaluate(x []float64) moments {
	r := s.rows
	logNu, delta := math.Inf(-1), 0.0
	if s.tie >= 0 {
		logNu = x[s.tie]
	}
	if s.side >= 0 {
		delta = x[s.side]
	}
	part := make([]moments, (r.len()+chunk-1)/chunk)
	s.parallel(r.len(), func(id, lo, hi int) {
		var m moments
		for k := lo; k < hi; k++ {
			d, sided := x[r.a[k]]-x[r.b[k]], 0.0
			if s.side >= 0 {
				sided = r.side[k]
				d += delta * sided
			}
			n := r.w[k] + r.l[k] + r.t[k]
			p, q, tau, logZ := chances(d, logNu)
			u := (r.w[k] - r.l[k] - n*(p-q)) / 2
			h := n * ((p+q)/4 - (p-q)*(p-q)/4)
			s.u[k], s.h[k] = u, h
			m.loglik += (r.w[k]-r.l[k])*d/2 - n*logZ
			m.side += sided * u
			m.ss += sided * h
			if s.tie >= 0 {
				c := -n * tau * (p - q) / 2
				s.c[k] = c
				m.loglik += r.t[k] * logNu
				m.tie += r.t[k] - n*tau
				m.tt += n * tau * (1 - tau)
				m.ts += sided * c
			}
		}
		part[id] = m
	})
	var total moments
	for _, m := range part {
		total.add(m)
	}
	return total
}

// gather turns what evaluate left into the gradient of the penalised
// log-likelihood at x, which it writes to g, and the curvature.
func (s *system) gather(x, g []float64, m moments) {
	s.parallel(s.n, func(_, lo, hi int) {
		for i := lo; i < hi; i++ {
			s.gatherItem(i, x, g)
		}
	})
	s.corner = [2][2]float64{}
	if s.tie >= 0 {
		g[s.tie] = m.tie
		s.corner[s.tie-s.n][s.tie-s.n] = m.tt
	}
	if s.side >= 0 {
		g[s.side] = m.side
		s.corner[s.side-s.n][s.side-s.n] = m.ss
	}
	if s.tie >= 0 && s.side >= 0 {
		s.corner[0][1], s.corner[1][0] = m.ts, m.ts
	}
}

func (s *system) gatherItem(i int, x, g []float64) {
	score, curve, cross, sided := 0.0, 0.0, 0.0, 0.0
	for at := s.begin[i]; at < s.begin[i+1]; at++ {
		k := s.ref[at] >> 1
		sign := 1 - 2*float64(s.ref[at]&1)
		score += sign * s.u[k]
		curve += s.h[k]
		s.off[at] = s.h[k]
		if s.tie >= 0 {
			cross += sign * s.c[k]
		}
		if s.side >= 0 {
			sided += sign * s.h[k] * s.rows.side[k]
		}
	}
	g[i] = score - s.alpha*x[i]
	s.diag[i] = curve + s.alpha
	if s.tie >= 0 {
		s.border[s.tie-s.n][i] = cross
	}
	if s.side >= 0 {
		s.border[s.side-s.n][i] = sided
	}
}

// penalty is the prior's part of the penalised log-likelihood.
func (s *system) penalty(x []float64) float64 {
	if s.alpha == 0 {
		return 0
	}
	ss := 0.0
	for _, v := range x[:s.n] {
		ss += v * v
	}
	return -s.alpha / 2 * ss
}

// project moves the strengths of each component to mean zero under maximum
// likelihood, where only differences within a component are known.
func (s *system) project(x []float64) {
	for _, group := range s.groups {
		mean := 0.0
		for _, i := range group {
			mean += x[i]
		}
		mean /= float64(len(group))
		for _, i := range group {
			x[i] -= mean
		}
	}
}

// multiply writes the curvature of the strengths times x to y.
func (s *system) multiply(y, x []float64) {
	s.parallel(s.n, func(_, lo, hi int) {
		for i := lo; i < hi; i++ {
			begin, end := s.begin[i], s.begin[i+1]
			other, off := s.other[begin:end], s.off[begin:end]
			v := s.diag[i] * x[i]
			for k, j := range other {
				v -= off[k] * x[j]
			}
			y[i] = v
		}
	})
}
