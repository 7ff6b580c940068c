package series

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// verdicts asks every gate about a row.
func (v *View) verdicts(r *row) []assay.GateResult {
	out := make([]assay.GateResult, len(v.gates))
	for k, name := range v.gates {
		th := v.threshold(name)
		switch {
		case name == diversityGate && th != nil && r.recorded && r.neighbour.Nearest.IsZero():
			out[k] = assay.GateResult{Gate: name, Verdict: assay.Pass, Mode: th.Mode, Threshold: &th.Value,
				Reason: "the first image of the series: nothing to be near to"}
		case th == nil:
			out[k] = v.unruled(r, k)
		default:
			out[k] = v.rules.Judge(name, th, v.reading(r, k), v.missing(r, k, th.Instrument))
			if name == styleGate {
				out[k] = v.guarded(r, k, out[k])
			}
		}
	}
	return out
}

// reading returns what the k-th gate reads of a row, nil if that was not
// measured.
func (v *View) reading(r *row, k int) *assay.Reading {
	if v.gates[k] == diversityGate {
		return neighbourReading(r)
	}
	if math.IsNaN(r.readings[k]) {
		return nil
	}
	out := &assay.Reading{Identity: *v.reads[k], Image: r.image, Value: r.readings[k]}
	if v.gates[k] == adherenceGate {
		out.Text = r.text
	}
	return out
}

// guarded returns the style gate's result as its guard leaves it.
func (v *View) guarded(r *row, k int, res assay.GateResult) assay.GateResult {
	if v.guard == nil {
		return res
	}
	var reading *assay.Reading
	if !math.IsNaN(r.guard) {
		reading = &assay.Reading{Identity: v.guard.Identity, Image: r.image, Value: r.guard}
	}
	return v.rules.Guarded(res, v.guard, reading, v.missing(r, k, v.guard.Instrument))
}

// unruled is the verdict of a gate that has no threshold yet.
func (v *View) unruled(r *row, k int) assay.GateResult {
	name := v.gates[k]
	res := assay.GateResult{Gate: name, Verdict: assay.Abstain, Mode: assay.Shadow, Reading: v.reading(r, k)}
	switch {
	case !readsAlone(name) || res.Reading != nil || v.reads[k] == nil: // without an instrument the gate is not in use
		res.Reason = v.whyUnruled(k)
	case name == adherenceGate && r.text.IsZero():
		res.Verdict, res.Reason = assay.NotMeasured, noPrompt
	case v.lacking[k] != "":
		res.Verdict, res.Reason = assay.NotMeasured, v.lacking[k]
	default:
		res.Verdict, res.Reason = assay.NotMeasured, v.missing(r, k, v.reads[k].Instrument)
	}
	return res
}

// readsAlone reports whether it is known what a gate reads before it has a
// threshold: of the technical gates, controls say it.
func readsAlone(name string) bool { return name == adherenceGate || name == styleGate }

// whyUnruled says why the k-th gate has no threshold.
func (v *View) whyUnruled(k int) string {
	name, prompts := v.gates[k], len(v.prompts)
	switch {
	case readsAlone(name) && v.reads[k] == nil:
		return v.lacking[k]
	case readsAlone(name) && v.rules.Accepts(*v.reads[k]) != "":
		return v.rules.Accepts(*v.reads[k])
	case name == adherenceGate && prompts == 0:
		return "no threshold: no image of this series came with a prompt; give --prompt"
	case name == adherenceGate && prompts == 1:
		return "no threshold: the images of this series share one prompt, so there is no other to read them with; add images with other prompts, then run `assay gate calibrate --controls`"
	case v.count < v.warmup:
		return fmt.Sprintf("no threshold yet: %d of %d images measured; then thresholds are computed from controls", v.count, v.warmup)
	}
	return "no threshold: too few of the images could be read to set one; `assay gate calibrate --controls` tries again"
}

func neighbourReading(r *row) *assay.Reading {
	if !r.recorded || r.neighbour.Nearest.IsZero() {
		return nil
	}
	return &assay.Reading{Identity: r.neighbour.Identity, Image: r.image, Ref: r.neighbour.Nearest, Value: r.neighbour.Value}
}

// missing says why the k-th gate has nothing to decide with, and the remedy.
func (v *View) missing(r *row, k int, instrument string) string {
	if v.gates[k] == adherenceGate && r.text.IsZero() {
		return noPrompt
	}
	if _, err := v.tools.Find(instrument); err != nil {
		return told(err)
	}
	return fmt.Sprintf("%s has not read this image; `assay gate calibrate --controls` measures what can be measured", instrument)
}
