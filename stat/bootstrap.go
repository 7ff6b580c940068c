package stat

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gen-emerge/assay"
)

// BootstrapOptions adjust [Bootstrap]. The zero BootstrapOptions asks for 2000
// resamples of single observations at level 0.95 with seed 0.
type BootstrapOptions struct {
	Resamples int     // 0 means 2000
	Conf      float64 // level of the interval; 0 means 0.95
	Seed      uint64  // of the PCG generator; the same seed gives the same interval
	// Cluster labels each observation; whole clusters are drawn, because votes
	// of one round or one rater are not independent. Nil means that every
	// observation is a cluster of its own.
	Cluster []int
}

// A BootstrapResult is a statistic with its percentile-bootstrap uncertainty.
type BootstrapResult struct {
	Value    float64  // the statistic of the whole sample
	Interval Interval // percentile interval, same unit
	StdErr   float64  // standard deviation over the resamples, same unit
	Used     int      // resamples on which the statistic was defined
	Warnings []error  // doubts to show beside the numbers, which still stand
}

const defaultResamples = 2000

// Bootstrap returns the percentile bootstrap (Efron 1979) of a statistic of n
// observations. The function f is given indices into the observations, with
// repeats, and returns the statistic of those; it must not keep or change the
// slice, and NaN says that the statistic is not defined there. Undefined
// resamples are left out, counted and warned of. When f of the sample itself is
// NaN there is no answer, and the error wraps [assay.ErrInvalid]. The work ends
// early with the context's error.
func Bootstrap(ctx context.Context, n int, f func(index []int) float64, opt BootstrapOptions) (BootstrapResult, error) {
	if opt.Resamples == 0 {
		opt.Resamples = defaultResamples
	}
	if opt.Conf == 0 {
		opt.Conf = 0.95
	}
	groups, err := bootstrapGroups(n, opt)
	if err != nil {
		return BootstrapResult{}, err
	}
	index := make([]int, n)
	for i := range index {
		index[i] = i
	}
	res := BootstrapResult{Value: f(index)}
	if math.IsNaN(res.Value) {
		return BootstrapResult{}, fmt.Errorf("bootstrap: the statistic of the whole sample is not defined: %w", assay.ErrInvalid)
	}
	rng := rand.New(rand.NewPCG(opt.Seed, 0))
	values := make([]float64, 0, opt.Resamples)
	for range opt.Resamples {
		if err := ctx.Err(); err != nil {
			return BootstrapResult{}, context.Cause(ctx)
		}
		index = index[:0]
		for range groups {
			index = append(index, groups[rng.IntN(len(groups))]...)
		}
		if v := f(index); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	return summarise(res, values, len(groups), opt)
}

func summarise(res BootstrapResult, values []float64, groups int, opt BootstrapOptions) (BootstrapResult, error) {
	res.Used = len(values)
	if res.Used < 2 {
		return BootstrapResult{}, fmt.Errorf("bootstrap: the statistic is defined on %d of %d resamples: %w", res.Used, opt.Resamples, assay.ErrInvalid)
	}
	if res.Used < opt.Resamples {
		res.Warnings = append(res.Warnings, fmt.Errorf(
			"the statistic was not defined on %d of %d resamples; they are left out", opt.Resamples-res.Used, opt.Resamples))
	}
	// Below ten groups the percentile interval is known to cover too little:
	// its expected width falls short by about sqrt(1-1/g) before anything else.
	if groups < 10 {
		res.Warnings = append(res.Warnings, fmt.Errorf("only %d independent groups were resampled; the interval is likely too narrow", groups))
	}
	slices.Sort(values)
	tail := (1 - opt.Conf) / 2
	res.Interval = Interval{quantileSorted(values, tail), quantileSorted(values, 1-tail)}
	mean := 0.0
	for i, v := range values {
		mean += (v - mean) / float64(i+1)
	}
	ss := 0.0
	for _, v := range values {
		ss += (v - mean) * (v - mean)
	}
	res.StdErr = math.Sqrt(ss / float64(res.Used-1))
	return res, nil
}

// bootstrapGroups checks the settings and returns the indices of each cluster,
// clusters in the order of their first observation.
func bootstrapGroups(n int, opt BootstrapOptions) ([][]int, error) {
	if n < 1 {
		return nil, fmt.Errorf("bootstrap: %d observations: at least one is needed: %w", n, assay.ErrInvalid)
	}
	if opt.Resamples < 2 {
		return nil, fmt.Errorf("bootstrap: %d resamples: at least 2 are needed: %w", opt.Resamples, assay.ErrInvalid)
	}
	if err := checkOpen("bootstrap", "confidence", opt.Conf); err != nil {
		return nil, err
	}
	if opt.Cluster != nil && len(opt.Cluster) != n {
		return nil, fmt.Errorf("bootstrap: %d cluster labels for %d observations: %w", len(opt.Cluster), n, assay.ErrInvalid)
	}
	var groups [][]int
	if opt.Cluster == nil {
		all := make([]int, n)
		for i := range all {
			all[i] = i
			groups = append(groups, all[i:i+1])
		}
		return groups, nil
	}
	place := map[int]int{}
	for i, label := range opt.Cluster {
		g, ok := place[label]
		if !ok {
			g = len(groups)
			place[label] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups, nil
}
