package taste

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// A Likeness is one answer about three different items: A and B are more like
// each other than Odd is like them.
type Likeness struct {
	A, B, Odd int // indices of items
	// Ref says that only A was asked about: it is more like B than like Odd. Else
	// the question was which of the three is the odd one out.
	Ref bool
	// After says that the answer is younger than the map in force, which so has not
	// learned from it. Without a map in force it means nothing.
	After bool
}

// Likenesses are what a map or a distance is learned from. Its slices are not
// changed.
type Likenesses struct {
	Vectors [][]float32 // embeddings of the items, of one length
	Unit    bool        // whether only the embeddings' directions count, as where their distance is the cosine's
	Answers []Likeness
}

// A Map turns an embedding into a few coordinates: Weights·x − Offset, x being
// the embedding, brought to length 1 first if Unit. Distances of coordinates are
// in the unit in which answers were learned: of three items, two are taken for
// the alike ones with odds exp(−d²).
type Map struct {
	Unit    bool        `json:"unit"`
	Weights [][]float64 `json:"weights"` // a row a coordinate
	Offset  []float64   `json:"offset"`
}

// At returns the coordinates of an embedding. A vector of another length, or
// without a direction where that counts, is an error wrapping [assay.ErrInvalid].
func (m *Map) At(v []float32) ([]float64, error) {
	x, err := wide(v, m.Unit)
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(m.Weights))
	for r, w := range m.Weights {
		if len(w) != len(x) {
			return nil, fmt.Errorf("taste: a vector of %d coordinates, the map reads %d: %w", len(x), len(w), assay.ErrInvalid)
		}
		out[r] = dot(w, x) - m.Offset[r]
	}
	return out, nil
}

// A Distance is how far apart one person finds two images: d² = Rest·|x−y|² plus
// what the principal components add to or take from it.
type Distance struct {
	Map  Map     `json:"map"`  // the weighed components
	Rest float64 `json:"rest"` // weight of what lies outside the components, squared
	Span Map     `json:"span"` // the components themselves
}

// Between returns the distance of two embeddings, at least 0, in the unit in
// which answers were learned. Errors are those of [Map.At].
func (d *Distance) Between(a, b []float32) (float64, error) {
	whole := 0.0
	x, err := wide(a, d.Map.Unit)
	if err != nil {
		return 0, err
	}
	y, err := wide(b, d.Map.Unit)
	if err != nil {
		return 0, err
	}
	if len(x) != len(y) {
		return 0, fmt.Errorf("taste: vectors of %d and %d coordinates: %w", len(x), len(y), assay.ErrInvalid)
	}
	for k := range x {
		whole += (x[k] - y[k]) * (x[k] - y[k])
	}
	part := func(m *Map) (sum float64, err error) {
		p, err := m.At(a)
		if err != nil {
			return 0, err
		}
		q, err := m.At(b)
		for k := range q {
			sum += (p[k] - q[k]) * (p[k] - q[k])
		}
		return sum, err
	}
	inside, err := part(&d.Span)
	if err != nil {
		return 0, err
	}
	weighed, err := part(&d.Map)
	return math.Sqrt(weighed + d.Rest*max(0, whole-inside)), err
}

// wide returns a vector in float64, of length 1 if unit.
func wide(v []float32, unit bool) ([]float64, error) {
	out, sum := make([]float64, len(v)), 0.0
	for k, x := range v {
		out[k] = float64(x)
		sum += out[k] * out[k]
	}
	if !unit {
		return out, nil
	}
	if !(sum > 0) || math.IsInf(sum, 0) {
		return nil, fmt.Errorf("taste: a vector of length %g has no direction: %w", math.Sqrt(sum), assay.ErrInvalid)
	}
	for k := range out {
		out[k] /= math.Sqrt(sum)
	}
	return out, nil
}

// AxesOptions are the settings of [FitAxes] and [FitDistance]. The zero
// AxesOptions is a good choice.
type AxesOptions struct {
	Axes       int // coordinates of a map, 2 to 4; 0 means 2
	Components int // principal components of the embedding that are weighed, at most; 0 means 12
	Folds      int // of items in the trial; 0 means 6
	// Old holds the items' coordinates under the map in force, which a new map has
	// to beat; nil: it has to beat the embedding's first components.
	Old [][]float64
	// Untried leaves the trial out, for callers that hold answers back themselves.
	Untried bool
}

// An AxesTrial says how a fit foresees answers that it has not seen: no answer
// that it was learned from is about the reference of one that it is tried on (of
// an odd one out, about either of the two that are alike).
type AxesTrial struct {
	N       int     `json:"n"`              // answers that were foreseen, by both
	Against string  `json:"against"`        // "the untrained embedding" or "the map in force"
	New     *Share  `json:"new,omitempty"`  // answers that the fit foresaw; nil if none was tried
	Old     *Share  `json:"old,omitempty"`  // that what it has to beat foresaw
	Chance  float64 `json:"chance"`         // share that guessing foresees: 1/2 of answers about a reference, 1/3 of odd ones out
	Gain    *Gain   `json:"gain,omitempty"` // New − Old over the same answers, clustered by A
	// Accepted says that New exceeds Old by more than half the width of New's
	// interval.
	Accepted bool   `json:"accepted"`
	Reason   string `json:"reason"` // a sentence for people
}

// check refuses what cannot be meant.
func (d Likenesses) check(opt AxesOptions) error {
	if opt.Axes < 0 || opt.Axes == 1 || opt.Axes > 4 || opt.Components < 0 || opt.Folds < 0 || opt.Folds == 1 || opt.Folds > 50 {
		return fmt.Errorf("taste: %d axes, %d components, %d folds: want 2 to 4 axes and 2 to 50 folds: %w", opt.Axes, opt.Components, opt.Folds, assay.ErrInvalid)
	}
	if opt.Old != nil && len(opt.Old) != len(d.Vectors) {
		return fmt.Errorf("taste: the map in force has %d items, there are %d: %w", len(opt.Old), len(d.Vectors), assay.ErrInvalid)
	}
	items := Data{}
	for _, v := range d.Vectors {
		items.Items = append(items.Items, Item{Vector: v})
	}
	if _, _, err := items.check(); err != nil {
		return err
	}
	n := len(d.Vectors)
	for k, a := range d.Answers {
		if min(a.A, a.B, a.Odd) < 0 || max(a.A, a.B, a.Odd) >= n || a.A == a.B || a.A == a.Odd || a.B == a.Odd {
			return fmt.Errorf("taste: answer %d: items %d, %d and %d of %d: %w", k, a.A, a.B, a.Odd, n, assay.ErrInvalid)
		}
	}
	if len(d.Answers) == 0 {
		return fmt.Errorf("taste: nobody has said yet which images are alike: %w", assay.ErrUnavailable)
	}
	return nil
}
