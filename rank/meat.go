package rank

import (
	"cmp"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
)

// A meat is the middle of the sandwich: the sum over clusters of the outer
// products of their scores. It is kept as its square root, one sparse row for
// each cluster, or for all votes of one row and outcome where these stand
// alone.
type meat struct {
	clusters int
	pooled   bool    // every vote was of one cluster and was taken to stand alone
	factor   float64 // C/(C-1)
	start    []int   // row k holds start[k] to start[k+1]
	index    []int32 // parameter
	value    []float64
}

// newMeat collects the scores at the parameters x of the votes that s holds.
func newMeat(s *system, x []float64, votes []Vote) *meat {
	m := &meat{start: []int{0}}
	clustered := 0
	labels := map[int]bool{}
	for k := range votes {
		if votes[k].Cluster != 0 && s.holds(&votes[k]) {
			clustered++
			labels[votes[k].Cluster] = true
		}
	}
	total := 0
	for _, v := range s.rows.votes {
		total += int(v)
	}
	m.pooled = len(labels) == 1 && clustered == total && total > 1
	if clustered == 0 || m.pooled {
		m.clusters = total
		m.alone(s, x)
	} else {
		m.clusters = len(labels) + total - clustered
		m.grouped(s, x, votes)
	}
	m.factor = math.Inf(1) // one vote says nothing of how votes vary
	if m.clusters > 1 {
		m.factor = float64(m.clusters) / float64(m.clusters-1)
	}
	if m.clusters == 0 {
		m.factor = 0
	}
	return m
}

// holds reports whether the vote is among the rows of s.
func (s *system) holds(v *Vote) bool {
	return s.rows.len() > 0 && (s.comp == nil || s.comp[v.Left] == s.comp[v.Right])
}

// scores returns the score in d and in log nu of one vote of unit weight that
// the first item won (outcome 1), lost (-1) or tied (0).
func (s *system) scores(d float64, x []float64, outcome float64) (u, tie float64) {
	logNu := math.Inf(-1)
	if s.tie >= 0 {
		logNu = x[s.tie]
	}
	p, q, tau, _ := chances(d, logNu)
	tie = -tau
	if outcome == 0 {
		tie++
	}
	return (outcome - (p - q)) / 2, tie
}

func (m *meat) push(index int, value float64) {
	m.index, m.value = append(m.index, int32(index)), append(m.value, value)
}

func (m *meat) close() { m.start = append(m.start, len(m.index)) }

// alone fills in votes that stand alone, those of a row and outcome together:
// their scores are equal up to the weight.
func (m *meat) alone(s *system, x []float64) {
	r := s.rows
	size := 0
	for k := range r.a {
		for _, square := range [3]float64{r.w2[k], r.l2[k], r.t2[k]} {
			if square > 0 {
				size++
			}
		}
	}
	m.start = append(make([]int, 0, size+1), 0)
	width := 2 + s.extras()
	m.index, m.value = make([]int32, 0, size*width), make([]float64, 0, size*width)
	for k := range r.a {
		a, b := int(r.a[k]), int(r.b[k])
		d, sided := x[a]-x[b], 0.0
		if s.side >= 0 {
			sided = r.side[k]
			d += x[s.side] * sided
		}
		for o, square := range [3]float64{r.l2[k], r.t2[k], r.w2[k]} {
			if square == 0 {
				continue
			}
			u, tie := s.scores(d, x, float64(o-1))
			scale := math.Sqrt(square)
			m.push(a, scale*u)
			m.push(b, -scale*u)
			if s.tie >= 0 {
				m.push(s.tie, scale*tie)
			}
			if s.side >= 0 {
				m.push(s.side, scale*u*sided)
			}
			m.close()
		}
	}
}

// grouped adds up the scores of each cluster.
func (m *meat) grouped(s *system, x []float64, votes []Vote) {
	order := make([]int32, 0, len(votes))
	for k := range votes {
		if s.holds(&votes[k]) {
			order = append(order, int32(k))
		}
	}
	slices.SortFunc(order, func(i, j int32) int {
		return cmp.Or(cmp.Compare(votes[i].Cluster, votes[j].Cluster), cmp.Compare(i, j))
	})
	score := map[int]float64{}
	for at, k := range order {
		v := &votes[k]
		s.addScore(score, x, v)
		last := at == len(order)-1 || votes[order[at+1]].Cluster != v.Cluster
		if v.Cluster != 0 && !last {
			continue
		}
		for _, i := range sortedKeys(score) {
			m.push(i, score[i])
		}
		m.close()
		clear(score)
	}
}

// addScore adds the weighted score of one vote to those of its cluster.
func (s *system) addScore(score map[int]float64, x []float64, v *Vote) {
	d, sided := x[v.Left]-x[v.Right], 0.0
	if s.side >= 0 && !v.Unordered {
		sided = 1
		d += x[s.side]
	}
	outcome := 0.0
	switch v.Outcome {
	case assay.Left:
		outcome = 1
	case assay.Right:
		outcome = -1
	}
	u, tie := s.scores(d, x, outcome)
	weight := v.weight()
	score[v.Left] += weight * u
	score[v.Right] -= weight * u
	if s.tie >= 0 {
		score[s.tie] += weight * tie
	}
	if sided > 0 {
		score[s.side] += weight * u
	}
}

// spread is the robust variance of a contrast, given the inverse curvature
// times it.
func (m *meat) spread(reach []float64, s *system) float64 {
	total := 0.0
	for k := range len(m.start) - 1 {
		dot := 0.0
		for at := m.start[k]; at < m.start[k+1]; at++ {
			dot += m.value[at] * reach[m.index[at]]
		}
		total += dot * dot
	}
	if total > 0 {
		total *= m.factor
	}
	for _, v := range reach[:s.n] {
		total += s.alpha * v * v
	}
	return total
}

// diagonal is the diagonal of the meat for the strengths.
func (m *meat) diagonal(s *system) []float64 {
	d := make([]float64, s.n)
	for at, i := range m.index {
		if int(i) < s.n {
			d[i] += m.value[at] * m.value[at]
		}
	}
	for i := range d {
		if d[i] > 0 {
			d[i] *= m.factor
		}
	}
	return d
}
