// Package gate says whether a reading passes a threshold, and computes
// thresholds from controls: images that were changed on purpose, images with
// prompts that are not theirs.
//
// A verdict is given only on like for like: a threshold computed with one
// checkpoint says nothing of a reading taken with another, and the gate then
// abstains and says so. The package is pure: it measures nothing and stores
// nothing.
package gate

import (
	"fmt"
	"math"
	"strings"

	"github.com/gen-emerge/assay"
)

// The side of a threshold's value that fails; the value itself passes.
const (
	Below = "below"
	Above = "above"
)

// remedy is the command that makes a threshold for the instrument in use.
const remedy = "assay gate calibrate --controls"

// Rules say which readings a gate accepts. The zero Rules are the strict ones.
type Rules struct {
	// AllowInt8 accepts readings of networks run in 8-bit integers. Their error
	// is small beside the differences between images, and not beside those
	// between a reading and a threshold that it lies close to.
	AllowInt8 bool
}

// Accepts returns why readings of this identity are no evidence for a gate,
// empty if they are.
func (r Rules) Accepts(id assay.Identity) string {
	switch {
	case id.Synthetic:
		return "synthetic weights never reach a gate: install the checkpoint with assay models pull"
	case !r.AllowInt8 && strings.Contains(id.Runtime, "int8"):
		return fmt.Sprintf("%s was run on %q: 8-bit readings reach no gate unless the settings allow it; measure in float32", id.Instrument, id.Runtime)
	}
	return ""
}

// Judge returns the verdict by the strict rules, see [Rules.Judge].
func Judge(gate string, th *assay.Threshold, r *assay.Reading, missing string) assay.GateResult {
	return Rules{}.Judge(gate, th, r, missing)
}

// Judge returns the verdict of the named gate on reading r by threshold th.
//
// Either may be nil. Missing says, for people, why there is no reading and how
// to get one; it is used only if r is nil. The rules, in order:
//
//   - a suspended threshold: abstain
//   - no reading, or one that is not a number: not measured
//   - synthetic weights in the reading or the threshold: abstain
//   - 8-bit arithmetic in either, unless allowed: abstain
//   - no threshold: abstain
//   - identities that differ in any part: abstain, naming both
//   - a threshold that makes no sense (no number, side or mode): abstain
//   - else pass or fail
//
// Without a threshold the mode is shadow. The result holds r itself and a copy
// of the threshold's value.
func (rules Rules) Judge(gate string, th *assay.Threshold, r *assay.Reading, missing string) assay.GateResult {
	res := assay.GateResult{Gate: gate, Verdict: assay.Abstain, Mode: assay.Shadow, Reading: r}
	if th != nil {
		value := th.Value
		res.Threshold, res.Mode = &value, th.Mode
	}
	switch {
	case th != nil && th.Mode == assay.Suspended:
		res.Reason = because("the gate is suspended", th.Reason)
	case r == nil:
		res.Verdict = assay.NotMeasured
		res.Reason = because("no reading", missing)
	case math.IsNaN(r.Value):
		res.Verdict = assay.NotMeasured
		res.Reason = fmt.Sprintf("%s gave no number for this image", r.Instrument)
	case rules.Accepts(r.Identity) != "":
		res.Reason = rules.Accepts(r.Identity)
	case th != nil && rules.Accepts(th.Identity) != "":
		res.Reason = rules.Accepts(th.Identity)
	case th == nil:
		res.Reason = fmt.Sprintf("no threshold yet: run %s", remedy)
	case th.Identity != r.Identity:
		res.Reason = fmt.Sprintf("%s; the two cannot be compared: run %s", difference(th.Identity, r.Identity), remedy)
	case !sound(th):
		res.Reason = fmt.Sprintf("threshold %d has value %g, fails %q and mode %q, which says nothing: run %s", th.ID, th.Value, th.Fails, th.Mode, remedy)
	default:
		compare(&res, th, r)
	}
	return res
}

// compare gives the verdict on a reading that can be compared.
func compare(res *assay.GateResult, th *assay.Threshold, r *assay.Reading) {
	failed := th.Fails == Below && r.Value < th.Value || th.Fails == Above && r.Value > th.Value
	if !failed {
		res.Verdict = assay.Pass
		res.Reason = fmt.Sprintf("%s %.6g is not %s %.6g", r.Instrument, r.Value, th.Fails, th.Value)
		return
	}
	res.Verdict = assay.Fail
	res.Reason = because(fmt.Sprintf("%s %.6g is %s %.6g", r.Instrument, r.Value, th.Fails, th.Value), th.Reason)
	switch th.Mode {
	case assay.Shadow:
		res.Reason += " (in shadow: recorded, refuses nothing)"
	case assay.Calibrated:
		res.Reason += " (calibrated and not enforced: recorded, refuses nothing)"
	}
}

// because joins a statement and its reason, if there is one.
func because(statement, reason string) string {
	if reason == "" {
		return statement
	}
	return statement + ": " + reason
}

// sound reports whether a threshold can be compared with anything.
func sound(th *assay.Threshold) bool {
	return !math.IsNaN(th.Value) && !math.IsInf(th.Value, 0) &&
		(th.Fails == Below || th.Fails == Above) &&
		(th.Mode == assay.Shadow || th.Mode == assay.Calibrated || th.Mode == assay.Enforced)
}

// difference says in which part two identities differ first, the weightiest
// part first.
func difference(th, r assay.Identity) string {
	switch {
	case th.Instrument != r.Instrument:
		return fmt.Sprintf("the threshold is for %s, the reading by %s", th.Instrument, r.Instrument)
	case th.Checkpoint != r.Checkpoint:
		return fmt.Sprintf("the threshold was computed with checkpoint %s of %s, the reading taken with %s",
			orNone(th.Checkpoint), r.Instrument, orNone(r.Checkpoint))
	case th.Version != r.Version:
		return fmt.Sprintf("the threshold was computed with version %d of %s, the reading taken with version %d", th.Version, r.Instrument, r.Version)
	case th.Preparation != r.Preparation:
		return fmt.Sprintf("the threshold was computed from images prepared as %q, the reading from %q", th.Preparation, r.Preparation)
	default:
		return fmt.Sprintf("the threshold was computed on %q, the reading on %q", th.Runtime, r.Runtime)
	}
}

// orNone names the checkpoint of a formula.
func orNone(checkpoint string) string {
	if checkpoint == "" {
		return "(none)"
	}
	return checkpoint
}

// Refuses reports whether an image is refused: whether any enforced gate failed.
func Refuses(results []assay.GateResult) bool {
	for _, r := range results {
		if r.Verdict == assay.Fail && r.Mode == assay.Enforced {
			return true
		}
	}
	return false
}
