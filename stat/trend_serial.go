package stat

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/gen-emerge/assay"
)

// A Serial says whether things that came one after the other are more alike
// than things of the same stretch.
type Serial struct {
	Closer float64 // mean distance of all pairs of a stretch over that of neighbours in time; 1 if the order says nothing, NaN if neighbours are all the same
	Chance         // of "neighbours are closer", if the things of a stretch could have come in any order
}

const (
	serialStretch = 20 // things in a stretch
	serialLimit   = 50 // stretches looked at, evenly spread
)

// SerialDependence compares things, or the first things of batches, with those
// that came next, inside stretches of 20. The p-value draws orders inside the
// stretches only, so that slow changes do not show: what does is that things
// come in batches, of which the tests of a trend must be told. Fewer than one
// stretch is an error wrapping [assay.ErrInvalid].
func SerialDependence(ctx context.Context, n int, dist Dist, opt TrendOptions) (Serial, error) {
	opt = opt.withDefaults()
	m := n / opt.Batch / serialStretch
	if m < 1 {
		return Serial{}, fmt.Errorf("serial dependence: %d things in batches of %d: at least %d are needed: %w",
			n, opt.Batch, serialStretch*opt.Batch, assay.ErrInvalid)
	}
	var stretches []*Distances
	all, near := 0.0, 0.0
	for _, s := range ThinEvenly(m, serialLimit, 1) {
		at := make([]int, serialStretch)
		for k := range at {
			at[k] = (s*serialStretch + k) * opt.Batch
		}
		d, err := dist.of(ctx, at)
		if err != nil {
			return Serial{}, err
		}
		stretches = append(stretches, d)
		order := span(Window{0, serialStretch})
		near += steps(d, order)
		for i := range order {
			for j := range i {
				all += d.At(i, j)
			}
		}
	}
	out := Serial{Closer: all / pairs(serialStretch) / (near / (serialStretch - 1))}
	order := span(Window{0, serialStretch})
	var err error
	out.Chance, err = chance(ctx, rand.New(rand.NewPCG(opt.Seed, 4)), -near, opt, func(rng *rand.Rand) float64 {
		sum := 0.0
		for _, d := range stretches {
			shuffle(rng, order)
			sum += steps(d, order)
		}
		return -sum
	})
	return out, err
}

// steps adds up the distances from each thing to the next.
func steps(d *Distances, order []int) float64 {
	sum := 0.0
	for i := 1; i < len(order); i++ {
		sum += d.At(order[i-1], order[i])
	}
	return sum
}
