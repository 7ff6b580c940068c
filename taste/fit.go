package taste

import (
	"context"
	"errors"
	"math"
	"slices"
)

// A prior holds variances: of the columns, for what people have in common and
// for how far each departs from it, and of what an image is worth to one person
// beyond its features. A column whose dev is 0 nobody departs in.
type prior struct {
	pop, dev []float64
	residual float64
}

// tieVariance is the prior variance of log ν about 0, at which a tie between
// equals is as likely as half of their wins and losses: wide.
const tieVariance = 4

// A system is the likelihood of some rows, by rater.
type system struct {
	rows   [][]row // by rater; some may be empty
	items  [][]int // of each rater: the items they judged, in order
	seats  [][]seat
	cols   int
	ties   bool  // whether log ν is estimated; without ties there is none
	locals []int // columns in which raters depart
}

// A seat is where a row's items stand among the rater's; right is −1 for the bar.
type seat struct{ left, right int }

func newSystem(rows []row, cols, raters int) *system {
	s := &system{rows: make([][]row, raters), items: make([][]int, raters), seats: make([][]seat, raters), cols: cols}
	for _, r := range rows {
		s.rows[r.rater] = append(s.rows[r.rater], r)
		s.items[r.rater] = append(s.items[r.rater], r.left)
		if r.right != Bar {
			s.items[r.rater] = append(s.items[r.rater], r.right)
		}
		s.ties = s.ties || r.y == 0
	}
	for r := range s.rows {
		slices.Sort(s.items[r])
		s.items[r] = slices.Compact(s.items[r])
		for _, row := range s.rows[r] {
			at := seat{right: -1}
			at.left, _ = slices.BinarySearch(s.items[r], row.left)
			if row.right != Bar {
				at.right, _ = slices.BinarySearch(s.items[r], row.right)
			}
			s.seats[r] = append(s.seats[r], at)
		}
	}
	return s
}

// A point is a place in the space of parameters.
type point struct {
	pop  []float64   // by column, then log ν
	dev  [][]float64 // by rater and column
	item [][]float64 // by rater and item that they judged: what it is worth beyond its features
}

func (s *system) origin() point {
	p := point{pop: make([]float64, s.cols+1), dev: make([][]float64, len(s.rows)), item: make([][]float64, len(s.rows))}
	for r := range p.dev {
		p.dev[r], p.item[r] = make([]float64, s.cols), make([]float64, len(s.items[r]))
	}
	return p
}

// moved returns p with a step added, times by.
func (p point) moved(step point, by float64) point {
	plus := func(a, b []float64) []float64 {
		out := make([]float64, len(a))
		for k := range a {
			out[k] = a[k] + by*b[k]
		}
		return out
	}
	q := point{pop: plus(p.pop, step.pop), dev: make([][]float64, len(p.dev)), item: make([][]float64, len(p.item))}
	for r := range p.dev {
		q.dev[r], q.item[r] = plus(p.dev[r], step.dev[r]), plus(p.item[r], step.item[r])
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

// difference returns the log-odds of the left of a rater's k-th row, given their weights.
func (s *system) difference(p point, w []float64, r, k int) float64 {
	at := s.seats[r][k]
	d := dot(s.rows[r][k].z, w) + p.item[r][at.left]
	if at.right >= 0 {
		d -= p.item[r][at.right]
	}
	return d
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
	at := from
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
		if decrement < 1e-5 { // nats: far below what any choice here turns on
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

// chances returns ln Z and the probabilities of left, right and a tie at a
// difference d of strengths.
func (s *system) chances(d, logNu float64) (logZ, left, right, tie float64) {
	m := math.Abs(d) / 2
	z := 1 + math.Exp(-2*m)
	if s.ties {
		tie = math.Exp(logNu - m)
		z += tie
	}
	left, right = math.Exp(d/2-m)/z, math.Exp(-d/2-m)/z
	return m + math.Log(z), left, right, tie / z
}

// value returns the log-likelihood and the log-prior with what normalises it,
// up to a constant.
func (s *system) value(p point, pr prior) float64 {
	sum := 0.0
	normal := func(x, variance float64) { sum -= (x*x/variance + math.Log(variance)) / 2 }
	for r, rows := range s.rows {
		if len(rows) == 0 {
			continue
		}
		w := p.weights(r, s.cols)
		for k, row := range rows {
			d := s.difference(p, w, r, k)
			logZ, _, _, _ := s.chances(d, p.pop[s.cols])
			sum -= logZ
			if row.y == 0 {
				sum += p.pop[s.cols]
			} else {
				sum += row.y * d / 2
			}
		}
		for _, k := range s.locals {
			normal(p.dev[r][k], pr.dev[k])
		}
		for _, e := range p.item[r] {
			normal(e, pr.residual)
		}
	}
	for k, v := range pr.pop {
		normal(p.pop[k], v)
	}
	if s.ties {
		normal(p.pop[s.cols], tieVariance)
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
