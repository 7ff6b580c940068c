package stat

import (
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
)

// A Conformal is the boldest setting whose expected loss is promised to be at most
// Alpha, over the labels and the next thing together: weaker than the promise of
// [Threshold], which holds for the rate itself, and had for fewer labels.
type Conformal struct {
	Value float64 `json:"value"` // the setting; a score equal to a threshold passes
	Index int     `json:"index"` // its place: among the settings, or among the sorted scores from the failing end, from 0
	N     int     `json:"n"`     // labels used
	Alpha float64 `json:"alpha"` // largest expected loss
	Risk  float64 `json:"risk"`  // n/(n+1)·R̂ + B/(n+1) reached; at most Alpha
}

// ConformalMin returns the smallest number of labels for which conformal risk
// control can promise an expected loss of at most alpha, where no loss is above
// bound: n ≥ bound/alpha − 1, 19 for 0.05 and 9 for 0.1 of losses up to 1. Alpha
// and bound must be above 0 and finite, and no more than 2^40 labels needed, or
// the error wraps [assay.ErrInvalid].
func ConformalMin(alpha, bound float64) (int, error) {
	if !(alpha > 0 && bound > 0) || math.IsInf(alpha, 0) || math.IsInf(bound, 0) || bound/alpha > 1<<40 {
		return 0, fmt.Errorf("conformal risk: alpha %g and losses up to %g: want both above 0 and no more than 2^40 labels: %w", alpha, bound, assay.ErrInvalid)
	}
	return max(1, int(math.Ceil(bound/alpha-1-1e-9))), nil // 1e-9: 1/0.05 is no whole number in binary
}

// ConformalRisk returns the first of the settings, which become more cautious one
// after the other, for which n/(n+1)·R̂ + bound/(n+1) ≤ alpha (conformal risk
// control: Angelopoulos, Bates, Fisch, Lei and Schuster, ICLR 2024). R̂ is the mean
// of loss[i][j], what labelled thing i costs at settings[j], from 0 to bound and
// never more at a later setting. If a further thing is exchangeable with the
// labelled ones its expected loss is then at most alpha; the promise is lost when
// the generator adapts to the gate.
//
// Fewer things than [ConformalMin] says are a [*ShortageError], and no setting that
// is cautious enough is an error wrapping [assay.ErrUnavailable]. Losses that rise,
// lie outside [0, bound] or are of other settings are errors wrapping
// [assay.ErrInvalid].
func ConformalRisk(settings []float64, loss [][]float64, alpha, bound float64) (Conformal, error) {
	if err := conformalEnough(len(loss), alpha, bound); err != nil {
		return Conformal{}, err
	}
	if err := checkSample("conformal risk: settings", settings, 1); err != nil {
		return Conformal{}, err
	}
	sums := make([]float64, len(settings))
	for i, row := range loss {
		if len(row) != len(settings) {
			return Conformal{}, fmt.Errorf("conformal risk: thing %d has %d losses for %d settings: %w", i, len(row), len(settings), assay.ErrInvalid)
		}
		for j, l := range row {
			if !(l >= 0 && l <= bound) || j > 0 && l > row[j-1] {
				return Conformal{}, fmt.Errorf("conformal risk: thing %d costs %g at setting %d: want 0 to %g, and no more than at the setting before: %w", i, l, j, bound, assay.ErrInvalid)
			}
			sums[j] += l
		}
	}
	n := float64(len(loss))
	for j, sum := range sums {
		if sum+bound <= alpha*(n+1)*(1+1e-12) {
			return Conformal{Value: settings[j], Index: j, N: len(loss), Alpha: alpha, Risk: (sum + bound) / (n + 1)}, nil
		}
	}
	return Conformal{}, fmt.Errorf("conformal risk: the most cautious of %d settings has an expected loss up to %g, wanted is %g: %w",
		len(settings), (sums[len(sums)-1]+bound)/(n+1), alpha, assay.ErrUnavailable)
}

// LowConformal returns the highest threshold for a higher-is-better score such
// that the next good image lies strictly below it with probability at most alpha:
// [ConformalRisk] of the loss "a good image is refused", over all thresholds. It is
// the ⌊alpha(n+1)⌋-th smallest of the known-good scores. Scores that are not finite
// and an alpha outside (0, 1) are errors wrapping [assay.ErrInvalid]; too few
// scores are a [*ShortageError].
func LowConformal(good []float64, alpha float64) (Conformal, error) {
	c, sorted, err := orderConformal(good, alpha)
	if err != nil {
		return Conformal{}, err
	}
	c.Value = sorted[c.Index]
	return c, nil
}

// HighConformal is [LowConformal] for a lower-is-better score: the next good image
// lies strictly above with probability at most alpha.
func HighConformal(good []float64, alpha float64) (Conformal, error) {
	c, sorted, err := orderConformal(good, alpha)
	if err != nil {
		return Conformal{}, err
	}
	c.Value = sorted[len(sorted)-1-c.Index]
	return c, nil
}

func orderConformal(good []float64, alpha float64) (Conformal, []float64, error) {
	if err := checkFinite("conformal threshold", good); err != nil {
		return Conformal{}, nil, err
	}
	if err := checkOpen("conformal threshold", "alpha", alpha); err != nil {
		return Conformal{}, nil, err
	}
	if err := conformalEnough(len(good), alpha, 1); err != nil {
		return Conformal{}, nil, err
	}
	n := float64(len(good))
	k := min(len(good), int(math.Floor(alpha*(n+1)*(1+1e-12))))
	return Conformal{Index: k - 1, N: len(good), Alpha: alpha, Risk: float64(k) / (n + 1)}, slices.Sorted(slices.Values(good)), nil
}

// conformalEnough refuses too few labels.
func conformalEnough(n int, alpha, bound float64) error {
	need, err := ConformalMin(alpha, bound)
	if err != nil {
		return err
	}
	if n < need {
		return &ShortageError{Have: n, Need: need, Alpha: alpha}
	}
	return nil
}
