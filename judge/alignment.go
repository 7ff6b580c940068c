package judge

import (
	"context"
	"errors"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A PromptQuestions is the questions made from one prompt, and how far they go:
// the body of a note of kind "alignment".
type PromptQuestions struct {
	Prompt    string           `json:"prompt"`
	Judge     assay.Judge      `json:"judge"`               // who took the prompt apart
	Questions []assay.Question `json:"questions"`           // the first asks for the whole prompt; a question comes after those it needs
	Coverage  float64          `json:"coverage"`            // share of the prompt's content words that a question beside the first names, in [0,1]; 1 if it has none
	Uncovered []string         `json:"uncovered,omitempty"` // the other content words, in the prompt's order
	Dropped   []Dropped        `json:"dropped,omitempty"`   // what the judge named and is not asked
}

// A Dropped is a part of a prompt that the judge named and that makes no
// question.
type Dropped struct {
	Phrase string `json:"phrase"`
	Why    string `json:"why"`
}

// Alignment makes yes/no questions from a prompt. The judge names the entities,
// attributes, relations, counts and the style that the prompt asks for; each
// becomes one question. A reply that cannot be read is asked for once more and is
// then an error: nothing is guessed. The error wraps [assay.ErrInvalid] if the
// prompt is empty or too long, [assay.ErrUnavailable] if the judge refused or
// gave nothing usable.
func Alignment(ctx context.Context, m vlm.Model, prompt string) (PromptQuestions, error) {
	return PromptQuestions{}, errors.ErrUnsupported
}
