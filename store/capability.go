package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/gen-emerge/assay"
)

// PutCapabilities appends what a judge's server was found to do, a JSON object,
// which rules from now on. A body that is no object, or a judge without a name,
// is an error wrapping [assay.ErrInvalid].
func (db *DB) PutCapabilities(ctx context.Context, j assay.Judge, body json.RawMessage) error {
	if text := bytes.TrimSpace(body); !json.Valid(text) || text[0] != '{' {
		return fmt.Errorf("capabilities of judge %s: want a JSON object: %w", j.Name, assay.ErrInvalid)
	}
	return db.write(ctx, func(t *tx) error {
		judge, err := t.judgeID(j)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO capability (judge, body, created) VALUES ($1, $2, $3)`, judge, string(body), t.now)
		return err
	})
}

// Capabilities returns what the judge's server was found to do last, or an error
// wrapping [assay.ErrNotFound] if it was never probed.
func (db *DB) Capabilities(ctx context.Context, j assay.Judge) (json.RawMessage, error) {
	found, err := list(ctx, db, func(rows *sql.Rows) (body string, err error) {
		err = rows.Scan(&body)
		return body, err
	}, `SELECT c.body FROM capability c WHERE c.judge = (`+findJudge+`) ORDER BY c.id DESC LIMIT 1`, judgeArgs(j)...)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("capabilities of judge %s (%s at %s): it was never probed: %w", j.Name, j.Model, j.Endpoint, assay.ErrNotFound)
	}
	return json.RawMessage(found[0]), nil
}
