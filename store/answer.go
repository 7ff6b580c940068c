package store

import (
	"context"
	"errors"

	"github.com/gen-emerge/assay"
)

var errUnwritten = errors.New("store: not written yet")

// PutAnswers stores answers in one transaction. An answer that is stored
// already, by series, image, judge, question, text and repeat, stands: putting
// it again is a no-op.
func (db *DB) PutAnswers(ctx context.Context, answers []assay.Answer) error { return errUnwritten }

// Answers returns all answers about the image in the series, in the order in
// which they were stored; none is no error.
func (db *DB) Answers(ctx context.Context, series string, image assay.Digest) ([]assay.Answer, error) {
	return nil, errUnwritten
}

// SeriesAnswers calls fn with each answer in the series, in order of place, and
// of one place in the order in which they were stored. It stops at fn's first
// error and returns it. fn may use the DB.
func (db *DB) SeriesAnswers(ctx context.Context, series string, fn func(seq int64, a assay.Answer) error) error {
	return errUnwritten
}

// Question returns the newest version of the question with the id that was ever
// asked in the workspace, or an error wrapping [assay.ErrNotFound].
func (db *DB) Question(ctx context.Context, id string) (assay.Question, error) {
	return assay.Question{}, errUnwritten
}
