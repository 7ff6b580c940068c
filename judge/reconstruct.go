package judge

import (
	"context"
	"errors"

	"github.com/gen-emerge/assay/judge/vlm"
)

// A Generator makes a picture from a caption.
type Generator interface {
	// Generate returns an encoded picture.
	Generate(ctx context.Context, caption string, seed int64) ([]byte, error)
}

// A Reconstruction says how well a picture can be described: describability, not
// quality.
type Reconstruction struct {
	Caption    string    `json:"caption"`
	Seeds      []int64   `json:"seeds"`
	Own        []float64 `json:"own"`  // distances to what was made from the caption, one a seed
	Null       []float64 `json:"null"` // distances to what was made from wrong captions
	Quantile   float64   `json:"quantile"`
	Difference float64   `json:"difference"` // mean of Null less mean of Own
	Low        *float64  `json:"low"`        // 95 % interval of Difference; null if there are too few distances
	High       *float64  `json:"high"`
	Abstained  string    `json:"abstained,omitempty"`
}

// Reconstruct captions a picture, has it made again from the caption, and
// measures how far the result is from the picture.
func Reconstruct(ctx context.Context, m vlm.Model, s Subject, g Generator, distance func(ctx context.Context, a, b []byte) (float64, error), wrongCaptions []string, opt Options) (Reconstruction, error) {
	return Reconstruction{}, errors.ErrUnsupported
}
