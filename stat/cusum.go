package stat

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// A BernoulliCUSUM watches a stream of successes for a fall of their chance from
// P0 to P1 or below: Page's (1954) cumulative sum of log-likelihood ratios,
// S ← max(0, S + ln(P(x|P1)/P(x|P0))), which alarms when S reaches Limit. It is
// the fastest detector of such a fall for its rate of false alarms. From 0.75 to
// 0.55 and a limit of 3 it runs about 295 observations between false alarms, and
// 26 until it tells of a true fall.
//
// Its fields are its whole state.
type BernoulliCUSUM struct {
	P0    float64 `json:"p0"`    // chance of success as it should be
	P1    float64 `json:"p1"`    // chance that is to be found out; below P0
	Limit float64 `json:"limit"` // S at which it alarms, in nats
	S     float64 `json:"s"`     // now
	N     int     `json:"n"`     // observations so far
	// Since is the number of observations before S last left 0: where the fall, if
	// there is one, is likeliest to have begun.
	Since int `json:"since"`
	Alarm int `json:"alarm"` // observation at which S first reached Limit, from 1; 0: none yet
}

// NewBernoulliCUSUM returns a detector at rest. Chances other than
// 0 < p1 < p0 < 1 and limits that are not above 0 are errors wrapping
// [assay.ErrInvalid].
func NewBernoulliCUSUM(p0, p1, limit float64) (*BernoulliCUSUM, error) {
	if !(0 < p1 && p1 < p0 && p0 < 1 && limit > 0) || math.IsInf(limit, 0) {
		return nil, fmt.Errorf("cusum from %g to %g with limit %g: want 0 < p1 < p0 < 1 and a limit above 0: %w", p0, p1, limit, assay.ErrInvalid)
	}
	return &BernoulliCUSUM{P0: p0, P1: p1, Limit: limit}, nil
}

// Step is what S gains by one observation.
func (c *BernoulliCUSUM) Step(success bool) float64 {
	if success {
		return math.Log(c.P1 / c.P0)
	}
	return math.Log((1 - c.P1) / (1 - c.P0))
}

// Add takes one observation and reports whether the alarm stands: it does from
// the first time that S reaches Limit and stays, whatever comes after.
func (c *BernoulliCUSUM) Add(success bool) bool {
	c.N++
	if c.S = max(0, c.S+c.Step(success)); c.S == 0 && c.Alarm == 0 {
		c.Since = c.N
	}
	if c.S >= c.Limit && c.Alarm == 0 {
		c.Alarm = c.N
	}
	return c.Alarm > 0
}

// A NormalCUSUM watches a stream of numbers for a shift of their mean from Target
// to either side: Page's two one-sided sums, S⁺ ← max(0, S⁺ + x − Target − K) and
// likewise below, which alarm above H. With K half the shift that matters and H
// four or five standard deviations it runs 168 or 465 observations between false
// alarms (K = σ/2).
//
// Its fields are its whole state.
type NormalCUSUM struct {
	Target float64 `json:"target"`
	K      float64 `json:"k"` // allowance, in the unit of the stream
	H      float64 `json:"h"` // limit, same unit
	Upper  float64 `json:"upper"`
	Lower  float64 `json:"lower"`
	N      int     `json:"n"`
	Alarm  int     `json:"alarm"` // observation at which a sum first rose above H, from 1; 0: none yet
}

// NewNormalCUSUM returns a detector at rest. Numbers that are not finite, a
// negative k and an h that is not above 0 are errors wrapping [assay.ErrInvalid].
func NewNormalCUSUM(target, k, h float64) (*NormalCUSUM, error) {
	if err := checkFinite("cusum", []float64{target, k, h}); err != nil {
		return nil, err
	}
	if k < 0 || h <= 0 {
		return nil, fmt.Errorf("cusum with k %g and h %g: want k of 0 or more and h above 0: %w", k, h, assay.ErrInvalid)
	}
	return &NormalCUSUM{Target: target, K: k, H: h}, nil
}

// Add takes one observation and reports whether the alarm stands.
func (c *NormalCUSUM) Add(x float64) bool {
	c.N++
	c.Upper = max(0, c.Upper+x-c.Target-c.K)
	c.Lower = max(0, c.Lower+c.Target-x-c.K)
	if c.Alarm == 0 && max(c.Upper, c.Lower) > c.H {
		c.Alarm = c.N
	}
	return c.Alarm > 0
}
