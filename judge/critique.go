package judge

import (
	"context"
	"errors"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A Weakness is something a judge holds against a picture.
type Weakness struct {
	Text     string       `json:"text"`
	Category string       `json:"category"`          // one of [Categories]
	Box      *[4]float64  `json:"box,omitempty"`     // x0, y0, x1, y1 in [0,1], origin top left; nil if Part says where
	Part     string       `json:"part,omitempty"`    // "left hand"
	Here     assay.Belief `json:"here"`              // that it is so, by the verifier
	Wrong    assay.Belief `json:"wrong"`             // that it is so of an unrelated picture
	Dropped  string       `json:"dropped,omitempty"` // why; empty if it was kept
}

// Categories returns the categories a weakness may have.
func Categories() []string { return nil }

// A Critique is up to three verified weaknesses; none is a good answer.
type Critique struct {
	Weaknesses []Weakness  `json:"weaknesses"`          // those that were verified
	Dropped    []Weakness  `json:"dropped,omitempty"`   // those that were not, with reasons
	Verifier   assay.Judge `json:"verifier"`            // who verified
	Abstained  string      `json:"abstained,omitempty"` // why there is none
}

// Criticise asks m for up to three weaknesses of s and the verifier whether each
// is there, and whether it is on an unrelated picture as well.
func Criticise(ctx context.Context, m, verifier vlm.Model, s, wrong Subject, opt Options) (Critique, error) {
	return Critique{}, errors.ErrUnsupported
}
