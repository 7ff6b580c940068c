package series

import (
	"context"
	"fmt"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gate"
)

// A Proposal says what people's judgments make of one gate: another threshold,
// another mode, or that more judgments are needed first. Nothing is changed until
// it is applied.
type Proposal struct {
	Gate      string            `json:"gate"`
	InForce   assay.Threshold   `json:"in_force"`
	Proposed  *assay.Threshold  `json:"proposed,omitempty"` // with ID 0; nil if nothing is to be changed
	Automatic bool              `json:"automatic"`          // within the limits of what is applied without asking
	Good      int               `json:"good"`               // images with a reading that this creator's judgments call good
	Bad       int               `json:"bad"`                // likewise bad
	Missing   int               `json:"missing"`            // good ones still missing for the guarantee
	Refusals  *gate.RefusalEstimate `json:"refusals,omitempty"` // what the gate loses, by the audits of what it refused
	Reason    string            `json:"reason"`             // a sentence for people
}
