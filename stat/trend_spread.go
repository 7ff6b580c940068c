package stat

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
)

// A Convergence compares how far apart the things of two windows lie.
type Convergence struct {
	First, Last Spread
	Closer      float64  // First.Mean / Last.Mean: 2 says that the last are twice as close to each other; +Inf if the last are all the same
	Interval    Interval // for Closer: delta method on the logarithmic scale, Student's law with Welch's degrees of freedom; NaN ends where it is not defined
	Chance               // of "the last are closer", if the things of both windows could have come in any order
	Warnings    []error  // doubts to show beside the numbers, which still stand
}

// CompareSpread compares the mean pairwise distance inside the last window with
// that inside the first. Its p-value is one-sided, for closer, and comes from
// drawing orders of the batches of both windows. The statistic drawn is the
// difference of the means divided by its jackknife standard error: so the test
// is exact if batches are exchangeable, and, for long windows, also holds its
// level where the windows' things differ in what they show but not in how far
// they lie apart (Janssen, Stat. Probab. Lett. 36, 1997; Chung and Romano, Ann.
// Stat. 41, 2013). Errors wrap [assay.ErrInvalid] for windows of different
// length, overlapping, or not of at least three whole batches.
func CompareSpread(ctx context.Context, p *Distances, first, last Window, opt TrendOptions) (Convergence, error) {
	opt = opt.withDefaults()
	if err := twoWindows("compare spread", first, last, opt.Batch); err != nil {
		return Convergence{}, err
	}
	var c Convergence
	var err error
	if c.First, err = p.Spread(first, opt.Batch, opt.Conf); err != nil {
		return c, err
	}
	if c.Last, err = p.Spread(last, opt.Batch, opt.Conf); err != nil {
		return c, err
	}
	b, err := newBlocks(p, []Window{first, last}, opt.Batch)
	if err != nil {
		return c, err
	}
	half := b.n / 2
	stat := func(order []int) float64 {
		df, sf := b.spread(order[:half])
		dl, sl := b.spread(order[half:])
		return studentized(df-dl, sf, sl)
	}
	order := b.all()
	observed := stat(order)
	rng := rand.New(rand.NewPCG(opt.Seed, 1))
	c.Chance, err = chance(ctx, rng, observed, opt, func(rng *rand.Rand) float64 {
		shuffle(rng, order)
		return stat(order)
	})
	if err != nil {
		return c, err
	}
	c.Least = max(c.Least, 1/arrangements(b.n, half))
	c.ratio(opt.Conf)
	return c, nil
}

// studentized is a difference in units of its standard error. Things that are
// all the same have none: then any difference is beyond all doubt.
func studentized(diff, a, b float64) float64 {
	se := math.Sqrt(a*a + b*b)
	switch {
	case diff == 0:
		return 0
	case se > 0:
		return diff / se
	case math.IsNaN(se):
		return diff // too few batches for an error; the order of differences remains
	}
	return math.Copysign(math.MaxFloat64, diff)
}

// ratio fills in how many times closer the last are, and its interval.
func (c *Convergence) ratio(conf float64) {
	c.Interval = Interval{math.NaN(), math.NaN()}
	switch {
	case c.First.Mean == 0 && c.Last.Mean == 0:
		c.Closer = 1
		c.Warnings = append(c.Warnings, errors.New("all things of both windows are the same"))
		return
	case c.Last.Mean == 0:
		c.Closer = math.Inf(1)
		c.Warnings = append(c.Warnings, errors.New("all things of the last window are the same"))
		return
	case c.First.Mean == 0:
		c.Warnings = append(c.Warnings, errors.New("all things of the first window are the same"))
		return
	}
	c.Closer = c.First.Mean / c.Last.Mean
	vf := math.Pow(c.First.StdErr/c.First.Mean, 2)
	vl := math.Pow(c.Last.StdErr/c.Last.Mean, 2)
	if !(vf+vl > 0) {
		return
	}
	dof := (vf + vl) * (vf + vl) / (vf*vf/float64(c.First.Groups-1) + vl*vl/float64(c.Last.Groups-1))
	half := StudentHalf(conf, dof) * math.Sqrt(vf+vl)
	c.Interval = Interval{c.Closer * math.Exp(-half), c.Closer * math.Exp(half)}
	if c.First.Groups < 10 {
		c.Warnings = append(c.Warnings, errors.New("fewer than 10 independent things in a window: the interval is too narrow more often than it says"))
	}
}
