package judge

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/weights"
)

// VisionRewardModel is the manifest's row with VisionReward's questions and
// weights.
const VisionRewardModel = "visionreward-questions"

// The files of that row.
const (
	visionRewardList    = "VisionReward_image_qa_select.txt"
	visionRewardWeights = "weight_select.json"
)

// VisionReward is the list of yes/no questions that VisionReward's image branch
// selected, with its linear weights, for any judge to answer.
//
// Source: Xu et al., arXiv:2412.21059, and inference-image.py in the repository
// that the manifest names: an answer of yes counts +1 and any other −1; where a
// mask question is not answered yes, what depends on it counts 0; the sum of these
// times their coefficients, and of the alignment in [0,1] times its own, orders
// pictures. Three things differ here. The judge is not the network that the
// weights were fitted with. The alignment is this judge's probability that the
// picture shows the prompt, in place of VQAScore by CLIP-FlanT5-XXL. And what was
// not answered is not counted as no, but leaves the sum open.
type VisionReward struct {
	version   string
	texts     []string
	coef      []float64 // of the alignment, then of the texts that are no masks, in their order
	intercept float64
}

// The list's order, as the published code has it.
const (
	visionRewardTexts = 30
	visionRewardMasks = 3 // the first ones: a body, a face, hands
)

// visionRewardNeeds are the masks of inference-image.py. That the two questions
// about harm depend on there being a body is theirs.
var visionRewardNeeds = map[int]int{22: 0, 23: 0, 24: 0, 28: 0, 29: 0, 25: 1, 26: 1, 27: 2}

// The five dimensions of the paper's table of image questions. Its
// sub-dimensions follow each other in the repository's list in one order, which
// the data set's card groups into dimensions (THUDM/VisionRewardDB-Image, table
// "Annotation Detail"): symmetry, main object and richness are composition; clarity,
// colour brightness and colour aesthetic are quality; emotion and safety are one;
// refinement of detail, body, face and hands are fidelity. No question of the
// sub-dimensions object pairing, background, lighting and realism has weight.
const visionRewardPrefix = "visionreward-"

var visionRewardDimensions = []string{"alignment", "composition", "quality", "fidelity", "safety-emotion"}

func visionRewardDimension(text int) string {
	switch {
	case text < visionRewardMasks:
		return "fidelity" // a mask has no weight; body, face and hands are fidelity's
	case text <= 10:
		return "composition"
	case text <= 17:
		return "quality"
	case text == 18, text >= 28:
		return "safety-emotion"
	}
	return "fidelity"
}

// OpenVisionReward reads the files from the cache of models. The error wraps
// [assay.ErrUnavailable] if they are not installed, and says how to install them.
func OpenVisionReward(c *weights.Cache) (*VisionReward, error) {
	files, err := c.Files(VisionRewardModel)
	if err != nil {
		return nil, err
	}
	list, err := os.ReadFile(files[visionRewardList])
	if err != nil {
		return nil, err
	}
	coef, err := os.ReadFile(files[visionRewardWeights])
	if err != nil {
		return nil, err
	}
	return ReadVisionReward(list, coef)
}

// ReadVisionReward reads a list of 30 questions, a line each, of which the first
// three are masks, and its weights: JSON with 28 numbers under "coef", the
// alignment's first, and one under "intercept". Errors wrap [assay.ErrInvalid].
func ReadVisionReward(list, coefficients []byte) (*VisionReward, error) {
	wrong := func(file, format string, args ...any) error {
		return fmt.Errorf("VisionReward's %s: "+format+": %w", append(append([]any{file}, args...), assay.ErrInvalid)...)
	}
	v := &VisionReward{}
	if len(list) > 64<<10 || !utf8.Valid(list) {
		return nil, wrong("questions", "%d bytes: want a short text in UTF-8", len(list))
	}
	for line := range strings.Lines(string(list)) {
		v.texts = append(v.texts, strings.TrimSpace(line))
	}
	if len(v.texts) != visionRewardTexts {
		return nil, wrong("questions", "%d lines, want %d", len(v.texts), visionRewardTexts)
	}
	for i, text := range v.texts {
		if !strings.HasSuffix(text, "?") || len(text) > 300 || strings.ContainsFunc(text, unicode.IsControl) || slices.Contains(v.texts[:i], text) {
			return nil, wrong("questions", "line %d: %.80q: want a question that no other line asks", i+1, text)
		}
	}
	var in struct {
		Coef      []float64 `json:"coef"`
		Intercept []float64 `json:"intercept"`
	}
	d := json.NewDecoder(bytes.NewReader(coefficients))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, wrong("weights", "%v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, wrong("weights", "something follows the JSON")
	}
	if want := 1 + visionRewardTexts - visionRewardMasks; len(in.Coef) != want || len(in.Intercept) != 1 {
		return nil, wrong("weights", "%d coefficients and %d intercepts, want %d and 1", len(in.Coef), len(in.Intercept), want)
	}
	if slices.ContainsFunc(append(in.Intercept, in.Coef...), func(x float64) bool { return x < -1e6 || x > 1e6 }) {
		return nil, wrong("weights", "a number beyond ±1e6")
	}
	v.coef, v.intercept = in.Coef, in.Intercept[0]
	sum := sha256.Sum256([]byte(fmt.Sprintf("%d:%s%s", len(list), list, coefficients)))
	v.version = hex.EncodeToString(sum[:])[:12]
	return v, nil
}

// Version returns the first 12 hex digits of a SHA-256 over the list and its
// weights.
func (v *VisionReward) Version() string { return v.version }

// Questions returns what is to be asked of a picture that was made from prompt:
// whether it shows the prompt, unless that is empty, and the list, where what a
// mask governs needs the mask. Of the scope "image" all, since the prompt is in
// the first one's text.
func (v *VisionReward) Questions(prompt string) []assay.Question {
	var out []assay.Question
	if prompt = strings.TrimSpace(prompt); prompt != "" {
		q := wholePrompt(prompt)
		q.ID, q.Dimension = "visionreward.alignment", visionRewardPrefix+"alignment"
		out = append(out, withVersion(q))
	}
	for i := range v.texts {
		out = append(out, v.question(i))
	}
	return out
}

// question returns the i-th question of the list.
func (v *VisionReward) question(i int) assay.Question {
	q := assay.Question{
		ID:        fmt.Sprintf("visionreward.%02d", i),
		Dimension: visionRewardPrefix + visionRewardDimension(i),
		Text:      v.texts[i], Good: assay.YesIsGood, Kind: "plain", Scope: "image",
	}
	if i < visionRewardMasks {
		q.Good, q.Kind = assay.Neither, "presence"
	}
	if mask, ok := visionRewardNeeds[i]; ok {
		q.Needs = []string{fmt.Sprintf("visionreward.%02d", mask)}
	}
	return withVersion(q)
}
