package gate

import (
	"cmp"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// DefaultPercentile is the share of a series' own images that a threshold made
// by [Percentile] lies above.
const DefaultPercentile = 0.10

// PercentileOptions adjust [Percentile]. The zero PercentileOptions is a good
// choice.
type PercentileOptions struct {
	// Share is the part of the images that reads below the threshold, above 0
	// and at most 0.5; 0 means [DefaultPercentile].
	Share float64
	// Enforce refuses what lies below. Nothing in the readings supports that:
	// it is the caller's decision, and the reason says so.
	Enforce bool
}

// PercentileEvidence is what [Percentile] computed. Bounds that the sample does
// not set are absent.
type PercentileEvidence struct {
	Share  float64  `json:"share"`
	N      int      `json:"n"`      // images
	Median float64  `json:"median"` // of their readings
	Lo     *float64 `json:"lo"`     // lower bound of the percentile; it is lower with probability at most 0.05
	Hi     *float64 `json:"hi"`     // likewise upper
	Below  Share    `json:"below"`  // images below the threshold; Wilson interval, 95 %
}

// Percentile returns the reading below which the lowest share of the series' own
// images lies. What fails is among the lowest of what the series has shown so
// far; no control says that there is anything wrong with it, so the threshold
// stays in shadow unless opt.Enforce is set.
//
// The percentile comes with a distribution-free interval between two order
// statistics, under the assumption that later images are like these. At least
// 1/share readings are needed, 10 for 0.1: with fewer, the percentile of the
// population is expected below the smallest reading seen, and the error wraps
// [assay.ErrUnavailable]. Readings that are not finite and a share outside
// (0, 0.5] are errors wrapping [assay.ErrInvalid].
func Percentile(own []float64, opt PercentileOptions) (Calibration, error) {
	share := cmp.Or(opt.Share, DefaultPercentile)
	if !(share > 0 && share <= 0.5) {
		return Calibration{}, fmt.Errorf("percentile: share %g: want above 0 and at most 0.5: %w", share, assay.ErrInvalid)
	}
	if err := checkReadings("percentile", "own images", own); err != nil {
		return Calibration{}, err
	}
	if need := int(math.Ceil(1/share - 1e-9)); len(own) < need {
		return Calibration{}, fmt.Errorf("percentile: %d readings, at least %d are needed for the lowest %s: add images to the series, then run %s: %w",
			len(own), need, percent(share), remedy, assay.ErrUnavailable)
	}
	est, err := stat.QuantileInterval(own, share, 1-2*miss)
	if err != nil {
		return Calibration{}, fmt.Errorf("percentile: %w", err)
	}
	ev := PercentileEvidence{Share: share, N: len(own), Lo: finite(est.Interval.Lo), Hi: finite(est.Interval.Hi)}
	if ev.Median, err = stat.Quantile(own, 0.5); err != nil {
		return Calibration{}, fmt.Errorf("percentile: %w", err)
	}
	if ev.Below, err = wilson(count(own, Below, est.Value), len(own)); err != nil {
		return Calibration{}, fmt.Errorf("percentile: %w", err)
	}
	c := Calibration{Value: est.Value, Fails: Below, Mode: assay.Shadow, Source: "own images", Evidence: Evidence{Percentile: &ev}}
	c.Reason = fmt.Sprintf("the lowest %s of %d of the series' own images lie below %.4g%s; ", percent(share), ev.N, est.Value, interval(ev.Lo, ev.Hi))
	if opt.Enforce {
		c.Mode = assay.Enforced
		c.Reason += "enforced because the settings say so; own images' percentile, no human judgment yet"
	} else {
		c.Reason += "the gate records; own images' percentile, no human judgment yet"
	}
	return c, nil
}

// interval writes what is known of an interval for people.
func interval(lo, hi *float64) string {
	switch {
	case lo != nil && hi != nil:
		return fmt.Sprintf(" (90 %% interval %.4g to %.4g)", *lo, *hi)
	case hi != nil:
		return fmt.Sprintf(" (at most %.4g with 95 %% confidence)", *hi)
	case lo != nil:
		return fmt.Sprintf(" (at least %.4g with 95 %% confidence)", *lo)
	}
	return ""
}
