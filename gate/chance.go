package gate

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// Prompts are the controls of [Chance]: readings of images with texts, by an
// instrument that reads higher the better an image shows what its text says.
type Prompts struct {
	// Others has readings of images with prompts that other images came with.
	Others []float64
	// Own has readings of images with the prompt they came with.
	Own []float64
	// Distinct is how many different prompts there are among the images.
	Distinct int
}

// ChanceEvidence is what [Chance] computed. Bounds that the sample does not set
// are absent.
type ChanceEvidence struct {
	Quantile float64  `json:"quantile"`
	N        int      `json:"n"`       // readings with prompts of other images
	Prompts  int      `json:"prompts"` // distinct ones
	Median   float64  `json:"median"`  // reading with a prompt of another image
	Lo       *float64 `json:"lo"`      // lower bound of the quantile; it is lower with probability at most 0.05
	Hi       *float64 `json:"hi"`      // likewise upper
	Own      *OwnRead `json:"own,omitempty"`
}

// OwnRead is how the images read with their own prompts.
type OwnRead struct {
	Median  float64 `json:"median"`
	Refused Share   `json:"refused"` // below the threshold; Wilson interval, 95 %
}

// minPrompts is the fewest distinct prompts whose chance readings may refuse an
// image. What "another prompt" reads like differs from prompt to prompt, and no
// number of images with the same few makes up for that: five give twenty ordered
// pairs, as many as the 0.95 quantile needs of anything.
const minPrompts = 5

// Chance returns the reading that an image reaches with a prompt it has nothing
// to do with only once in a while: the quantile (0 means [DefaultQuantile]) of
// the readings with other images' prompts. What fails reads no better than that
// with its own prompt.
//
// The quantile comes with a distribution-free interval between two order
// statistics. It treats the readings as independent; those of one image, and
// those with one prompt, are alike, so it is narrower than it should be unless
// there are many of both. Prompts that say nearly the same raise the quantile.
//
// Two distinct prompts are needed, and at least 1/(1−quantile) readings, 20 for
// 0.95: with fewer, the quantile of the population is expected beyond the
// largest reading seen. The error then wraps [assay.ErrUnavailable]. The
// threshold is enforced if there are five distinct prompts; if the largest
// reading bounds the quantile from above with 95 % confidence, which takes 59
// readings for 0.95; and if the median reading of images with their own prompts
// lies above it: an instrument by which the typical image shows its prompt no
// better than another's cannot tell in this series. Else it stays in shadow.
// Readings that are not finite and a quantile outside [0.5, 1) are errors
// wrapping [assay.ErrInvalid].
func Chance(p Prompts, quantile float64) (Calibration, error) {
	if quantile == 0 {
		quantile = DefaultQuantile
	}
	if !(quantile >= 0.5 && quantile < 1) {
		return Calibration{}, fmt.Errorf("chance: quantile %g: want at least 0.5 and below 1: %w", quantile, assay.ErrInvalid)
	}
	if err := checkReadings("chance", "other prompts", p.Others); err != nil {
		return Calibration{}, err
	}
	if err := checkReadings("chance", "own prompts", p.Own); err != nil {
		return Calibration{}, err
	}
	if p.Distinct < 2 {
		return Calibration{}, fmt.Errorf("chance: the images have no two different prompts: add images with another prompt, then run %s: %w",
			remedy, assay.ErrUnavailable)
	}
	ev := ChanceEvidence{Quantile: quantile, N: len(p.Others), Prompts: p.Distinct}
	if need := int(math.Ceil(1/(1-quantile) - 1e-9)); ev.N < need {
		return Calibration{}, fmt.Errorf("chance: %d readings with prompts of other images, at least %d are needed for the %g quantile: add images with prompts, then run %s: %w",
			ev.N, need, quantile, remedy, assay.ErrUnavailable)
	}
	est, err := stat.QuantileInterval(p.Others, quantile, 1-2*miss)
	if err != nil {
		return Calibration{}, fmt.Errorf("chance: %w", err)
	}
	ev.Lo, ev.Hi = finite(est.Interval.Lo), finite(est.Interval.Hi)
	if ev.Median, err = stat.Quantile(p.Others, 0.5); err != nil {
		return Calibration{}, fmt.Errorf("chance: %w", err)
	}
	if ev.Own, err = ownRead(p.Own, est.Value); err != nil {
		return Calibration{}, fmt.Errorf("chance: own prompts: %w", err)
	}
	c := Calibration{Value: est.Value, Fails: Below, Evidence: Evidence{Chance: &ev}}
	c.Mode, c.Reason = chanceMode(est.Value, ev)
	return c, nil
}

// ownRead reads what a threshold does to the images' own readings; nil if there
// are none.
func ownRead(own []float64, value float64) (*OwnRead, error) {
	if len(own) == 0 {
		return nil, nil
	}
	median, err := stat.Quantile(own, 0.5)
	if err != nil {
		return nil, err
	}
	refused, err := wilson(count(own, Below, value), len(own))
	return &OwnRead{median, refused}, err
}

// chanceMode decides whether a threshold on adherence may refuse, and says why.
func chanceMode(value float64, ev ChanceEvidence) (assay.GateMode, string) {
	said := fmt.Sprintf("%s of %d readings with the prompt of another image reach no more than %.4g", percent(ev.Quantile), ev.N, value)
	if ev.Own != nil {
		said += fmt.Sprintf("; %d of %d with their own lie below that (%s to %s)",
			ev.Own.Refused.K, ev.Own.Refused.N, percent(ev.Own.Refused.Lo), percent(ev.Own.Refused.Hi))
	}
	switch {
	case ev.Own == nil:
		return assay.Shadow, said + ", but none with its own prompt is there to compare, so the gate only records; " + basis
	case ev.Own.Median <= value:
		return assay.Shadow, said + ": it cannot tell an image's prompt from another in this series, so the gate only records; " + basis
	case ev.Prompts < minPrompts:
		return assay.Shadow, fmt.Sprintf("%s, but of %d distinct prompts; %d are needed to say what chance is, so the gate only records; %s",
			said, ev.Prompts, minPrompts, basis)
	case ev.Hi == nil:
		need, err := stat.MinTrials(0, 1-ev.Quantile, miss)
		if err != nil {
			return assay.Shadow, said + ", too few to bound that reading, so the gate only records; " + basis
		}
		return assay.Shadow, fmt.Sprintf("%s, but %d are needed to bound that reading, so the gate only records; %s", said, need, basis)
	case ev.Lo == nil:
		return assay.Enforced, fmt.Sprintf("%s; the bound is at most %.4g with 95 %% confidence, over %d distinct prompts; %s", said, *ev.Hi, ev.Prompts, basis)
	}
	return assay.Enforced, fmt.Sprintf("%s; the bound has the 90 %% interval %.4g to %.4g, over %d distinct prompts; %s", said, *ev.Lo, *ev.Hi, ev.Prompts, basis)
}
