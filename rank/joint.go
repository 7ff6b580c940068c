package rank

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/gen-emerge/assay"
)

// A JointVote is a [Vote] with who gave it, how decidedly and when.
type JointVote struct {
	Vote
	Rater int       // from 0; −1 if unknown: then of reliability 1 and without a taste of their own
	Grade int       // −2 (left much better) … +2 (right much better); 0 if not graded
	Time  time.Time // zero if unknown
}

// An Order is one rater's order of several items, best first: one observation of
// Plackett and Luce's model, which for two items is Bradley and Terry's.
type Order struct {
	Items   []int // 2 to 50 different ones, best first
	Rater   int   // as in [JointVote]
	Weight  float64
	Cluster int
}

// JointOptions adjust EstimateJoint. The zero JointOptions is a good choice.
type JointOptions struct {
	Prior float64 // inverse variance of the normal prior on strengths; 0 means 1. There must be one
	// Reliability is the standard deviation of the normal prior, with mean 0, on
	// the logarithm of each rater's reliability; 0 means 0.5, which has 95 % of
	// raters within a factor of 2.7 of the typical one.
	Reliability float64
	// HalfLife is the number of judgments after which one weighs half. 0 asks for
	// the one that forecasts best, or none; a negative one means no decay.
	HalfLife  float64
	Reference []int // items whose mean strength is 0; empty means all
	// Dense is the number of parameters up to which their covariance is computed,
	// which takes 8·n² bytes; 0 means 1500. Beyond it errors are estimated from
	// 100 samples, and are right to about 7 %.
	Dense int
	Quick bool // leave out standard errors and the search for a half-life
}

// A RaterFit is what the joint model finds of one rater.
type RaterFit struct {
	// Reliability multiplies differences in strength before this rater decides: 1
	// is the typical rater, 0 a coin. With a single rater there is nothing to
	// compare with: it is 1 by definition, and StdErr is NaN.
	Reliability float64
	StdErr      float64 // Laplace, of Reliability
	Random      float64 // share of votes that were clicks at random, under a Beta(1,19) prior
	Side        float64 // log-odds this rater gives to what is shown on the left
	Votes       int     // comparisons; an order of k items counts as k−1
}

// A Joint is the outcome of fitting the joint model. It may be read by several
// goroutines at once.
type Joint struct {
	Strength []float64 // of the population of raters, in log-odds against the mean of the reference
	StdErr   []float64 // Laplace; nil under [JointOptions.Quick]
	// Sandwich is the cluster-robust standard error of Strength: honest when votes
	// are weighted, decayed or depend on each other. NaN if there is one cluster.
	Sandwich []float64
	Raters   []RaterFit
	Tie      *Parameter // log ν of Davidson's model; nil if nobody called a tie
	Side     *Parameter // log-odds gained on the left by the typical rater; nil if no pair had sides
	// Own is the standard deviation of a rater's own strengths about the
	// population's, in log-odds; 0 if raters agree but for chance, or if there is
	// one rater.
	Own      float64
	HalfLife *HalfLife // nil if it was neither asked for nor given
	Tally    []Tally
	LogLik   float64 // of the votes and orders, weights included, in nats
	Clusters int
	Draws    int // samples behind StdErr; 0 if it is exact
	Prior    float64
	Steps    int // Newton steps
	Warnings []error

	draws     [][]float64 // of strengths less their estimates, from the posterior; nil under Quick
	reference []int
	component []int
	model     *jointModel
}

// EstimateJoint fits one model to all that several raters said of n items:
//
//	P(outcome) = (1−λ_r)·Graded(d) + λ_r·Random,   d = η_r·(θ_{r,i} − θ_{r,j}) + δ + δ_r
//
// with strengths θ ~ N(0, 1/Prior) of the population, a rater's own
// θ_{r,i} = θ_i + u_{r,i} with u ~ N(0, σ²) where several raters judged,
// reliabilities log η_r ~ N(0, Reliability²), the side effect δ and each rater's
// deviation δ_r ~ N(0, ¼) from it, and shares λ_r ~ Beta(1,19) of clicks at
// random. Graded is Davidson's (1970) model of wins e^{±d/2} and ties ν, with
// e^{±d}·μ for "much better" of raters who say so (adjacent categories; ν and μ
// are estimated, and each rater has a deviation of log ν of their own): a decided
// answer is worth more than a hesitant one by as much as the votes show.
//
// Strengths, sides and ties are at the maximum of the posterior given what is said
// of the raters; reliabilities and σ² are estimated by EM over the doubt about the
// strengths, and λ at its own maximum. The result is then put on the scale of the
// typical rater: the geometric mean of the reliabilities is 1. With one rater, no
// grades and no sides this is [Estimate].
//
// A vote that cannot be meant, an unknown rater or options that cannot be give an
// error wrapping [assay.ErrInvalid]. The votes must be in the order in which they
// were given unless all have times.
func EstimateJoint(ctx context.Context, n, raters int, votes []JointVote, orders []Order, opt JointOptions) (*Joint, error) {
	opt, err := checkJoint(n, raters, votes, orders, opt)
	if err != nil {
		return nil, err
	}
	m := newJointModel(n, raters, votes, orders, opt)
	half, err := m.halfLife(ctx, votes, opt)
	if err != nil {
		return nil, err
	}
	m.decay(votes, half.of(opt))
	if err := m.fit(ctx, 100); err != nil {
		return nil, err
	}
	return m.report(ctx, votes, orders, half, opt)
}

// Refit fits the model to votes and orders of which most are those that j was
// fitted to, beginning where j ended, with j's half-life and hyperparameters and
// without standard errors: for a page that waits for it.
func (j *Joint) Refit(ctx context.Context, n, raters int, votes []JointVote, orders []Order) (*Joint, error) {
	opt := j.model.opt
	opt.Quick = true
	if opt.HalfLife = -1; j.HalfLife != nil && j.HalfLife.Judgments > 0 {
		opt.HalfLife = j.HalfLife.Judgments
	}
	opt, err := checkJoint(n, raters, votes, orders, opt)
	if err != nil {
		return nil, err
	}
	m := newJointModel(n, raters, votes, orders, opt)
	m.from(j.model)
	m.decay(votes, opt.HalfLife)
	if err := m.fit(ctx, 100); err != nil {
		return nil, err
	}
	return m.report(ctx, votes, orders, j.HalfLife, opt)
}

func checkJoint(n, raters int, votes []JointVote, orders []Order, opt JointOptions) (JointOptions, error) {
	base := Options{Prior: opt.Prior, Reference: opt.Reference, Dense: opt.Dense}
	if err := base.check(n); err != nil {
		return opt, err
	}
	if n < 1 {
		return opt, fmt.Errorf("rank: a joint model of %d items: want one or more: %w", n, assay.ErrInvalid)
	}
	if opt.Prior < 0 {
		return opt, fmt.Errorf("rank: the joint model needs a prior on strengths, prior %g is none: %w", opt.Prior, assay.ErrInvalid)
	}
	if !(opt.Reliability >= 0 && opt.Reliability < 100) || math.IsNaN(opt.HalfLife) || math.IsInf(opt.HalfLife, 0) {
		return opt, fmt.Errorf("rank: reliability %g, half-life %g: want a standard deviation and a number of judgments: %w", opt.Reliability, opt.HalfLife, assay.ErrInvalid)
	}
	for k := range votes {
		v := &votes[k]
		if err := checkVote(k, n, &v.Vote); err != nil {
			return opt, err
		}
		if v.Rater < -1 || v.Rater >= raters || v.Grade < -2 || v.Grade > 2 {
			return opt, fmt.Errorf("rank: vote %d by rater %d with grade %d: want raters below %d, -1 for nobody, and grades -2 to 2: %w", k, v.Rater, v.Grade, raters, assay.ErrInvalid)
		}
	}
	for k, o := range orders {
		if err := checkOrder(n, raters, o); err != nil {
			return opt, fmt.Errorf("rank: order %d: %w", k, err)
		}
	}
	if opt.Prior == 0 {
		opt.Prior = 1
	}
	if opt.Reliability == 0 {
		opt.Reliability = 0.5
	}
	if opt.Dense == 0 {
		opt.Dense = 1500
	}
	return opt, nil
}

func checkOrder(n, raters int, o Order) error {
	if len(o.Items) < 2 || len(o.Items) > 50 || o.Rater < -1 || o.Rater >= raters || !(o.Weight >= 0 && o.Weight <= maxWeight) {
		return fmt.Errorf("%d items by rater %d of weight %g: want 2 to 50 items, raters below %d and a weight that is not negative: %w",
			len(o.Items), o.Rater, o.Weight, raters, assay.ErrInvalid)
	}
	seen := map[int]bool{}
	for _, i := range o.Items {
		if i < 0 || i >= n || seen[i] {
			return fmt.Errorf("item %d: want different ones from 0 to %d: %w", i, n-1, assay.ErrInvalid)
		}
		seen[i] = true
	}
	return nil
}
