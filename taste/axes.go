package taste

import (
	"context"
	"errors"

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
// in the unit in which answers were learned: exp(−d²) are the odds of two items
// being taken for the alike ones.
type Map struct {
	Unit    bool        `json:"unit"`
	Weights [][]float64 `json:"weights"` // a row a coordinate
	Offset  []float64   `json:"offset"`
}

// At returns the coordinates of an embedding. A vector of another length, or
// without a direction where that counts, is an error wrapping [assay.ErrInvalid].
func (m *Map) At(v []float32) ([]float64, error) { return nil, errors.ErrUnsupported }

// AxesOptions are the settings of [FitAxes] and [FitDistance]. The zero
// AxesOptions is a good choice.
type AxesOptions struct {
	Axes       int  // coordinates of a map, 2 to 4; 0 means 2
	Components int  // principal components of the embedding that are weighed, at most; 0 means 12
	Folds      int  // of reference items in the trial; 0 means 6
	Old        *Map // in force, which a new map has to beat; nil: the untrained embedding's first components
}

// An AxesTrial says how a fit foresees answers that it has not seen: no answer
// that it was learned from is about the reference of one that it is tried on.
type AxesTrial struct {
	N       int     `json:"n"`              // answers that were foreseen, by both
	Against string  `json:"against"`        // "start": the untrained embedding; or "old": the map in force
	New     *Share  `json:"new,omitempty"`  // answers that the fit foresaw; nil if none was tried
	Old     *Share  `json:"old,omitempty"`  // that what it has to beat foresaw
	Chance  float64 `json:"chance"`         // share that guessing foresees: 1/2 of answers about a reference, 1/3 of odd ones out
	Gain    *Gain   `json:"gain,omitempty"` // New − Old, over the same answers, clustered by their references
	// Accepted says that New exceeds Old by more than half of New's interval.
	Accepted bool   `json:"accepted"`
	Reason   string `json:"reason"` // a sentence for people
}

// FitAxes learns a map of few coordinates from answers, and tries it. The fit
// starts at the first principal components of the embedding and departs from them
// only as far as answers that were held back support.
//
// The error wraps [assay.ErrInvalid] if data or options cannot be meant, and
// [assay.ErrUnavailable] if there are no answers or the items do not differ. A map
// that fails its trial is no error.
func FitAxes(ctx context.Context, d Likenesses, opt AxesOptions) (*Map, AxesTrial, error) {
	return nil, AxesTrial{}, assay.ErrUnavailable
}

// FitDistance learns how far apart one person finds two images: the embedding's
// own distance, with its principal components weighed anew. Errors and trial are
// those of [FitAxes]; Old and Axes do not count.
func FitDistance(ctx context.Context, d Likenesses, opt AxesOptions) (*Distance, AxesTrial, error) {
	return nil, AxesTrial{}, assay.ErrUnavailable
}

// A Distance is how far apart one person finds two images.
type Distance struct{}

// Between returns the distance of two embeddings, at least 0. Errors are those
// of [Map.At].
func (d *Distance) Between(a, b []float32) (float64, error) { return 0, errors.ErrUnsupported }
