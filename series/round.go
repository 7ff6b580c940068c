package series

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gen-emerge/assay"
)

// Round sizes: fewer pairs teach too little for the interruption, more tire.
const (
	minRound = 3
	maxRound = 5
)

// OpenRound returns the rater's unfinished round with which of its pairs are
// answered, or a new round of n pairs (3 to 5; 0 means 5; fewer if the series
// has no more to ask). The error wraps [assay.ErrUnavailable] if there is
// nothing to compare.
func (s *Series) OpenRound(ctx context.Context, rater string, n int) (assay.Round, []bool, error) {
	if n == 0 {
		n = maxRound
	}
	if n < minRound || n > maxRound {
		return assay.Round{}, nil, fmt.Errorf("a round of %d pairs: want %d to %d: %w", n, minRound, maxRound, assay.ErrInvalid)
	}
	round, answered, err := s.facts.OpenRound(ctx, s.name, rater)
	if err == nil || !errors.Is(err, assay.ErrNotFound) {
		return round, answered, err
	}
	pairs, err := s.choose(ctx, rater, n)
	if err != nil {
		return assay.Round{}, nil, err
	}
	round = assay.Round{Series: s.name, Rater: rater, Pairs: pairs, Created: s.opt.Now()}
	round.ID, err = s.facts.PutRound(ctx, round)
	return round, make([]bool, len(pairs)), err
}

// randomPairs yields pairs of n things at random: of few things each pair once,
// of many so many draws that only a rater who has answered nearly all of them
// finds nothing new.
func randomPairs(n int) iter.Seq2[int, int] {
	const few = 300 // things whose pairs are listed: 44,850
	return func(yield func(int, int) bool) {
		if n > few {
			for range 100_000 {
				if i, j := rand.IntN(n), rand.IntN(n); i != j && !yield(i, j) {
					return
				}
			}
			return
		}
		for _, k := range rand.Perm(n * n) {
			if i, j := k/n, k%n; i < j && !yield(i, j) {
				return
			}
		}
	}
}

// pairKey names a pair whatever its order.
func pairKey(a, b assay.Digest) [2]assay.Digest {
	if slices.Compare(a[:], b[:]) > 0 {
		a, b = b, a
	}
	return [2]assay.Digest{a, b}
}

// An Answer is what a person says of one pair of a round.
type Answer struct {
	Round   int64
	Pair    int // index in Round.Pairs
	Rater   string
	Outcome assay.Outcome
	Grade   int // −2 … +2, see [assay.Judgment]
	Latency time.Duration
}

// Judge records an answer. It is durable when Judge returns.
func (s *Series) Judge(ctx context.Context, a Answer) (assay.Judgment, error) {
	round, err := s.facts.Round(ctx, a.Round)
	if err != nil {
		return assay.Judgment{}, err
	}
	if round.Series != s.name || round.Rater != a.Rater {
		return assay.Judgment{}, fmt.Errorf("round %d is not one of %s in series %s: %w", a.Round, a.Rater, s.name, assay.ErrNotFound)
	}
	if a.Pair < 0 || a.Pair >= len(round.Pairs) {
		return assay.Judgment{}, fmt.Errorf("round %d has pairs 0 to %d, not %d: %w", a.Round, len(round.Pairs)-1, a.Pair, assay.ErrInvalid)
	}
	p := round.Pairs[a.Pair]
	for _, j := range s.roundJudgments(ctx, a.Round) {
		if j.Left == p.Left && j.Right == p.Right {
			return j, fmt.Errorf("pair %d of round %d is answered; undo it first: %w", a.Pair, a.Round, assay.ErrConflict)
		}
	}
	j := assay.Judgment{
		Series: s.name, Round: a.Round, Rater: a.Rater, Source: "human", Left: p.Left, Right: p.Right,
		Outcome: a.Outcome, Grade: a.Grade, Propensity: p.Propensity, Latency: a.Latency, Created: s.opt.Now(),
	}
	j.ID, err = s.facts.PutJudgment(ctx, j)
	return j, err
}

// roundJudgments lists the standing judgments of a round, oldest first.
func (s *Series) roundJudgments(ctx context.Context, round int64) []assay.Judgment {
	all, err := s.facts.Judgments(ctx, s.name)
	if err != nil {
		return nil // the write that follows meets the same store and says so
	}
	return slices.DeleteFunc(all, func(j assay.Judgment) bool { return j.Round != round || j.Withdrawn })
}

// Undo takes back the rater's latest answer of a round, and returns it. The
// judgment stays on record, marked as withdrawn.
func (s *Series) Undo(ctx context.Context, round int64, rater string) (assay.Judgment, error) {
	answers := slices.DeleteFunc(s.roundJudgments(ctx, round), func(j assay.Judgment) bool { return j.Rater != rater })
	if len(answers) == 0 {
		return assay.Judgment{}, fmt.Errorf("round %d has no answer of %s to undo: %w", round, rater, assay.ErrNotFound)
	}
	last := answers[len(answers)-1]
	last.Withdrawn = true
	return last, s.facts.Withdraw(ctx, last.ID)
}
