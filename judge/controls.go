package judge

import (
	"errors"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/pixel"
)

// Look reads a picture's facts from its pixels: turned upright, and with what is
// transparent on mid-grey, as judges are shown it. The error wraps
// [assay.ErrInvalid] if data is not a picture within lim.
func Look(data []byte, lim pixel.Limits) (Pixels, error) { return Pixels{}, errors.ErrUnsupported }

// ImageControls returns questions about a picture whose answers are known from
// its pixels, so that a judge who is steered by what is painted into it fails one.
// Known yes and known no alternate, in an order and in words that seed decides: of
// the first two one is yes and one is no. Only facts that are beyond doubt for
// this picture are asked.
func ImageControls(p Pixels, seed uint64) []assay.Question { return nil }

// controlDimension is the dimension of questions with known answers.
const controlDimension = "control"
