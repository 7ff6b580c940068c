package series

import (
	"context"
	"errors"

	"github.com/gen-emerge/assay"
)

// AuditNote is the kind of the notes that examinations leave; the field "trust"
// of their body is an [assay.Trust].
const AuditNote = "audit"

// Trusts returns what the newest examination of each judge in this series found,
// in the order in which the judges were first examined.
func (s *Series) Trusts(ctx context.Context) ([]assay.Trust, error) {
	return nil, errors.New("series: trusts are not written yet")
}

// A Weighed is a comparison by a model, and what it weighs in the archive.
type Weighed struct {
	assay.Comparison
	Counts   bool    `json:"counts"`             // whether it is part of the evidence about its pair
	Accuracy float64 `json:"accuracy,omitempty"` // with which it counts: the judge's, discounted where several judged the pair
	Decided  bool    `json:"decided,omitempty"`  // whether it made one of the two the elite of their cell
	Why      string  `json:"why"`                // a sentence: why it does not count, or what it weighs
}
