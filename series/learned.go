package series

import (
	"context"
	"errors"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/taste"
)

// AxesNote is the kind of the notes that keep learned axes; their body is a
// [LearnedAxes].
const AxesNote = "axes"

// LearnedAxes are the coordinates of one version of a learned map, as axes of an
// archive: "learned@3/1" is the first of version 3. A version never changes.
type LearnedAxes struct {
	Version int             `json:"version"` // from 1, by series
	Rater   string          `json:"rater"`   // whose answers it was learned from
	From    string          `json:"from"`    // "triplets" or "pairs"
	Answers int             `json:"answers"` // that it was learned from
	Last    int64           `json:"last"`    // number of the last triplet, or judgment, that it was learned from
	Eye     assay.Identity  `json:"eye"`     // whose embeddings it reads
	Map     taste.Map       `json:"map"`
	Trial   taste.AxesTrial `json:"trial"`
	Axes    []assay.Axis    `json:"axes"` // with bounds at the 1 % and 99 % quantiles of the series' images
	Created time.Time       `json:"created,omitzero"`
}

// LearnAxesOptions say what axes are learned from.
type LearnAxesOptions struct {
	Rater string
	From  string // "triplets", also if empty, or "pairs"
	Axes  int    // 2 to 4; 0 means 2
	Cells int    // of each axis; 0 means as many as the present map has on its first
	By    string // the instrument whose embeddings are read; empty means the best that nearly all images have
}

// LearnAxes learns axes from a rater's answers, and keeps them as a new version if
// they pass their trial. Nothing moves on the map: that is [Series.Rebin]'s.
func (s *Series) LearnAxes(ctx context.Context, opt LearnAxesOptions) (LearnedAxes, error) {
	return LearnedAxes{}, errors.ErrUnsupported
}

// LearnedVersions returns all learned axes of the series, the oldest first.
func (s *Series) LearnedVersions(ctx context.Context) ([]LearnedAxes, error) {
	return nil, errors.ErrUnsupported
}
