package judge

import (
	"context"
	"errors"

	"github.com/gen-emerge/assay/judge/vlm"
)

// A FoilReport says how the discredited absolute prompt did.
type FoilReport struct{}

// Foil runs the absolute 1 to 10 prompt, whose numbers are never readings.
func Foil(ctx context.Context, m vlm.Model, subjects []Subject, pairs []HumanPair, opt AuditOptions) (FoilReport, error) {
	return FoilReport{}, errors.ErrUnsupported
}
