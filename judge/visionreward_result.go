package judge

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
)

// A VisionRewardResult is one judge's answers about one picture under
// VisionReward's weights: the body of a note of kind "visionreward". Ordering puts
// pictures of one prompt, answered by one judge, in an order, see
// [VisionRewardResult.Compare]; it is no score, and means nothing by itself.
type VisionRewardResult struct {
	Label      string                  `json:"label"` // what Ordering is and what it is good for
	Judge      assay.Judge             `json:"judge"`
	Version    string                  `json:"version"`  // of the list and its weights
	Asked      string                  `json:"asked"`    // version of the alignment question, and so the prompt's; empty if it was not answered
	Methods    []assay.Method          `json:"methods"`  // by which the answers were read
	Ordering   *float64                `json:"ordering"` // nil if an answer is missing that it depends on
	Low        float64                 `json:"ordering_low"`
	High       float64                 `json:"ordering_high"` // bounds of Ordering: what the missing answers leave open
	Dimensions []VisionRewardDimension `json:"dimensions"`
	Missing    []string                `json:"missing,omitempty"` // what was not answered, and why
}

// A VisionRewardDimension is one of the five dimensions' part of the ordering.
type VisionRewardDimension struct {
	Name   string   `json:"name"`
	Value  *float64 `json:"value"` // nil if an answer is missing that it depends on
	Low    float64  `json:"low"`
	High   float64  `json:"high"`
	Masked int      `json:"masked,omitempty"` // questions about what the picture does not have
}

// A featureRange is what a feature may be.
type featureRange struct{ low, high float64 }

func fixedAt(x float64) featureRange { return featureRange{x, x} }

// Result puts one judge's answers about one picture under the weights. Answers to
// other questions, repeats and void answers are left aside; of two answers to one
// question the later one counts. The error wraps [assay.ErrInvalid] if the answers
// are of several judges or pictures.
func (v *VisionReward) Result(answers []assay.Answer) (VisionRewardResult, error) {
	out := VisionRewardResult{Version: v.version}
	byID, err := v.pick(answers, &out)
	if err != nil {
		return VisionRewardResult{}, err
	}
	methods := map[assay.Method]bool{}
	for _, a := range byID {
		if a.Belief.Known() {
			methods[a.Belief.Method] = true
		}
	}
	out.Methods = slices.Sorted(maps.Keys(methods))
	out.Label = fmt.Sprintf("puts pictures of one prompt in an order, as %s (%s) answers; no score. "+
		"Weights: VisionReward %s, fitted to another network's answers. Alignment: this judge's probability that the picture shows the prompt, "+
		"in place of VQAScore by CLIP-FlanT5-XXL", out.Judge.Name, out.Judge.Model, v.version)

	sums, open := map[string]featureRange{}, map[string]bool{}
	masked := map[string]int{}
	add := func(dim string, x featureRange, coef float64) {
		a, b := x.low*coef, x.high*coef
		s := sums[dim]
		sums[dim] = featureRange{s.low + min(a, b), s.high + max(a, b)}
		open[dim] = open[dim] || x.low != x.high
	}
	alignment := featureRange{0, 1}
	if a := byID["visionreward.alignment"]; a.Belief.Known() {
		alignment, out.Asked = fixedAt(a.Belief.P), a.Question.Version
	}
	add("alignment", alignment, v.coef[0])
	for i := visionRewardMasks; i < len(v.texts); i++ {
		x, hidden := v.feature(i, byID)
		if hidden {
			masked[visionRewardDimension(i)]++
		}
		add(visionRewardDimension(i), x, v.coef[i-visionRewardMasks+1])
	}
	out.sum(sums, open, masked, v.intercept)
	return out, nil
}

// pick returns the answers that count, by question, and enters in out whose they
// are and which are missing.
func (v *VisionReward) pick(answers []assay.Answer, out *VisionRewardResult) (map[string]assay.Answer, error) {
	versions := map[string]string{"visionreward.alignment": ""} // the prompt's, whatever it is
	for i := range v.texts {
		q := v.question(i)
		versions[q.ID] = q.Version
	}
	byID, void := map[string]assay.Answer{}, map[string]string{}
	var first *assay.Answer
	for _, a := range answers {
		version, ours := versions[a.Question.ID]
		if !ours || a.Repeat != 0 || version != "" && a.Question.Version != version {
			continue
		}
		if first == nil {
			first = &a
			out.Judge = a.Judge
		} else if a.Judge != first.Judge || a.Image != first.Image {
			return nil, fmt.Errorf("VisionReward: answers of %s about %s and of %s about %s: one result is one judge's about one picture: %w",
				first.Judge.Name, first.Image.Short(), a.Judge.Name, a.Image.Short(), assay.ErrInvalid)
		}
		if a.Void != "" {
			void[a.Question.ID] = "void: " + a.Void
			continue
		}
		if a.Belief.Known() && (math.IsNaN(a.Belief.P) || a.Belief.P < 0 || a.Belief.P > 1) {
			return nil, fmt.Errorf("VisionReward: question %s: a probability of %g: %w", a.Question.ID, a.Belief.P, assay.ErrInvalid)
		}
		byID[a.Question.ID] = a
	}
	for _, id := range slices.Sorted(maps.Keys(versions)) {
		a, ok := byID[id]
		switch {
		case ok && a.Belief.Known():
		case ok && a.Belief.Abstained != "":
			out.Missing = append(out.Missing, id+": "+a.Belief.Abstained)
		case void[id] != "":
			out.Missing = append(out.Missing, id+": "+void[id])
		default:
			out.Missing = append(out.Missing, id+": not asked")
		}
	}
	// What a mask hides was rightly not asked.
	out.Missing = slices.DeleteFunc(out.Missing, func(line string) bool {
		id, _, _ := strings.Cut(line, ":")
		mask, ok := byID[v.maskOf(id)]
		return ok && mask.Belief.Known() && mask.Belief.P <= 0.5
	})
	return byID, nil
}

// maskOf returns the id of the question that id needs, or "".
func (v *VisionReward) maskOf(id string) string {
	for i, mask := range visionRewardNeeds {
		if fmt.Sprintf("visionreward.%02d", i) == id {
			return fmt.Sprintf("visionreward.%02d", mask)
		}
	}
	return ""
}

// feature returns what the i-th question counts: +1 for yes, −1 for no, 0 where
// its mask hides it, and all that is possible where an answer is missing.
func (v *VisionReward) feature(i int, byID map[string]assay.Answer) (x featureRange, hidden bool) {
	x = featureRange{-1, 1}
	if b := byID[fmt.Sprintf("visionreward.%02d", i)].Belief; b.Known() {
		x = fixedAt(-1)
		if b.P > 0.5 {
			x = fixedAt(1)
		}
	}
	mask, ok := visionRewardNeeds[i]
	if !ok {
		return x, false
	}
	switch b := byID[fmt.Sprintf("visionreward.%02d", mask)].Belief; {
	case !b.Known():
		return featureRange{min(x.low, 0), max(x.high, 0)}, false
	case b.P > 0.5:
		return x, false
	}
	return fixedAt(0), true
}

// sum enters the dimensions and the ordering.
func (r *VisionRewardResult) sum(sums map[string]featureRange, open map[string]bool, masked map[string]int, intercept float64) {
	all, complete := fixedAt(intercept), true
	for _, name := range visionRewardDimensions {
		s := sums[name]
		d := VisionRewardDimension{Name: name, Low: s.low, High: s.high, Masked: masked[name]}
		if !open[name] {
			value := s.low
			d.Value = &value
		}
		complete = complete && !open[name]
		all = featureRange{all.low + s.low, all.high + s.high}
		r.Dimensions = append(r.Dimensions, d)
	}
	r.Low, r.High = all.low, all.high
	if complete {
		ordering := all.low
		r.Ordering = &ordering
	}
}

// Compare returns +1 if r comes before o, the picture of it being the preferred
// one, −1 if after, 0 if both are alike. The error wraps [assay.ErrInvalid] if the
// two cannot be compared, being of different judges, lists, prompts or ways of
// reading answers, and [assay.ErrUnavailable] if missing answers leave their order
// open.
func (r VisionRewardResult) Compare(o VisionRewardResult) (int, error) {
	switch {
	case r.Judge != o.Judge || r.Version != o.Version:
		return 0, fmt.Errorf("VisionReward %s by %s and %s by %s: only results of one judge and list have an order: %w",
			r.Version, r.Judge.Name, o.Version, o.Judge.Name, assay.ErrInvalid)
	case r.Asked == "" || r.Asked != o.Asked:
		return 0, fmt.Errorf("VisionReward: prompts %q and %q: only pictures of one known prompt have an order: %w", r.Asked, o.Asked, assay.ErrInvalid)
	case !slices.Equal(r.Methods, o.Methods):
		return 0, fmt.Errorf("VisionReward: answers read by %v and by %v have no order: %w", r.Methods, o.Methods, assay.ErrInvalid)
	case r.Low > o.High:
		return 1, nil
	case r.High < o.Low:
		return -1, nil
	case r.Ordering != nil && o.Ordering != nil:
		return 0, nil // neither is above the other, and none is open
	}
	return 0, fmt.Errorf("VisionReward: %d and %d answers are missing, and decide the order: %w", len(r.Missing), len(o.Missing), assay.ErrUnavailable)
}
