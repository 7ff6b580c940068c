package stat

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/gen-emerge/assay"
)

// A Paired is one round: two judgings of the same things, value for value.
type Paired struct{ X, Y []float64 }

// A PooledTau is Kendall's tau-b over the pairs of several rounds. Pairs of things
// from different rounds were never compared and do not count.
type PooledTau struct {
	Value    float64  // in [-1, 1]
	Interval Interval // of Value: rounds are what was drawn again
	StdErr   float64  // of Value, over the resamples of rounds
	P        float64  // two-sided p-value of "no relation in any round"
	Exact    bool     // P counts orders; else it rests on the normal law
	Rounds   int
	Pairs    int     // of things that both sides put in order, over all rounds
	Warnings []error // doubts to show beside the numbers, which still stand
}

// pooledLimit is the number of pairs of things up to which the null law of
// several rounds is counted.
const pooledLimit = exactLimit * (exactLimit - 1) / 2

// PooledKendall returns tau-b of the concordant and discordant pairs of all
// rounds together: ΣS/√(ΣNx·ΣNy), S being concordant less discordant pairs and Nx,
// Ny the pairs that a side puts in order. One round of ten tells a strong relation
// from none and no more; four to six together tell more.
//
// The interval draws whole rounds with repeats, because the pairs of one round are
// not independent. Rounds are few, and a percentile interval of few draws is too
// narrow: so it is Fisher's transform of Value ± t·√(g/(g−1)) of the bootstrap's
// standard error, with Student's t of g−1 degrees of freedom for g rounds, which
// is the usual interval of a mean if rounds weigh alike. Where all rounds agree to
// the last pair they set no limit: the interval is then −1 to 1, and a warning
// says so.
//
// Fewer than two rounds are an error wrapping [assay.ErrUnavailable]; else errors
// are those of [Kendall] (a single round may be all tie) and [Bootstrap]. Of the
// options Cluster is not used.
func PooledKendall(ctx context.Context, rounds []Paired, opt BootstrapOptions) (PooledTau, error) {
	if len(rounds) < 2 {
		return PooledTau{}, fmt.Errorf("pooled tau: %d rounds: an interval needs at least 2: %w", len(rounds), assay.ErrUnavailable)
	}
	if opt.Conf == 0 {
		opt.Conf = 0.95
	}
	opt.Cluster = nil
	counts := make([]orderCount, len(rounds))
	for i, r := range rounds {
		if err := checkPaired(fmt.Sprintf("pooled tau: round %d", i+1), r.X, r.Y); err != nil {
			return PooledTau{}, err
		}
		counts[i] = countOrders(r.X, r.Y)
	}
	boot, err := Bootstrap(ctx, len(rounds), func(index []int) float64 {
		var s, nx, ny float64
		for _, i := range index {
			s, nx, ny = s+counts[i].s, nx+counts[i].nx, ny+counts[i].ny
		}
		if nx == 0 || ny == 0 {
			return math.NaN()
		}
		return max(-1, min(1, s/math.Sqrt(nx)/math.Sqrt(ny)))
	}, opt)
	if err != nil {
		return PooledTau{}, fmt.Errorf("pooled tau: %w", err)
	}
	t := PooledTau{Value: boot.Value, StdErr: boot.StdErr, Rounds: len(rounds)}
	if opt.Resamples == 0 {
		opt.Resamples = defaultResamples
	}
	// Bootstrap's doubt of few groups is about its own interval, not this one.
	if boot.Used < opt.Resamples {
		t.Warnings = append(t.Warnings, fmt.Errorf("tau was not defined on %d of %d resamples of the rounds; they are left out", opt.Resamples-boot.Used, opt.Resamples))
	}
	for _, c := range counts {
		t.Pairs += int(c.both)
	}
	t.P, t.Exact = pooledP(counts)
	t.Interval = t.fewRounds(opt.Conf)
	if t.StdErr < 1e-12 || math.Abs(t.Value) == 1 {
		t.Warnings = append(t.Warnings, fmt.Errorf("the %d rounds agree with each other in full, so they set no limit on how far another may stray", t.Rounds))
	}
	return t, nil
}

// fewRounds is Student's interval on Fisher's scale.
func (t PooledTau) fewRounds(conf float64) Interval {
	if t.StdErr < 1e-12 || math.Abs(t.Value) == 1 {
		return Interval{-1, 1}
	}
	g := float64(t.Rounds)
	law := distuv.StudentsT{Sigma: 1, Nu: g - 1}
	half := law.Quantile(0.5+conf/2) * math.Sqrt(g/(g-1)) * t.StdErr / (1 - t.Value*t.Value)
	z := math.Atanh(t.Value)
	return Interval{math.Tanh(z - half), math.Tanh(z + half)}
}

// An orderCount is what tau-b is made of.
type orderCount struct {
	n      int     // things
	s      float64 // concordant pairs less discordant ones
	nx, ny float64 // pairs that a side puts in order
	both   float64 // pairs that both do
	x, y   ties
}

// countOrders counts pair by pair: rounds are small.
func countOrders(x, y []float64) orderCount {
	c := orderCount{n: len(x), x: tiesOf(x), y: tiesOf(y)}
	c.nx, c.ny = pairs(c.n)-c.x.pairs, pairs(c.n)-c.y.pairs
	for i := range x {
		for j := range i {
			if x[i] == x[j] || y[i] == y[j] {
				continue
			}
			c.both++
			if (x[i] < x[j]) == (y[i] < y[j]) {
				c.s++
			} else {
				c.s--
			}
		}
	}
	return c
}

// tiesOf sums over the groups of equal values.
func tiesOf(v []float64) ties {
	r := ranks(v)
	seen := map[float64]float64{}
	for _, rank := range r {
		seen[rank]++
	}
	var sum ties
	for _, t := range seen { // sums of whole numbers: their order is nothing
		sum.pairs += t * (t - 1) / 2
		sum.cubic += t * (t - 1) * (t - 2)
		sum.var5 += t * (t - 1) * (2*t + 5)
	}
	return sum
}

// pooledP is the two-sided p-value of independent rounds without any relation:
// inversions add up, and so do variances.
func pooledP(counts []orderCount) (p float64, exact bool) {
	var s, variance, discordant, all float64
	untied := true
	for _, c := range counts {
		s += c.s
		variance += kendallVariance(float64(c.n), c.x, c.y)
		discordant += (c.both - c.s) / 2
		all += pairs(c.n)
		untied = untied && c.both == pairs(c.n)
	}
	if !untied || all > pooledLimit {
		return math.Erfc(math.Abs(s) / math.Sqrt(variance) / math.Sqrt2), false
	}
	law := []float64{1}
	for _, c := range counts {
		law = convolve(law, inversions(c.n, int(pairs(c.n))))
	}
	return bothTails(law, int(discordant)), true
}
