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
	if err != nil {
		return nil, err
	}
	orders, err := s.Orders(ctx, table)
	if err == nil && len(table.IDs()) == 0 && len(orders) == 0 {
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
		b := BallotOf(j)
		if err := table.Add(b); err != nil {
			return nil, fmt.Errorf("judgment %d: %w", j.ID, err)
		}
	}
	return table, s.aboveBar(ctx, table)
}

// Orders returns the rankings that people gave, each as one observation of
// Plackett and Luce's model: the pairs that it implies are not independent. Images
// and raters that the table does not have are added to it.
func (s *Series) Orders(ctx context.Context, table *rank.Table) ([]rank.Order, error) {
	all, err := s.facts.Rankings(ctx, s.name)
	if err != nil {
		return nil, err
	}
	var out []rank.Order
	for _, r := range all {
		if len(r.Order) < 2 {
			continue
		}
		o := rank.Order{Rater: table.InternRater(r.Rater)}
		for _, id := range r.Order {
			o.Items = append(o.Items, table.Intern(id.String()))
		}
		out = append(out, o)
	}
	return out, nil
}

// aboveBar adds what people marked: an interesting image beats the bar, and a
// breakthrough beats it and the other images of the round it was given in.
func (s *Series) aboveBar(ctx context.Context, table *rank.Table) error {
	marks, err := s.Marks(ctx)
	if err != nil {
		return err
	}
	for _, m := range marks {
		b := rank.Ballot{Left: m.Image.String(), Right: rank.BarID, Outcome: assay.Left, Rater: m.Rater, Time: m.Created}
		if m.Round != 0 {
			b.Round = strconv.FormatInt(m.Round, 10)
		}
		if err := table.Add(b); err != nil {
			return fmt.Errorf("mark %d: %w", m.ID, err)
		}
		if m.Kind != assay.Breakthrough || m.Round == 0 {
			continue
		}
		round, err := s.facts.Round(ctx, m.Round)
		if err != nil {
			return err
		}
		beaten := map[assay.Digest]bool{m.Image: true}
		for _, p := range round.Pairs {
			for _, id := range []assay.Digest{p.Left, p.Right} {
				if beaten[id] {
					continue
				}
				beaten[id] = true
				if b.Right = id.String(); table.Add(b) != nil {
					return fmt.Errorf("mark %d against %s cannot be counted", m.ID, id.Short())
				}
			}
		}
	}
	return nil
}

// BallotOf is a judgment as package rank takes it, the images named by their
// digests.
func BallotOf(j assay.Judgment) rank.Ballot {
	b := rank.Ballot{Left: j.Left.String(), Right: j.Right.String(), Outcome: j.Outcome, Rater: j.Rater, Grade: j.Grade, Time: j.Created}
	if j.Round != 0 {
		b.Round = strconv.FormatInt(j.Round, 10)
	}
	return b
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
		out = append(out, assay.Pair{Kind: assay.InformationPair, Left: of[p.Left], Right: of[p.Right], Propensity: p.Propensity,
			Reason: fmt.Sprintf("the ranking learns most from it (%.2f nats expected)", p.EIG)})
	}
	return out, nil
}
