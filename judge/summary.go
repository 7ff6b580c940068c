package judge

import (
	"context"
	"errors"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A Claim is a sentence about a picture and what became of it when it was put
// as a question.
type Claim struct {
	Text    string       `json:"text"`
	Belief  assay.Belief `json:"belief"`
	Dropped string       `json:"dropped,omitempty"` // why; empty if it was kept
}

// A Summary is two or three sentences about a picture.
type Summary struct {
	Text      string  `json:"text"`                // the claims that were kept
	Claims    []Claim `json:"claims"`              // all, in the order written
	Abstained string  `json:"abstained,omitempty"` // why there is none
}

// Summarise asks for two or three sentences about a picture, given the answers
// that were already fixed, and verifies each of them.
func Summarise(ctx context.Context, m vlm.Model, s Subject, answers []assay.Answer, opt Options) (Summary, error) {
	return Summary{}, errors.ErrUnsupported
}
