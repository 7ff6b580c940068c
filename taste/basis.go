package taste

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"
)

// reach is how many standard deviations from the mean a reading is let count:
// a single odd picture must not carry a direction.
const reach = 3

// A basis turns items into a few numbers of comparable size: the principal
// components of their embeddings, which together have variance 1, and their
// readings, which together have variance 1 too. It is made from items alone, so
// it knows nothing of what anybody preferred.
type basis struct {
	mean  []float64   // of the embeddings
	comps [][]float64 // principal directions, each of length 1
	scale float64     // that the components are multiplied by

	kept   []int     // readings that vary and that nearly every item has
	centre []float64 // of the readings kept
	spread []float64
}

// known is the share of items that must have a reading for it to be a feature.
const known = 0.9

// newBasis makes a basis with at most k components.
func newBasis(items []Item, k int) (*basis, error) {
	b := &basis{}
	for r := range items[0].Readings {
		var values []float64
		for _, it := range items {
			if v := it.Readings[r]; !math.IsNaN(v) && !math.IsInf(v, 0) {
				values = append(values, v)
			}
		}
		centre, spread := moments(values)
		if float64(len(values)) < known*float64(len(items)) || !(spread > 1e-9*math.Abs(centre)) || math.IsInf(spread, 0) {
			continue
		}
		b.kept, b.centre, b.spread = append(b.kept, r), append(b.centre, centre), append(b.spread, spread)
	}
	if k < 1 || len(items[0].Vector) == 0 || len(items) < 3 {
		return b, nil
	}
	return b, b.principal(items, k)
}

// moments returns the mean and the standard deviation of some numbers; NaN of none.
func moments(x []float64) (mean, sd float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		sd += (v - mean) * (v - mean)
	}
	if len(x) < 2 {
		return mean, math.NaN()
	}
	return mean, math.Sqrt(sd / float64(len(x)-1))
}

// principal finds the directions in which the embeddings vary most, through the
// products of the items with each other: there are fewer items than coordinates.
func (b *basis) principal(items []Item, k int) error {
	n, dim := len(items), len(items[0].Vector)
	b.mean = make([]float64, dim)
	for _, it := range items {
		for c, v := range it.Vector {
			b.mean[c] += float64(v) / float64(n)
		}
	}
	centred := mat.NewDense(n, dim, nil)
	for i, it := range items {
		for c, v := range it.Vector {
			centred.Set(i, c, float64(v)-b.mean[c])
		}
	}
	var products mat.Dense
	products.Mul(centred, centred.T())
	gram := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			gram.SetSym(i, j, products.At(i, j))
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(gram, true) {
		return errors.New("taste: the principal components of the embeddings did not converge")
	}
	values := eigen.Values(nil)
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	total := 0.0
	for c := n - 1; c >= 0 && len(b.comps) < k; c-- { // largest last
		if !(values[c] > 1e-10*values[n-1]) {
			break
		}
		comp := make([]float64, dim)
		for i := range n {
			w := vectors.At(i, c) / math.Sqrt(values[c])
			for d, v := range centred.RawRowView(i) {
				comp[d] += w * v
			}
		}
		b.comps = append(b.comps, oriented(comp))
		total += values[c] / float64(n)
	}
	if total > 0 {
		b.scale = 1 / math.Sqrt(total)
	}
	return nil
}

// oriented gives a direction the sign that makes its largest coordinate
// positive: an eigenvector has none of its own.
func oriented(v []float64) []float64 {
	most := 0
	for i, x := range v {
		if math.Abs(x) > math.Abs(v[most]) {
			most = i
		}
	}
	if len(v) > 0 && v[most] < 0 {
		for i := range v {
			v[i] = -v[i]
		}
	}
	return v
}

// features returns the columns of one item: components, then readings. A
// reading that it lacks counts as the mean of the others.
func (b *basis) features(it Item) []float64 {
	out := make([]float64, 0, b.len())
	for _, comp := range b.comps {
		sum := 0.0
		for d, v := range it.Vector {
			sum += comp[d] * (float64(v) - b.mean[d])
		}
		out = append(out, sum*b.scale)
	}
	share := 1 / math.Sqrt(max(1, float64(len(b.kept))))
	for k, r := range b.kept {
		out = append(out, share*clipped(it.Readings[r], b.centre[k], b.spread[k]))
	}
	return out
}

// clipped returns how many standard deviations a reading lies from the mean, at
// most [reach]; 0 if it does not exist.
func clipped(v, centre, spread float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return min(max((v-centre)/spread, -reach), reach)
}

func (b *basis) len() int { return len(b.comps) + len(b.kept) }
