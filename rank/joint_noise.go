package rank

import (
	"math"
	"math/rand/v2"
)

// noise draws a vector whose covariance is the information matrix: the scores of
// outcomes drawn from the model, and of the priors.
func (s *jointSystem) noise(rng *rand.Rand) []float64 {
	m := s.m
	out := make([]float64, m.size())
	for k := range out {
		out[k] = math.Sqrt(m.prec[k]) * rng.NormFloat64()
	}
	for k := range m.votes {
		v, l := &m.votes[k], s.locals[k]
		l.derive(int8(draw(rng, l.p[:]) - 2))
		w := math.Sqrt(v.w * v.g)
		m.spread(v, &l, [3]float64{w * l.score[0], w * l.score[1], w * l.score[2]}, out)
	}
	for k := range s.blocks {
		b := &s.blocks[k]
		n := len(b.y)
		score := make([]float64, n)
		for first := range n - 1 {
			p := shares(b.y[first:])
			score[first+draw(rng, p)]++
			for i, pi := range p {
				score[first+i] -= pi
			}
		}
		b.spread(m, score, math.Sqrt(b.order.w), out)
	}
	return out
}

// meat draws a vector whose covariance is that of the clusters' scores, with the
// priors as one more observation of each parameter.
func (s *jointSystem) meat(rng *rand.Rand, scores [][]scoreOf) []float64 {
	m := s.m
	out := make([]float64, m.size())
	for k := range out {
		out[k] = math.Sqrt(m.prec[k]) * rng.NormFloat64()
	}
	scale := math.Sqrt(float64(len(scores)) / max(float64(len(scores)-1), 1))
	for _, score := range scores {
		z := scale * rng.NormFloat64()
		for _, e := range score {
			out[e.k] += z * e.v
		}
	}
	return out
}

func draw(rng *rand.Rand, p []float64) int {
	u := rng.Float64()
	for k, v := range p {
		if u -= v; u < 0 {
			return k
		}
	}
	return len(p) - 1
}

// countClusters counts the votes and orders that are independent of each other.
func (m *jointModel) countClusters(votes []JointVote, orders []Order) (n int) {
	seen := map[int]bool{}
	count := func(c int) {
		if c == 0 || !seen[c] {
			n++
		}
		seen[c] = true
	}
	for k := range votes {
		count(votes[k].Cluster)
	}
	for k := range orders {
		count(orders[k].Cluster)
	}
	return n
}

// met numbers the parts of the items that met, directly or by others: between
// parts only the prior compares.
func (m *jointModel) met() []int {
	return parts(m.n, func(join func(a, b int32)) {
		for _, v := range m.votes {
			join(v.i, v.j)
		}
		for _, o := range m.orders {
			for _, i := range o.items {
				join(i, o.items[0])
			}
		}
	})
}
