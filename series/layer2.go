package series

import (
	"context"
	"errors"

	"github.com/gen-emerge/assay"
)

// DeliberateOptions say what jurors are asked. The zero value asks the checklist
// of every image that passed the gates and of 5 % of the others, and compares
// the challengers of each cell with its elite.
type DeliberateOptions struct {
	Images   []assay.Digest // only these; empty means all
	Audit    float64        // share of the refused images that is asked all the same, drawn by Seed; 0 means 0.05, negative none
	Seed     uint64         // of that draw: the same seed draws the same images
	Write    []string       // kinds of notes wanted: "summary", "critique"
	Best     bool           // compare each elite with the best of the series too
	NoPairs  bool           // ask the checklist only
	Parallel int            // images, and pairs, in work at once; 0 means 4
}

// A Deliberation is one thing that was learned, or could not be. It is stored
// before it is told.
type Deliberation struct {
	Image      assay.Digest      `json:"image"`
	Other      assay.Digest      `json:"other,omitzero"` // the other image of a pair
	Judge      assay.Judge       `json:"judge"`
	Answers    []assay.Answer    `json:"answers,omitempty"` // new ones
	Note       *assay.Note       `json:"note,omitempty"`
	Comparison *assay.Comparison `json:"comparison,omitempty"`
	Propensity float64           `json:"propensity,omitempty"` // of a refused image: the probability with which it was drawn; 1 of one that passed
	Done       int               `json:"done"`                 // images, or pairs, finished so far
	Total      int               `json:"total"`                // of so many; of pairs those that are known by now
	Error      string            `json:"error,omitempty"`      // why the image or the pair could not be judged
}

// Deliberate asks the jurors about the images of the series and stores what they
// say as soon as it is learned.
func (s *Series) Deliberate(ctx context.Context, jurors []Juror, opt DeliberateOptions, emit func(Deliberation) error) error {
	return errors.New("series: deliberation is not written yet")
}
