package store

import (
	"context"
	"encoding/json"

	"github.com/gen-emerge/assay"
)

// PutCapabilities appends what a judge's server was found to do, which rules
// from now on.
func (db *DB) PutCapabilities(ctx context.Context, j assay.Judge, body json.RawMessage) error {
	return errUnwritten
}

// Capabilities returns what the judge's server was found to do last, or an error
// wrapping [assay.ErrNotFound] if it was never probed.
func (db *DB) Capabilities(ctx context.Context, j assay.Judge) (json.RawMessage, error) {
	return nil, errUnwritten
}
