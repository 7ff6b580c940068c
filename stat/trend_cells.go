package stat

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/gen-emerge/assay"
)

// EntropyMillerMadow returns the entropy of a histogram of whole counts in nats
// with the first-order correction of its bias: the plug-in estimate of [Entropy]
// plus (occupied cells − 1)/(2·total) (Miller 1955). It still falls short where
// many cells hold one thing each. Errors are those of [Entropy].
func EntropyMillerMadow(counts []float64) (float64, error) {
	nats, _, err := Entropy(counts)
	if err != nil {
		return 0, err
	}
	total, occupied := 0.0, 0.0
	for _, c := range counts {
		total += c
		if c > 0 {
			occupied++
		}
	}
	return nats + (occupied-1)/(2*total), nil
}

// An Occupancy compares how things of two windows spread over cells.
type Occupancy struct {
	First, Last float64 // plug-in entropies in nats: both are biased low alike, since the windows are of one length
	FirstCells  int     // cells that things of the first window fell into
	LastCells   int     // and of the last
	Chance              // of "the last spread less", if the things of both windows could have come in any order
}

// CompareOccupancy compares the entropy of the cells that the things of the last
// window fell into with that of the first; cells[i] is the cell of thing i, any
// number. The p-value is one-sided, for less spread, and exact if batches are
// exchangeable. Windows of different length, overlapping, outside the things or
// not of whole batches are errors wrapping [assay.ErrInvalid].
func CompareOccupancy(ctx context.Context, cells []int, first, last Window, opt TrendOptions) (Occupancy, error) {
	opt = opt.withDefaults()
	if err := twoWindows("compare occupancy", first, last, opt.Batch); err != nil {
		return Occupancy{}, err
	}
	for _, w := range []Window{first, last} {
		if w.From < 0 || w.To > len(cells) {
			return Occupancy{}, fmt.Errorf("compare occupancy: window %d to %d of %d things: %w", w.From, w.To, len(cells), assay.ErrInvalid)
		}
	}
	// Cells are numbered anew, from 0, in the order of their first thing.
	number := map[int]int{}
	var labels []int
	for _, w := range []Window{first, last} {
		for _, c := range cells[w.From:w.To] {
			if _, ok := number[c]; !ok {
				number[c] = len(number)
			}
			labels = append(labels, number[c])
		}
	}
	half := first.Len() / opt.Batch
	order := make([]int, 2*half)
	for i := range order {
		order[i] = i
	}
	counts := make([]float64, len(number))
	entropy := func(members []int) (nats float64, occupied int) {
		clear(counts)
		for _, b := range members {
			for _, c := range labels[b*opt.Batch : (b+1)*opt.Batch] {
				counts[c]++
			}
		}
		for _, c := range counts {
			if c > 0 {
				occupied++
			}
		}
		nats, _, _ = Entropy(counts) // windows are not empty, and counts not negative: there is no error to make
		return nats, occupied
	}
	var o Occupancy
	o.First, o.FirstCells = entropy(order[:half])
	o.Last, o.LastCells = entropy(order[half:])
	rng := rand.New(rand.NewPCG(opt.Seed, 3))
	var err error
	o.Chance, err = chance(ctx, rng, o.First-o.Last, opt, func(rng *rand.Rand) float64 {
		shuffle(rng, order)
		f, _ := entropy(order[:half])
		l, _ := entropy(order[half:])
		return f - l
	})
	o.Least = max(o.Least, 1/arrangements(2*half, half))
	return o, err
}
