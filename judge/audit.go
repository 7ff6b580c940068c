package judge

import (
	"context"
	"errors"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// Material is what an examination can be made of. Each part may be empty: the
// checks that need it then say that they had not enough data.
type Material struct {
	Subjects  []Subject        // pictures of the series, for controls and degraded pairs
	Pairs     []HumanPair      // what people decided, without ties
	Answers   []assay.Answer   // people's answers; answers of the examined judge itself are used too, and save calls
	Questions []assay.Question // the questions in use, twins among them
}

// A HumanPair is a pair of pictures that a person decided.
type HumanPair struct {
	A, B   Subject
	AWins  bool
	Weight float64 // chance of being drawn relative to others where the calls do not suffice for all; 0 means 1
}

// AuditOptions adjust an examination. The zero value is a good choice.
type AuditOptions struct {
	Calls     int              // bound on requests; 0 means 200
	Seed      uint64           // of every draw; equal seeds and replies give equal reports
	Parallel  int              // requests in flight at most; 0 means 4
	Ask       Options          // how the judge is asked in use
	Absolute  bool             // also run the foil, with FoilCalls requests of its own
	FoilCalls int              // 0 means 60
	Now       func() time.Time // nil means time.Now
}

// A Report is what an examination found.
type Report struct {
	Trust assay.Trust `json:"trust"`
}

// Audit examines a judge.
func Audit(ctx context.Context, m vlm.Model, mat Material, opt AuditOptions) (Report, error) {
	return Report{}, errors.ErrUnsupported
}
