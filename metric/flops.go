package metric

import "context"

// Flops returns how many floating-point operations [Instrument.Exercise] takes for
// one picture, a multiplication and an addition counted as two: products of
// matrices only, which are all but a percent or two. It is 0 for an instrument
// without towers.
func (in *Instrument) Flops() float64 {
	total := 0.0
	for _, t := range in.towers {
		total += t.row.network().Flops()
	}
	for _, t := range in.inner {
		total += t.row.network().Flops()
	}
	if in.exercise != nil {
		total += in.exercise.flops
	}
	return total
}

// Exercise runs the networks that in stands on once for p, for whoever times them:
// of most instruments the vision networks alone, of ImageReward also the one that
// reads the prompt, with a prompt of its own. Errors are those of
// [Instrument.Embeddings].
func (in *Instrument) Exercise(ctx context.Context, p *Picture) error {
	if in.exercise == nil {
		_, err := in.Embeddings(ctx, p)
		return err
	}
	if err := in.ready(ctx, p); err != nil {
		return err
	}
	return in.exercise.run(ctx, p)
}

// An exercise is what an instrument does to be timed, where its embeddings are not
// all that its networks make.
type exercise struct {
	flops float64 // of the networks that are no towers
	run   func(context.Context, *Picture) error
}
