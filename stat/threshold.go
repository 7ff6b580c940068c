package stat

import (
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
)

// A ShortageError reports that a guarantee needs more samples than there are.
// It wraps [assay.ErrUnavailable]: the answer comes with more data.
type ShortageError struct {
	Have, Need   int     // samples
	Alpha, Delta float64 // the guarantee that was asked for; Delta is 0 where it is one of an expected loss
}

// Error says how many samples are missing.
func (e *ShortageError) Error() string {
	if e.Delta == 0 {
		return fmt.Sprintf("an expected loss of at most %g needs n >= %d labels, there are %d", e.Alpha, e.Need, e.Have)
	}
	return fmt.Sprintf("a false-reject rate of at most %g with probability %g needs n >= %d known-good scores, there are %d",
		e.Alpha, 1-e.Delta, e.Need, e.Have)
}

// Unwrap returns [assay.ErrUnavailable].
func (e *ShortageError) Unwrap() error { return assay.ErrUnavailable }

// A Threshold is a cut on a score with a guarantee: with probability at least
// 1-Delta over the known-good sample it was computed from, at most a share
// Alpha of good images falls strictly on its failing side. The guarantee
// assumes that later good images are exchangeable with the sample; it is lost
// when the generator adapts to the gate.
type Threshold struct {
	Value float64 `json:"value"` // in the unit of the scores; a score equal to it passes
	K     int     `json:"k"`     // rank of Value among the scores, counted from 1 at the failing end
	N     int     `json:"n"`     // scores used
	Alpha float64 `json:"alpha"` // largest share of good images refused
	Delta float64 `json:"delta"` // probability allowed for the guarantee to be wrong
	Risk  float64 `json:"risk"`  // the exact bound reached on that probability; at most Delta
}

// LowThreshold returns the highest threshold for a higher-is-better score such
// that refusing what lies strictly below it refuses more than a share alpha of
// good images with probability at most delta. It is the k-th smallest of the
// known-good scores, k from [OrderIndex]: the order-statistic rule of the
// Neyman–Pearson umbrella algorithm (Tong, Feng and Li, Science Advances 4,
// 2018). Too few scores give a [*ShortageError].
func LowThreshold(good []float64, alpha, delta float64) (Threshold, error) {
	t, sorted, err := orderThreshold(good, alpha, delta)
	if err != nil {
		return Threshold{}, err
	}
	t.Value = sorted[t.K-1]
	return t, nil
}

// HighThreshold is [LowThreshold] for a lower-is-better score: it returns the
// lowest threshold such that refusing what lies strictly above it keeps the
// same guarantee.
func HighThreshold(good []float64, alpha, delta float64) (Threshold, error) {
	t, sorted, err := orderThreshold(good, alpha, delta)
	if err != nil {
		return Threshold{}, err
	}
	t.Value = sorted[len(sorted)-t.K]
	return t, nil
}

func orderThreshold(good []float64, alpha, delta float64) (Threshold, []float64, error) {
	if err := checkFinite("threshold", good); err != nil {
		return Threshold{}, nil, err
	}
	k, err := OrderIndex(len(good), alpha, delta)
	if err != nil {
		return Threshold{}, nil, err
	}
	t := Threshold{K: k, N: len(good), Alpha: alpha, Delta: delta, Risk: binomialCDF(k-1, len(good), alpha)}
	return t, slices.Sorted(slices.Values(good)), nil
}

// OrderIndex returns the largest k, counted from 1, for which
// P(Bin(n, alpha) ≤ k-1) ≤ delta: the k-th worst of n known-good scores is then
// a threshold that refuses more than a share alpha of good images with
// probability at most delta. When not even the worst score will do the error
// is a [*ShortageError] that says how many scores are needed.
func OrderIndex(n int, alpha, delta float64) (int, error) {
	need, err := MinTrials(0, alpha, delta)
	if err != nil {
		return 0, err
	}
	if n < need {
		return 0, &ShortageError{Have: n, Need: need, Alpha: alpha, Delta: delta}
	}
	lo, hi := 1, n+1 // the condition holds at lo and fails at hi: P(Bin ≤ n) = 1 > delta
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		if binomialCDF(mid-1, n, alpha) <= delta {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo, nil
}

// MinTrials returns the smallest n for which seeing at most failures bad
// outcomes in n trials proves, with probability at least 1-delta, that the rate
// of bad outcomes is at most alpha: the smallest n with
// P(Bin(n, alpha) ≤ failures) ≤ delta. For no failures and alpha = delta = 0.05
// that is 59. Both rates lie strictly between 0 and 1; anything else, or more
// than 2^40 trials, is an error wrapping [assay.ErrInvalid].
func MinTrials(failures int, alpha, delta float64) (int, error) {
	if failures < 0 {
		return 0, fmt.Errorf("minimum trials: %d failures: want 0 or more: %w", failures, assay.ErrInvalid)
	}
	if err := checkOpen("minimum trials", "alpha", alpha); err != nil {
		return 0, err
	}
	if err := checkOpen("minimum trials", "delta", delta); err != nil {
		return 0, err
	}
	ok := func(n int) bool {
		if failures == 0 {
			return float64(n)*math.Log1p(-alpha) <= math.Log(delta)
		}
		return binomialCDF(failures, n, alpha) <= delta
	}
	const most = 1 << 40 // beyond any data set; keeps the search finite
	lo, hi := failures, failures+1
	for !ok(hi) {
		if hi > most {
			return 0, fmt.Errorf("minimum trials: alpha %g and delta %g need more than %d trials: %w", alpha, delta, hi, assay.ErrInvalid)
		}
		lo, hi = hi, 2*hi
	}
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		if ok(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi, nil
}
