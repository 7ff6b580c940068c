package store

import (
	"context"
	"errors"
)

// ExportParquet writes every fact of the workspace into dir, a Parquet file a kind
// of fact, and returns how many rows each file has. The folder must exist; files of
// these names in it are replaced.
func (db *DB) ExportParquet(ctx context.Context, dir string) (map[string]int64, error) {
	return nil, errors.ErrUnsupported
}
