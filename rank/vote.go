package rank

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// A Vote is the outcome of one comparison of two items, which are numbered
// from 0.
type Vote struct {
	Left, Right int           // items in the order shown; never the same
	Outcome     assay.Outcome // assay.Left, assay.Right or assay.Tie; a [Table] resolves the others
	Weight      float64       // multiplies the log-likelihood; at most 1e12, 0 means 1, negative is an error
	// Cluster labels votes that are not independent of each other, for
	// instance those of one rater in one round. 0 means that the vote stands
	// alone.
	Cluster int
	// Unordered says that the two were not shown side by side, so that no side
	// effect can have played a part: votes against the bar are such.
	Unordered bool
}

// maxWeight is the largest weight of a vote. Sums of the squares of as many
// such weights as there can be votes stay far from overflow.
const maxWeight = 1e12

// NoPrior is the value of [Options.Prior] that asks for maximum likelihood.
const NoPrior = -1

// A TieModel says what a tie means.
type TieModel uint8

// The tie models. Davidson estimates how readily judges call a tie, provided
// that there is one; HalfTies takes a tie for half a win of each.
const (
	Davidson TieModel = iota
	HalfTies
)

// Options adjust [Estimate]. The zero Options is a good choice: a standard
// normal prior, Davidson's ties, strengths against the average item.
type Options struct {
	// Prior is the inverse variance of the normal prior, with mean 0, on each
	// strength; 0 means 1. A negative value, such as [NoPrior], asks for
	// maximum likelihood, which is done apart for each strongly connected
	// component of "was beaten by", because between them there is none.
	Prior float64
	Ties  TieModel
	// Side asks for the log-odds that whatever is shown on the left gains by
	// it. No prior is put on it.
	Side bool
	// Reference lists the items whose mean strength is 0, for instance the bar
	// alone. Empty means all items. A fixed reference keeps old strengths where
	// they are when items are added.
	Reference []int
	Tol       float64 // largest change in the last Newton step, in logits; 0 means 1e-8
	MaxIter   int     // Newton steps; 0 means 100
	// Dense is the number of items up to which the covariance of all strengths
	// is computed, which takes 8·n² bytes; 0 means 2000. Beyond it standard
	// errors are local approximations; see [Fit.Local].
	Dense   int
	Workers int // goroutines; 0 means one per CPU; the result does not depend on it
}

// check fills in the defaults and refuses what cannot be meant.
func (o *Options) check(n int) error {
	switch {
	case math.IsNaN(o.Prior) || math.IsInf(o.Prior, 0):
		return fmt.Errorf("rank: prior %g: want an inverse variance, 0 for 1, or NoPrior: %w", o.Prior, assay.ErrInvalid)
	case o.Ties > HalfTies:
		return fmt.Errorf("rank: tie model %d: want Davidson or HalfTies: %w", o.Ties, assay.ErrInvalid)
	case !(o.Tol >= 0) || math.IsInf(o.Tol, 0) || o.MaxIter < 0 || o.Dense < 0 || o.Workers < 0:
		return fmt.Errorf("rank: tolerance %g, %d steps, dense limit %d, %d workers: none may be negative: %w",
			o.Tol, o.MaxIter, o.Dense, o.Workers, assay.ErrInvalid)
	}
	seen := make(map[int]bool, len(o.Reference))
	for _, r := range o.Reference {
		if r < 0 || r >= n || seen[r] {
			return fmt.Errorf("rank: reference item %d: want different items from 0 to %d: %w", r, n-1, assay.ErrInvalid)
		}
		seen[r] = true
	}
	return nil
}

// checkVote refuses a vote that says nothing the model can read.
func checkVote(k, n int, v *Vote) error {
	switch {
	case v.Left < 0 || v.Left >= n || v.Right < 0 || v.Right >= n:
		return fmt.Errorf("rank: vote %d compares items %d and %d: want 0 to %d: %w", k, v.Left, v.Right, n-1, assay.ErrInvalid)
	case v.Left == v.Right:
		return fmt.Errorf("rank: vote %d compares item %d with itself: %w", k, v.Left, assay.ErrInvalid)
	case v.Outcome != assay.Left && v.Outcome != assay.Right && v.Outcome != assay.Tie:
		return fmt.Errorf("rank: vote %d has outcome %q: want left, right or tie; a Table resolves the others: %w", k, v.Outcome, assay.ErrInvalid)
	case !(v.Weight >= 0 && v.Weight <= maxWeight):
		return fmt.Errorf("rank: vote %d has weight %g: want a positive number up to %g, or 0 for 1: %w", k, v.Weight, maxWeight, assay.ErrInvalid)
	}
	return nil
}

// weight is the vote's weight with its default filled in.
func (v *Vote) weight() float64 {
	if v.Weight == 0 {
		return 1
	}
	return v.Weight
}
