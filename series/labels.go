package series

import (
	"context"
	"time"

	"github.com/gen-emerge/assay"
)

// A Label is what people's judgments make of one image.
type Label struct {
	Good bool      `json:"good"`
	Why  string    `json:"why"`         // for people
	At   time.Time `json:"at,omitzero"` // of the judgment or mark that decided
}

// Labels returns the images that the standing judgments of people call good or
// bad. Good is what somebody marked, or preferred to another image, or found equal
// to one. Bad is what was called bad together with another image ("both bad") and
// never good. An image that only lost is neither: it may be good and have met a
// better one.
func (s *Series) Labels(ctx context.Context) (map[assay.Digest]Label, error) {
	all, err := s.facts.Judgments(ctx, s.name)
	if err != nil {
		return nil, err
	}
	marks, err := s.Marks(ctx)
	if err != nil {
		return nil, err
	}
	out := map[assay.Digest]Label{}
	good := func(id assay.Digest, why string, at time.Time) {
		if l, known := out[id]; !known || !l.Good {
			out[id] = Label{true, why, at}
		}
	}
	for _, m := range marks {
		good(m.Image, "marked as "+string(m.Kind), m.Created)
	}
	for _, j := range all {
		if j.Source != "human" || j.Withdrawn {
			continue
		}
		switch j.Outcome {
		case assay.Left:
			good(j.Left, "preferred", j.Created)
		case assay.Right:
			good(j.Right, "preferred", j.Created)
		case assay.Tie:
			good(j.Left, "found equal", j.Created)
			good(j.Right, "found equal", j.Created)
		case assay.BothBad:
			for _, id := range []assay.Digest{j.Left, j.Right} {
				if _, known := out[id]; !known {
					out[id] = Label{false, "called bad", j.Created}
				}
			}
		}
	}
	return out, nil
}
