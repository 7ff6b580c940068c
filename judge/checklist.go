package judge

import (
	"context"
	"errors"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// Ask puts one question about one picture.
func Ask(ctx context.Context, m vlm.Model, s Subject, q assay.Question, opt Options) (assay.Belief, error) {
	return assay.Belief{}, errors.ErrUnsupported
}

// Checklist puts questions about one picture to a judge.
func Checklist(ctx context.Context, m vlm.Model, s Subject, qs []assay.Question, opt Options) ([]assay.Answer, error) {
	return nil, errors.ErrUnsupported
}
