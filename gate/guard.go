package gate

import (
	"encoding/json"
	"fmt"

	"github.com/gen-emerge/assay"
)

// DefaultGuard is the share of a series' own images that a guard's value lies
// above.
const DefaultGuard = 0.05

// A GuardEvidence is a second reading's floor that belongs to a threshold: what
// passes the threshold fails all the same if it reads below.
type GuardEvidence struct {
	assay.Identity
	Value float64 `json:"value"`
	PercentileEvidence
}

// Guard returns the calibration with a guard: the reading, by the instrument id,
// below which the lowest share (0 means [DefaultGuard]) of the series' own
// images lies. It is for readings that are good only in company: the style of
// noise is ambiguous too. Errors are those of [Percentile] and, if the
// calibration is none of Percentile's or id is synthetic, wrap
// [assay.ErrInvalid].
func (c Calibration) Guard(id assay.Identity, own []float64, share float64) (Calibration, error) {
	if c.Evidence.Percentile == nil || id.Synthetic {
		return Calibration{}, fmt.Errorf("guard %s: wants a percentile's calibration and no synthetic weights: %w", id.Instrument, assay.ErrInvalid)
	}
	if share == 0 {
		share = DefaultGuard
	}
	g, err := Percentile(own, PercentileOptions{Share: share})
	if err != nil {
		return Calibration{}, fmt.Errorf("guard %s: %w", id.Instrument, err)
	}
	c.Evidence.Guard = &GuardEvidence{id, g.Value, *g.Evidence.Percentile}
	c.Reason += fmt.Sprintf("; what %s reads below %.4g, as it does the lowest %s of %d, fails too", id.Instrument, g.Value, percent(share), len(own))
	return c, nil
}

// GuardOf returns the guard that a threshold's evidence holds, nil if it holds
// none. Evidence that cannot be read is an error wrapping [assay.ErrInvalid].
func GuardOf(th assay.Threshold) (*GuardEvidence, error) {
	if len(th.Evidence) == 0 {
		return nil, nil
	}
	var ev Evidence
	if err := json.Unmarshal(th.Evidence, &ev); err != nil {
		return nil, fmt.Errorf("threshold %d of gate %s: evidence: %w: %w", th.ID, th.Gate, err, assay.ErrInvalid)
	}
	return ev.Guard, nil
}

// Guarded returns the result as the guard leaves it. Only what passed is asked
// again: without a reading by the guard's instrument it is not measured, for the
// reason missing; a reading that cannot be compared makes it abstain; one below
// the guard's value makes it fail, and then the result holds that reading and
// that value.
func (rules Rules) Guarded(res assay.GateResult, g *GuardEvidence, r *assay.Reading, missing string) assay.GateResult {
	if g == nil || res.Verdict != assay.Pass {
		return res
	}
	th := assay.Threshold{Identity: g.Identity, Value: g.Value, Fails: Below, Mode: res.Mode,
		Reason: fmt.Sprintf("the lowest %s of the series' own images lie there", percent(g.Share))}
	guarded := rules.Judge(res.Gate, &th, r, missing)
	if guarded.Verdict == assay.Pass {
		res.Reason += "; " + guarded.Reason
		return res
	}
	return guarded
}
