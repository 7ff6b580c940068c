package metric

import (
	"context"
	"slices"

	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/pixel"
)

// Flops returns how many floating-point operations [Instrument.Exercise] takes for
// one picture of [Instrument.ExerciseSide], a multiplication and an addition
// counted as two: products of matrices only, which are all but a few percent. It is
// 0 for an instrument without large networks.
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

// ExerciseSide returns the height and width in pixels of a picture that
// [Instrument.Exercise] need not resize: that of the largest network, or of the
// pairs that are compared.
func (in *Instrument) ExerciseSide() int {
	side := 1
	for _, t := range slices.Concat(in.towers, in.inner) {
		side = max(side, t.row.network().Side())
	}
	if in.exercise != nil {
		side = max(side, in.exercise.side)
	}
	return side
}

// Exercise runs the networks that in stands on once for p, for whoever times them:
// of most instruments the vision networks alone, of ImageReward also the one that
// reads the prompt, with a prompt of its own; of one that compares two pictures, both
// sides of the comparison. Errors are those of [Instrument.Embeddings].
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
	side  int     // of the picture that flops are counted for; 0 if they do not depend on it
	run   func(context.Context, *Picture) error
}

// pairSide is the side of the pictures with which comparisons are timed.
const pairSide = 256

// pairExercise compares a picture with itself, which costs what any two cost, at
// pairSide×pairSide pixels whatever its size.
func pairExercise(in *Instrument, t backbone.Trunk) *exercise {
	return &exercise{flops: 2 * t.Flops(pairSide, pairSide), side: pairSide, run: func(ctx context.Context, p *Picture) error {
		if p.Width != pairSide || p.Height != pairSide {
			img, err := p.RGB().Resize(pairSide, pairSide, pixel.Bilinear)
			if err != nil {
				return err
			}
			p = NewPicture(img)
		}
		_, _, err := in.distance(ctx, p, p)
		return err
	}}
}
