package stat

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/gen-emerge/assay"
)

// TrendOptions adjust the tests of a trend. The zero TrendOptions is a good
// choice.
type TrendOptions struct {
	Conf  float64 // level of intervals; 0 means 0.95
	Draws int     // orders drawn at most for a p-value; 0 means 9999
	Seed  uint64  // of the PCG generator; the same seed draws the same orders

	// Batch is how many things in a row belong together, say the pictures of one
	// prompt. Batches are moved and left out whole; 0 means 1. The tests assume
	// that batches could have come in any order, if nothing changes with time:
	// where things inside one are alike and Batch does not say so, they raise
	// more false alarms than stated.
	Batch int
}

func (o TrendOptions) withDefaults() TrendOptions {
	if o.Conf == 0 {
		o.Conf = 0.95
	}
	if o.Draws == 0 {
		o.Draws = 9999
	}
	o.Batch = max(o.Batch, 1)
	return o
}

// A Chance is how often a random order does at least as well as the true one.
type Chance struct {
	P     float64 // one-sided p-value; never 0
	Least float64 // the smallest P that so many things, or draws, could have given
	Draws int     // orders drawn
}

// enough is how many orders as extreme as the true one settle a p-value: it
// then has a relative standard error of a fifth, and drawing on would be waste.
const enough = 30

// chance draws orders until enough of them reach the observed statistic, or
// opt.Draws are drawn. The p-value is valid in either case (Besag and Clifford,
// Biometrika 78, 1991): under exchangeability P ≤ u with probability at most u.
// Large statistics are extreme. Those of equal arrangements differ in their
// last bits, so nearly equal counts as equal.
func chance(ctx context.Context, rng *rand.Rand, observed float64, opt TrendOptions, draw func(*rand.Rand) float64) (Chance, error) {
	if opt.Draws < 1 {
		return Chance{}, fmt.Errorf("%d draws: want at least 1: %w", opt.Draws, assay.ErrInvalid)
	}
	slack := 1e-9 * max(1, abs(observed))
	hits := 0
	for n := 1; n <= opt.Draws; n++ {
		if n%64 == 0 && ctx.Err() != nil {
			return Chance{}, context.Cause(ctx)
		}
		if draw(rng) >= observed-slack {
			if hits++; hits == enough {
				return Chance{P: float64(hits) / float64(n), Least: 1 / float64(opt.Draws+1), Draws: n}, nil
			}
		}
	}
	return Chance{P: float64(hits+1) / float64(opt.Draws+1), Least: 1 / float64(opt.Draws+1), Draws: opt.Draws}, nil
}

func abs(x float64) float64 { return max(x, -x) }

// arrangements is the number of ways to choose k of n, as a float64.
func arrangements(n, k int) float64 {
	out := 1.0
	for i := range min(k, n-k) {
		out = out * float64(n-i) / float64(i+1)
	}
	return out
}

// shuffle draws another order in place.
func shuffle(rng *rand.Rand, order []int) {
	for i := len(order) - 1; i > 0; i-- {
		j := rng.IntN(i + 1)
		order[i], order[j] = order[j], order[i]
	}
}

// twoWindows checks that two windows can be compared: of one length, in whole
// batches, and apart.
func twoWindows(what string, first, last Window, batch int) error {
	if first.Len() != last.Len() || first.To > last.From && last.To > first.From {
		return fmt.Errorf("%s: windows %d to %d and %d to %d: want two of one length that do not overlap: %w",
			what, first.From, first.To, last.From, last.To, assay.ErrInvalid)
	}
	if batch > 0 && (first.Len()%batch != 0 || first.Len() < 2*batch) {
		return fmt.Errorf("%s: windows of %d in batches of %d: want at least two whole batches: %w", what, first.Len(), batch, assay.ErrInvalid)
	}
	return nil
}
