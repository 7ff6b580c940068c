package assay

import (
	"encoding/json"
	"time"
)

// An Embedding is a vector an instrument reads from one image, kept so that
// nearest neighbours need no second pass.
type Embedding struct {
	Identity
	Image  Digest
	Vector []float32
}

// A Neighbour is the nearest earlier image of the series, by one distance. It
// is a fact about the moment of arrival: later images do not change it.
type Neighbour struct {
	Identity
	Series  string  `json:"series"`
	Seq     int64   `json:"seq"`     // the entry whose neighbour this is
	Nearest Digest  `json:"nearest"` // zero for the first image of a series
	Value   float64 `json:"value"`   // distance; meaningless if Nearest is zero
}

// A Measurement is all that measuring one entry yields. Recording it twice
// changes nothing.
type Measurement struct {
	Series     string
	Seq        int64
	Readings   []Reading
	Embeddings []Embedding
	Neighbours []Neighbour
}

// A Control is a number measured on a copy of an image that was changed on
// purpose, or on an image with a prompt that is not its own: what "the same
// picture", "a damaged picture" or "any other prompt" reads like in this
// series. Thresholds are computed from controls.
type Control struct {
	Identity
	Series    string    `json:"series"`
	Image     Digest    `json:"image"`
	Transform string    `json:"transform"` // "none" for the image itself, else what was done: "jpeg q=85", "prompt 4f2a…" (the text's digest)
	Value     float64   `json:"value"`     // of the changed copy, or its distance from the image
	Created   time.Time `json:"created,omitzero"`
}

// A Threshold is the number a gate compares a reading with, and the evidence
// it was computed from. The newest one of a gate rules; older ones stay.
type Threshold struct {
	Identity
	ID       int64           `json:"id"`
	Series   string          `json:"series"`
	Gate     string          `json:"gate"`
	Value    float64         `json:"value"`
	Fails    string          `json:"fails"`  // "below" or "above": which side of Value fails; Value itself passes
	Mode     GateMode        `json:"mode"`   // what the evidence supports
	Source   string          `json:"source"` // "controls", or "own images": no human judgment yet
	Reason   string          `json:"reason"` // a sentence for people
	Evidence json.RawMessage `json:"evidence"`
	Created  time.Time       `json:"created,omitzero"`
}

// An Axis is one descriptor of a grid, cut into equal cells between bounds.
type Axis struct {
	Descriptor string  `json:"descriptor"` // an instrument's name, "checklist:DIMENSION" or "answer:QUESTION-ID"
	Lo         float64 `json:"lo"`         // lower bound of the first cell
	Hi         float64 `json:"hi"`         // upper bound of the last cell; values outside are clamped and counted
	Cells      int     `json:"cells"`      // at least 1
}

// A GridSpec is the shape of a series' archive. The newest one rules; older
// ones stay, so that every past placement can be explained.
type GridSpec struct {
	ID      int64     `json:"id"`
	Series  string    `json:"series"`
	Axes    []Axis    `json:"axes"`   // two to four
	Reason  string    `json:"reason"` // where the bounds come from, for people
	Created time.Time `json:"created,omitzero"`
}

// Placement is what the archive did with an image.
type Placement string

// The placements. Refused images are kept as facts; a challenger waits for
// somebody to compare it with the elite of its cell.
const (
	Added      Placement = "added"      // the cell was empty
	Improved   Placement = "improved"   // it replaced the elite after a comparison
	Challenger Placement = "challenger" // the cell is occupied
	Refused    Placement = "refused"    // an enforced gate failed
	Unplaced   Placement = "unplaced"   // a descriptor was not measured
)

// A Decision is what was done with an entry, and why, as it was told to the
// caller. Decisions are appended, never changed: a later one with another basis
// explains what changed.
type Decision struct {
	Series    string       `json:"series"`
	Seq       int64        `json:"seq"`
	Image     Digest       `json:"image"`
	Placement Placement    `json:"placement"`
	Cell      []int        `json:"cell,omitempty"`     // index on each axis
	Incumbent Digest       `json:"incumbent,omitzero"` // the elite met in the cell
	Gates     []GateResult `json:"gates"`              // in the order they were asked
	Basis     string       `json:"basis"`              // ids of the thresholds and the grid used
	Created   time.Time    `json:"created,omitzero"`
}
