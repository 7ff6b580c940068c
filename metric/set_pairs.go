package metric

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gen-emerge/assay"
)

// A Pair names two things of a set by their places, the first before the second.
type Pair struct{ I, J int }

// SamplePairs returns all pairs of n things if there are at most most, and else
// that many, drawn without repeats by a seed; sorted. A draw does not depend on
// anything but n, most and seed.
func SamplePairs(n, most int, seed uint64) []Pair {
	all := n * (n - 1) / 2
	var out []Pair
	if all <= most {
		for i := range n {
			for j := i + 1; j < n; j++ {
				out = append(out, Pair{i, j})
			}
		}
		return out
	}
	// Floyd's sample: of the numbers below all, most, each set equally likely.
	rng := rand.New(rand.NewPCG(seed, 0))
	seen := make(map[int]bool, most)
	for top := all - most; top < all; top++ {
		k := rng.IntN(top + 1)
		if seen[k] {
			k = top
		}
		seen[k] = true
		out = append(out, pairAt(k))
	}
	slices.SortFunc(out, func(a, b Pair) int { return cmp.Or(cmp.Compare(a.I, b.I), cmp.Compare(a.J, b.J)) })
	return out
}

// pairAt is the k-th pair in the order (0,1), (0,2), (1,2), (0,3), …
func pairAt(k int) Pair {
	j := int((1 + math.Sqrt(1+8*float64(k))) / 2)
	for j*(j-1)/2 > k { // the root may be rounded either way
		j--
	}
	for j*(j+1)/2 <= k {
		j++
	}
	return Pair{k - j*(j-1)/2, j}
}

// MeasurePairs reads self-similarity from distances of pairs that an instrument
// without vectors read: distances[k] is of pairs[k], of the images with the given
// names, ascending. The interval is that of a mean over pairs that share images:
// a delete-one jackknife over the images, which for few of many pairs is up to √2
// too wide.
//
// It fails, wrapping [assay.ErrInvalid], if s cannot stand on pairs or there are
// none.
func (s SetSpec) MeasurePairs(ctx context.Context, id assay.Identity, images []assay.Digest, pairs []Pair, distances []float64, seed uint64) (SetReading, error) {
	if !s.Pairs {
		return SetReading{}, fmt.Errorf("%s needs vectors, and %s reads pairs: %w", s.Name, id.Instrument, assay.ErrInvalid)
	}
	if len(images) < s.Least || len(pairs) == 0 || len(pairs) != len(distances) {
		return SetReading{}, fmt.Errorf("%s of a set of %d, %d pairs: it needs at least %d different images: %w", s.Name, len(images), len(pairs), s.Least, assay.ErrInvalid)
	}
	set := &FeatureSet{Identity: id, Digests: images}
	r := SetReading{Metric: s.Name, Version: s.Version, Features: id, Set: SetID{Images: len(images), Digest: set.Digest()},
		Settings: map[string]any{"distance": id.Instrument, "pairs": len(pairs)}}
	if all := len(images) * (len(images) - 1) / 2; len(pairs) < all {
		r.Settings["of_pairs"], r.Settings["seed"] = all, seed
		r.Warnings = append(r.Warnings, fmt.Sprintf("a sample of %d of %d pairs; --pairs %d reads all", len(pairs), all, all))
	}
	r.Warnings = append(r.Warnings, s.doubts(set, nil)...)
	mean, se := meanOfPairs(len(images), pairs, distances)
	v := SetValue{Value: mean}
	r.Values = []SetValue{v.with(se, "delete-one jackknife over the images").as(s.Values[0])}
	return r, s.within(r.Values)
}

// meanOfPairs returns the mean and its standard error, NaN where the pairs do not
// give one: leaving an image out leaves its pairs out.
func meanOfPairs(n int, pairs []Pair, distances []float64) (mean, se float64) {
	sum, count := make([]float64, n), make([]int, n)
	total := 0.0
	for k, p := range pairs {
		total += distances[k]
		for _, i := range []int{p.I, p.J} {
			sum[i] += distances[k]
			count[i]++
		}
	}
	mean = total / float64(len(pairs))
	var left []float64
	for i := range n {
		rest := len(pairs) - count[i]
		if rest == 0 {
			return mean, math.NaN()
		}
		left = append(left, (total-sum[i])/float64(rest))
	}
	middle, spread := 0.0, 0.0
	for _, l := range left {
		middle += l / float64(n)
	}
	for _, l := range left {
		spread += float64((l - middle) * (l - middle))
	}
	return mean, math.Sqrt(spread * float64(n-1) / float64(n))
}
