package judge

import (
	"context"
	"errors"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A Criterion is what a judge is told that "better" means.
type Criterion struct {
	Name       string // "art"
	Text       string // ends a sentence that begins "The better picture is the one that"
	WithPrompt bool   // the pictures' prompts are shown
}

// String returns the criterion's name and version, as a comparison stores it:
// "art@" and the first 12 hex digits of the SHA-256 of what it says.
func (c Criterion) String() string { return c.Name }

// DefaultCriterion is for an open-ended series of art.
func DefaultCriterion() Criterion { return Criterion{Name: "art", Text: "TODO"} }

// Compare shows a judge two pictures in both orders.
func Compare(ctx context.Context, m vlm.Model, a, b Subject, opt Options) (assay.Comparison, error) {
	return assay.Comparison{}, errors.ErrUnsupported
}
