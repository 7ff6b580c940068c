package rank

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// rankDraws is how many orders the doubt about ranks is counted from, where the
// covariance is known.
const rankDraws = 1000

// drawFrom draws strengths, less their estimates, from the normal distribution
// whose precision has the given factor. The numbers are the same each time.
func drawFrom(chol *mat.Cholesky, place []int, n int) [][]float64 {
	var upper mat.TriDense
	chol.UTo(&upper)
	raw := upper.RawTriangular()
	size := raw.N
	rng := rand.New(rand.NewPCG(9, 17))
	out := make([][]float64, rankDraws)
	x := make([]float64, size)
	for k := range out {
		for r := size - 1; r >= 0; r-- { // what the factor makes of x is standard normal
			sum, row := rng.NormFloat64(), raw.Data[r*raw.Stride:]
			for c := r + 1; c < size; c++ {
				sum -= row[c] * x[c]
			}
			x[r] = sum / row[r]
		}
		out[k] = make([]float64, n)
		for i := range n {
			out[k][i] = x[place[i]]
		}
	}
	return out
}

// A RankDoubt says which places an item may hold among the others.
type RankDoubt struct {
	Lo, Hi int     // 95 % interval of its place; 1 is best
	Best   float64 // probability that it is the best
}

// Ranks returns the doubt about the places of the items that count, counted over
// orders drawn from the posterior; nil under [JointOptions.Quick]. The zero
// RankDoubt is that of items that do not count, the bar for one.
func (j *Joint) Ranks(counts func(item int) bool) []RankDoubt {
	if j.draws == nil {
		return nil
	}
	var items []int
	for i := range j.Strength {
		if counts(i) {
			items = append(items, i)
		}
	}
	places := make([][]int, len(j.Strength)) // by item, by draw
	order := slices.Clone(items)
	for _, d := range j.draws {
		slices.SortFunc(order, func(a, b int) int {
			return cmp.Compare(j.Strength[b]+d[b], j.Strength[a]+d[a])
		})
		for at, i := range order {
			places[i] = append(places[i], at+1)
		}
	}
	out := make([]RankDoubt, len(j.Strength))
	for _, i := range items {
		best := 0
		for _, at := range places[i] {
			if at == 1 {
				best++
			}
		}
		slices.Sort(places[i])
		n := len(places[i])
		out[i] = RankDoubt{places[i][n/40], places[i][n-1-n/40], float64(best) / float64(n)}
	}
	return out
}
