package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gen-emerge/assay"
)

// KernelShift tests whether two samples of vectors come from one distribution,
// and returns p: the share of random partitions of the pooled sample whose maximum
// mean discrepancy is at least that of the samples (Gretton et al., JMLR 13, 2012,
// with a Gaussian kernel whose width is the median distance), the samples
// themselves counted as one partition. Small p says that something moved. It takes
// vectors for exchangeable within a sample.
//
// Each sample needs at least two vectors, all of one length and finite, and perms
// at least 19, or the error wraps [assay.ErrInvalid].
func KernelShift(x, y [][]float32, perms int, seed uint64) (p float64, err error) {
	if len(x) < 2 || len(y) < 2 || perms < 19 {
		return 0, fmt.Errorf("kernel shift of %d and %d vectors with %d permutations: want 2 of each and 19: %w", len(x), len(y), perms, assay.ErrInvalid)
	}
	pool := slices.Concat(x, y)
	n := len(pool)
	k := make([]float64, n*n)
	var distances []float64
	for i := range n {
		for j := range i {
			if len(pool[i]) != len(pool[j]) {
				return 0, fmt.Errorf("kernel shift of vectors of %d and %d numbers: %w", len(pool[i]), len(pool[j]), assay.ErrInvalid)
			}
			var d float64
			for c, v := range pool[i] {
				diff := float64(v) - float64(pool[j][c])
				d += diff * diff
			}
			if math.IsNaN(d) || math.IsInf(d, 0) {
				return 0, fmt.Errorf("kernel shift of vectors that are not finite: %w", assay.ErrInvalid)
			}
			k[i*n+j], k[j*n+i] = d, d
			distances = append(distances, d)
		}
	}
	slices.Sort(distances)
	width := distances[len(distances)/2]
	if width == 0 { // more than half of all pairs are equal
		width = max(distances[len(distances)-1], 1)
	}
	for c := range k {
		k[c] = math.Exp(-k[c] / width)
	}
	at := make([]int, n)
	for i := range at {
		at[i] = i
	}
	seen := discrepancy(k, at, len(x))
	rng := rand.New(rand.NewPCG(seed, 0x5d1f7))
	reached := 1
	for range perms {
		rng.Shuffle(n, func(i, j int) { at[i], at[j] = at[j], at[i] })
		if discrepancy(k, at, len(x)) >= seen-1e-12 {
			reached++
		}
	}
	return float64(reached) / float64(perms+1), nil
}

// discrepancy is the unbiased estimate of the squared mean discrepancy of the
// first m of the pooled vectors, in the order at, and the others.
func discrepancy(k []float64, at []int, m int) float64 {
	n := len(at)
	var xx, yy, xy float64
	for i := range n {
		row := k[at[i]*n:]
		for j := range i {
			v := row[at[j]]
			switch {
			case i < m:
				xx += v
			case j >= m:
				yy += v
			default:
				xy += v
			}
		}
	}
	a, b := float64(m), float64(n-m)
	return 2*xx/(a*(a-1)) + 2*yy/(b*(b-1)) - 2*xy/(a*b)
}
