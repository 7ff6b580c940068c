package stat

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/gen-emerge/assay"
)

// A QuantileEstimate is a sample quantile and what is known of it.
type QuantileEstimate struct {
	Value    float64  // in the unit of the sample
	Interval Interval // two order statistics; an infinite end means the sample sets no limit there
	Coverage float64  // exact probability that Interval holds the quantile of a continuous distribution
	Warnings []error  // doubts to show beside the numbers, which still stand
}

// Quantile returns the p-quantile of x, 0 ≤ p ≤ 1, by linear interpolation
// between the order statistics around position (n-1)·p: type 7 of Hyndman and
// Fan (1996), the default of NumPy and R. The slice x is not changed. An empty
// sample, a value that is not finite or a p outside [0, 1] is an error
// wrapping [assay.ErrInvalid].
func Quantile(x []float64, p float64) (float64, error) {
	if err := checkSample("quantile", x, 1); err != nil {
		return 0, err
	}
	if !(p >= 0 && p <= 1) {
		return 0, fmt.Errorf("quantile: probability %g: want 0 to 1: %w", p, assay.ErrInvalid)
	}
	return quantileSorted(slices.Sorted(slices.Values(x)), p), nil
}

// quantileSorted is the type 7 quantile of a sorted, non-empty sample.
func quantileSorted(s []float64, p float64) float64 {
	at := float64(len(s)-1) * p
	i := int(math.Floor(at))
	if i >= len(s)-1 {
		return s[len(s)-1]
	}
	frac := at - float64(i)
	if frac == 0 {
		return s[i]
	}
	// In this form the sum cannot overflow when the two are far apart.
	return s[i]*(1-frac) + s[i+1]*frac
}

// QuantileInterval returns the type 7 quantile of x at p, 0 < p < 1, with a
// distribution-free interval of level at least conf. The interval runs between
// two order statistics chosen so that the quantile is missed on either side
// with probability at most (1-conf)/2, because the number of samples below the
// true quantile is binomial (Conover, Practical Nonparametric Statistics, 3.2).
// Where the sample is too small for a side, that end is infinite and a warning
// says so. Errors are those of [Quantile].
func QuantileInterval(x []float64, p, conf float64) (QuantileEstimate, error) {
	if err := checkSample("quantile interval", x, 1); err != nil {
		return QuantileEstimate{}, err
	}
	if err := checkOpen("quantile interval", "probability", p); err != nil {
		return QuantileEstimate{}, err
	}
	if err := checkOpen("quantile interval", "confidence", conf); err != nil {
		return QuantileEstimate{}, err
	}
	s := slices.Sorted(slices.Values(x))
	n := len(s)
	tail := (1 - conf) / 2
	// l is the largest rank with P(Bin ≤ l-1) ≤ tail, u the smallest with
	// P(Bin ≥ u) ≤ tail; ranks 0 and n+1 stand for the infinities.
	l := sort.Search(n, func(k int) bool { return binomialCDF(k, n, p) > tail })
	u := 1 + sort.Search(n, func(k int) bool { return 1-binomialCDF(k, n, p) <= tail })
	est := QuantileEstimate{
		Value:    quantileSorted(s, p),
		Interval: Interval{math.Inf(-1), math.Inf(1)},
		Coverage: binomialCDF(u-1, n, p) - binomialCDF(l-1, n, p),
	}
	if l > 0 {
		est.Interval.Lo = s[l-1]
	}
	if u <= n {
		est.Interval.Hi = s[u-1]
	}
	if l == 0 || u > n {
		est.Warnings = append(est.Warnings, fmt.Errorf(
			"%d samples are too few to bound the %g quantile on both sides at level %g", n, p, conf))
	}
	return est, nil
}

func checkSample(what string, x []float64, least int) error {
	if len(x) < least {
		return fmt.Errorf("%s: %d values: at least %d needed: %w", what, len(x), least, assay.ErrInvalid)
	}
	return checkFinite(what, x)
}
