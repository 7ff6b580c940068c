package stat

import (
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
)

// A KendallNull is the exact law of Kendall's tau of two orders, without ties,
// that have nothing to do with each other: how many pairs two random orders
// disagree on (Kendall 1938).
type KendallNull struct {
	n     int
	share []float64 // of the orders with so many inversions, 0 to n(n−1)/2
}

// nullLimit is the largest number of things whose law is counted: the shares of
// more do not all fit a float64.
const nullLimit = 150

// NewKendallNull counts the law for n things, 2 to 150; other numbers are errors
// wrapping [assay.ErrInvalid].
func NewKendallNull(n int) (*KendallNull, error) {
	if n < 2 || n > nullLimit {
		return nil, fmt.Errorf("kendall null of %d things: want 2 to %d: %w", n, nullLimit, assay.ErrInvalid)
	}
	return &KendallNull{n, inversions(n, n*(n-1)/2)}, nil
}

// StdDev is the standard deviation of tau: 0.2485 for ten things.
func (k *KendallNull) StdDev() float64 {
	n := float64(k.n)
	return math.Sqrt(2 * (2*n + 5) / (9 * n * (n - 1)))
}

// P is the two-sided probability of a tau at least as far from 0 as that of two
// orders that disagree on so many pairs. Numbers of pairs that n things do not
// have are errors wrapping [assay.ErrInvalid].
func (k *KendallNull) P(inversions int) (float64, error) {
	if inversions < 0 || inversions >= len(k.share) {
		return 0, fmt.Errorf("kendall null: %d inversions of %d things: want 0 to %d: %w", inversions, k.n, len(k.share)-1, assay.ErrInvalid)
	}
	return bothTails(k.share, inversions), nil
}

// Least is the smallest tau above 0 whose two-sided p-value is at most p: what
// one round must reach to say anything at that level, 0.5111 for ten things and
// 0.05. Where even full agreement is likelier than that it is
// [assay.ErrUnavailable]; a p outside (0, 1) is an error wrapping
// [assay.ErrInvalid].
func (k *KendallNull) Least(p float64) (float64, error) {
	if err := checkOpen("kendall null", "p", p); err != nil {
		return 0, err
	}
	tail, found := 0.0, -1
	for d := 0; 2*d < len(k.share)-1; d++ {
		if tail += k.share[d]; 2*tail > p {
			break
		}
		found = d
	}
	if found < 0 {
		return 0, fmt.Errorf("two random orders of %d things agree in full with a two-sided probability of %.3g: none of it is at most %g: %w",
			k.n, 2*k.share[0], p, assay.ErrUnavailable)
	}
	return 1 - 2*float64(found)/float64(len(k.share)-1), nil
}

// inversions returns the shares of the permutations of n things that have 0, 1, …
// most inversions: the m-th thing adds 0 to m−1 of them, each equally often.
func inversions(n, most int) []float64 {
	share, next := make([]float64, most+1), make([]float64, most+1)
	share[0] = 1
	for m := 2; m <= n; m++ {
		window := 0.0
		for k := range next {
			window += share[k]
			if k >= m {
				window -= share[k-m]
			}
			next[k] = max(0, window) / float64(m) // what rounding leaves is none
		}
		share, next = next, share
	}
	if full := n * (n - 1) / 2; most == full { // the law is symmetric: its rising half has the better digits
		for k := range most / 2 {
			share[full-k] = share[k]
		}
	}
	return share
}

// bothTails is the probability under a symmetric law, on 0 to len(share)−1, of
// what lies at least as far from the middle as d.
func bothTails(share []float64, d int) float64 {
	most := len(share) - 1
	if d = min(d, most-d); 2*d == most {
		return 1
	}
	tail := 0.0
	for _, s := range share[:d+1] {
		tail += s
	}
	return min(1, 2*tail)
}

// convolve is the law of the sum of two independent numbers.
func convolve(a, b []float64) []float64 {
	out := make([]float64, len(a)+len(b)-1)
	for i, x := range a {
		for j, y := range b {
			out[i+j] += float64(x * y)
		}
	}
	return slices.Clip(out)
}
