package taste

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// Bar is the item that "both bad" loses to and that a marked image beats. It
// has no features: each person's bar is a number of its own.
const Bar = -1

// An Item is what is known of one image, whoever judges it.
type Item struct {
	Vector   []float32 // its embedding, of one length for all items; nil if the reward stands on readings alone
	Readings []float64 // of the same descriptors in the same order for all items; NaN where not measured
	// Group names what must not be split between learning and testing: images
	// of one prompt, say. Images that stand for themselves have groups of their own.
	Group int
}

// A Vote is what one person said of two items, in the order shown.
type Vote struct {
	Left, Right int           // indices of items; Right may be [Bar]
	Outcome     assay.Outcome // Left, Right, Tie, or BothBad; Skip says nothing and is left out
	Rater       int           // from 0
	Cluster     int           // votes given together, a round, share one; their errors may be alike
}

// Data is what a reward is learned from. Its slices are not changed.
type Data struct {
	Items []Item
	Votes []Vote
}

// check returns how long vectors and readings are.
func (d Data) check() (vector, readings int, err error) {
	if len(d.Items) == 0 {
		return 0, 0, fmt.Errorf("taste: no items: %w", assay.ErrInvalid)
	}
	vector, readings = len(d.Items[0].Vector), len(d.Items[0].Readings)
	for i, it := range d.Items {
		if len(it.Vector) != vector || len(it.Readings) != readings {
			return 0, 0, fmt.Errorf("taste: item %d has %d coordinates and %d readings, item 0 has %d and %d: %w",
				i, len(it.Vector), len(it.Readings), vector, readings, assay.ErrInvalid)
		}
		for k, x := range it.Vector {
			if x := float64(x); math.IsNaN(x) || math.IsInf(x, 0) {
				return 0, 0, fmt.Errorf("taste: item %d: coordinate %d is %g: %w", i, k, x, assay.ErrInvalid)
			}
		}
	}
	for k, v := range d.Votes {
		switch {
		case v.Left < 0 || v.Left >= len(d.Items) || v.Right < Bar || v.Right >= len(d.Items) || v.Left == v.Right:
			err = fmt.Errorf("items %d and %d of %d", v.Left, v.Right, len(d.Items))
		case v.Rater < 0:
			err = fmt.Errorf("rater %d", v.Rater)
		case v.Outcome != assay.Left && v.Outcome != assay.Right && v.Outcome != assay.Tie && v.Outcome != assay.BothBad && v.Outcome != assay.Skip,
			v.Outcome == assay.BothBad && v.Right == Bar:
			err = fmt.Errorf("outcome %q", v.Outcome)
		}
		if err != nil {
			return 0, 0, fmt.Errorf("taste: vote %d: %w: %w", k, err, assay.ErrInvalid)
		}
	}
	return vector, readings, nil
}

// A row is one likelihood term: the difference of two items' columns and what
// was said of it.
type row struct {
	z           []float64
	y           float64 // 1: the left is better; −1: the right; 0: a tie
	rater       int
	left, right int // items; right may be [Bar]
	vote        int // index in Data.Votes
}

// rows turns votes into likelihood terms, "both bad" into three: a tie, and a
// loss of each against the bar. Columns are the features, then the bar, then
// the side shown first.
func (d Data) rows(x [][]float64) []row {
	if len(x) == 0 {
		return nil
	}
	p := len(x[0])
	between := func(left, right int) []float64 {
		z := make([]float64, p+2)
		copy(z, x[left])
		if right == Bar {
			z[p] = -1
			return z
		}
		for k, v := range x[right] {
			z[k] -= v
		}
		z[p+1] = 1
		return z
	}
	var out []row
	for k, v := range d.Votes {
		add := func(left, right int, y float64) {
			out = append(out, row{between(left, right), y, v.Rater, left, right, k})
		}
		switch v.Outcome {
		case assay.Left:
			add(v.Left, v.Right, 1)
		case assay.Right:
			add(v.Left, v.Right, -1)
		case assay.Tie:
			add(v.Left, v.Right, 0)
		case assay.BothBad:
			add(v.Left, v.Right, 0)
			add(v.Left, Bar, -1)
			add(v.Right, Bar, -1)
		}
	}
	return out
}
