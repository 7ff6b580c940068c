package store

import (
	"context"

	"github.com/gen-emerge/assay"
)

// PutComparison appends a comparison and returns its number. If it decided
// something (left, right, tie) the judgment it gives is appended with it, in
// one transaction.
func (db *DB) PutComparison(ctx context.Context, c assay.Comparison) (int64, error) {
	return 0, errUnwritten
}

// Comparisons returns all comparisons of the series in order of their numbers.
func (db *DB) Comparisons(ctx context.Context, series string) ([]assay.Comparison, error) {
	return nil, errUnwritten
}
