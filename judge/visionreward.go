package judge

import (
	"errors"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/weights"
)

// VisionRewardModel is the manifest's row with VisionReward's questions and
// weights.
const VisionRewardModel = "visionreward-questions"

// VisionReward is the published question list of VisionReward's image branch and
// its linear weights, to be answered by any judge.
type VisionReward struct {
	version string
}

// OpenVisionReward reads the files from the cache of models. The error wraps
// [assay.ErrUnavailable] if they are not installed.
func OpenVisionReward(c *weights.Cache) (*VisionReward, error) { return nil, errors.ErrUnsupported }

// ReadVisionReward reads a question list and its weights.
func ReadVisionReward(questions, coefficients []byte) (*VisionReward, error) {
	return nil, errors.ErrUnsupported
}

// Questions returns what is to be asked of a picture made from prompt: the
// alignment question, then the list, with its masks as needs.
func (v *VisionReward) Questions(prompt string) []assay.Question { return nil }

// A VisionRewardResult is one judge's answers under VisionReward's weights: the
// body of a note of kind "visionreward". It orders pictures of one prompt by one
// judge, and means nothing else.
type VisionRewardResult struct {
	Judge      assay.Judge             `json:"judge"`
	Version    string                  `json:"version"` // of the list and its weights
	Label      string                  `json:"label"`   // what Ordering is good for
	Ordering   *float64                `json:"ordering"`
	Low        float64                 `json:"low"`  // bounds of Ordering: what the missing answers leave open
	High       float64                 `json:"high"` //
	Dimensions []VisionRewardDimension `json:"dimensions"`
	Missing    []string                `json:"missing,omitempty"`
}

// A VisionRewardDimension is one of the five dimensions.
type VisionRewardDimension struct {
	Name   string   `json:"name"`
	Value  *float64 `json:"value"`
	Low    float64  `json:"low"`
	High   float64  `json:"high"`
	Masked int      `json:"masked,omitempty"`
}

// Result puts one judge's answers about one picture under the weights.
func (v *VisionReward) Result(answers []assay.Answer) (VisionRewardResult, error) {
	return VisionRewardResult{}, errors.ErrUnsupported
}
