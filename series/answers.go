package series

import (
	"context"
	"errors"

	"github.com/gen-emerge/assay"
)

// What a person may say to a question.
const (
	SaidYes        = "yes"
	SaidNo         = "no"
	SaidCannotTell = "cannot tell"
)

// AnswerQuestion records what a person says to a question about an image of the
// series: [SaidYes], [SaidNo] or [SaidCannotTell]. The question is the newest
// with that id that was asked of the image, or else of any image. It is durable
// when AnswerQuestion returns. The same answer again returns the first; another
// one is kept beside it as a repetition, and is what counts from then on. An
// unknown question is an error wrapping [assay.ErrNotFound].
func (s *Series) AnswerQuestion(ctx context.Context, rater string, image assay.Digest, question, said string) (assay.Answer, error) {
	return assay.Answer{}, errors.New("series: people's answers are not written yet")
}
