package series

import (
	"context"
	"fmt"
	"strconv"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/rank"
)

// Votes returns the standing judgments of people. Items are named by the
// digests of the images. The error wraps [assay.ErrUnavailable] if there are
// none.
func (s *Series) Votes(ctx context.Context) (*rank.Table, error) {
	table, err := s.votes(ctx)
	if err == nil && len(table.IDs()) == 0 {
		err = fmt.Errorf("series %s has no comparisons yet: `assay serve` asks for some: %w", s.name, assay.ErrUnavailable)
	}
	return table, err
}

func (s *Series) votes(ctx context.Context) (*rank.Table, error) {
	all, err := s.facts.Judgments(ctx, s.name)
	if err != nil {
		return nil, err
	}
	table := &rank.Table{}
	for _, j := range all {
		if j.Withdrawn || j.Source != "human" { // the ranking is people's
			continue
		}
		b := rank.Ballot{Left: j.Left.String(), Right: j.Right.String(), Outcome: j.Outcome, Rater: j.Rater}
		if j.Round != 0 {
			b.Round = strconv.FormatInt(j.Round, 10)
		}
		if err := table.Add(b); err != nil {
			return nil, fmt.Errorf("judgment %d: %w", j.ID, err)
		}
	}
	return table, nil
}

// informativePool is how many images are weighed against each other for the
// most informative pair: all pairs of 200 are 20,000.
const informativePool = 200

// informative lists the pairs the ranking would learn most from, best first.
func (s *Series) informative(ctx context.Context, placed []assay.Digest) ([]assay.Pair, error) {
	table, err := s.votes(ctx)
	if err != nil {
		return nil, err
	}
	var pool []int
	of := map[int]assay.Digest{}
	for k := range min(len(placed), informativePool) { // evenly spaced over the series
		id := placed[k*len(placed)/min(len(placed), informativePool)]
		item := table.Intern(id.String())
		pool, of[item] = append(pool, item), id
	}
	fit, err := rank.Estimate(ctx, len(table.IDs()), table.Votes(), rank.Options{})
	if err != nil {
		return nil, err
	}
	picks, err := rank.NextPairs(fit, pool, maxRound, rank.PairOptions{Seed: uint64(len(table.Votes()))})
	if err != nil {
		return nil, err
	}
	var out []assay.Pair
	for _, p := range picks {
		out = append(out, assay.Pair{Left: of[p.Left], Right: of[p.Right], Propensity: p.Propensity,
			Reason: fmt.Sprintf("the ranking learns most from it (%.2f nats expected)", p.EIG)})
	}
	return out, nil
}
