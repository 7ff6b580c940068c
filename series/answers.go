package series

import (
	"context"
	"errors"
	"fmt"

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
// with that id that was asked of the image, or else of any image. The rest is as
// for [Series.AnswerAsked]. A question that nobody was asked is an error wrapping
// [assay.ErrNotFound].
func (s *Series) AnswerQuestion(ctx context.Context, rater string, image assay.Digest, question, said string) (assay.Answer, error) {
	asked, err := s.facts.Answers(ctx, s.name, image)
	if err != nil {
		return assay.Answer{}, err
	}
	for i := len(asked) - 1; i >= 0; i-- {
		if asked[i].Question.ID == question {
			return s.AnswerAsked(ctx, rater, image, asked[i].Question, said)
		}
	}
	q, err := s.facts.Question(ctx, question)
	if err != nil {
		return assay.Answer{}, err
	}
	return s.AnswerAsked(ctx, rater, image, q, said)
}

// AnswerAsked records what a person says to the question q about an image of the
// series: [SaidYes], [SaidNo] or [SaidCannotTell]. It is durable when AnswerAsked
// returns. What they said last, said again, adds nothing; anything else is kept
// beside it as a repetition, and is what counts from then on. An image that is
// not in the series is an error wrapping [assay.ErrNotFound], anything else said
// one wrapping [assay.ErrInvalid].
func (s *Series) AnswerAsked(ctx context.Context, rater string, image assay.Digest, q assay.Question, said string) (assay.Answer, error) {
	belief := assay.Belief{Method: assay.ByWord, Coverage: 1}
	switch said {
	case SaidYes:
		belief.P, belief.Low, belief.High = 1, 1, 1
	case SaidNo:
	case SaidCannotTell:
		belief.Coverage, belief.Abstained = 0, SaidCannotTell
	default:
		return assay.Answer{}, fmt.Errorf("answer %q: want %q, %q or %q: %w", said, SaidYes, SaidNo, SaidCannotTell, assay.ErrInvalid)
	}
	entry, err := s.facts.Entry(ctx, s.name, image)
	if err != nil {
		return assay.Answer{}, err
	}
	a := assay.Answer{Series: s.name, Image: image, Judge: assay.Judge{Name: rater}, Question: q, Belief: belief, Created: s.opt.Now()}
	if q.Scope == "prompt" {
		a.Text = assay.DigestOfText(entry.Prompt)
	}
	for {
		last, err := s.said(ctx, a)
		if err != nil {
			return assay.Answer{}, err
		}
		if last != nil && last.Belief == a.Belief {
			return *last, nil
		}
		if a.Repeat = 0; last != nil {
			a.Repeat = last.Repeat + 1
		}
		if err := s.facts.PutAnswers(ctx, []assay.Answer{a}); err != nil {
			return assay.Answer{}, err
		}
		// The store keeps the first of two that came at the same moment.
		if last, err = s.said(ctx, a); err != nil {
			return assay.Answer{}, err
		}
		if last == nil {
			return assay.Answer{}, errors.New("series: an answer was stored and is not there")
		}
		if last.Belief == a.Belief {
			return *last, nil
		}
	}
}

// said returns the newest stored answer of a's judge to a's question, nil if
// there is none.
func (s *Series) said(ctx context.Context, a assay.Answer) (*assay.Answer, error) {
	all, err := s.facts.Answers(ctx, s.name, a.Image)
	if err != nil {
		return nil, err
	}
	var last *assay.Answer
	for i, b := range all {
		if b.Judge == a.Judge && b.Question.ID == a.Question.ID && b.Question.Version == a.Question.Version && b.Text == a.Text &&
			(last == nil || b.Repeat > last.Repeat) {
			last = &all[i]
		}
	}
	return last, nil
}
