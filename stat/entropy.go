package stat

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// Entropy returns the Shannon entropy of a histogram, in nats and as a share
// of the largest possible, ln(len(counts)): 0 when everything is in one cell,
// 1 when all cells hold the same. A histogram of a single cell has share 0.
// Counts are not negative and may be weights. The plug-in estimate returned is
// biased low, by about (occupied cells - 1)/(2·total) nats (Miller 1955), so
// histograms of different totals are not to be compared by it alone. No cells,
// nothing in any cell, or a count that is negative or not finite is an error
// wrapping [assay.ErrInvalid].
func Entropy(counts []float64) (nats, share float64, err error) {
	if err := checkSample("entropy", counts, 1); err != nil {
		return 0, 0, err
	}
	total := 0.0
	for i, c := range counts {
		if c < 0 {
			return 0, 0, fmt.Errorf("entropy: count %d is %g: want 0 or more: %w", i, c, assay.ErrInvalid)
		}
		total += c
	}
	if total == 0 {
		return 0, 0, fmt.Errorf("entropy: all %d cells are empty: %w", len(counts), assay.ErrInvalid)
	}
	if math.IsInf(total, 1) {
		return 0, 0, fmt.Errorf("entropy: the counts add up to more than a float64 holds: %w", assay.ErrInvalid)
	}
	for _, c := range counts {
		if p := c / total; p > 0 {
			nats -= p * math.Log(p)
		}
	}
	nats = max(0, nats) // -0 and rounding below zero
	if len(counts) > 1 {
		share = min(1, nats/math.Log(float64(len(counts))))
	}
	return nats, share, nil
}
