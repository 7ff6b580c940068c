package store

import (
	"context"

	"github.com/gen-emerge/assay"
)

// PutNote appends a note and returns its number.
func (db *DB) PutNote(ctx context.Context, n assay.Note) (int64, error) { return 0, errUnwritten }

// Notes returns the notes of the series in the order in which they were stored:
// about the image, or about any and none if image is zero; of the kind, or of
// all kinds if it is empty. None is no error.
func (db *DB) Notes(ctx context.Context, series string, image assay.Digest, kind string) ([]assay.Note, error) {
	return nil, errUnwritten
}
