package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/gen-emerge/assay"
)

// PutControls stores controls in one transaction. A control that is stored
// already, by series, image, identity and transform, stands: putting it again
// is a no-op. An image that is not in the series, an unnamed transform or a
// value that is not finite is an error wrapping [assay.ErrInvalid].
func (db *DB) PutControls(ctx context.Context, controls []assay.Control) error {
	return db.write(ctx, func(t *tx) error {
		for _, c := range controls {
			if err := t.putControl(c); err != nil {
				return fmt.Errorf("control %s %q: %w", c.Instrument, c.Transform, err)
			}
		}
		return nil
	})
}

func (t *tx) putControl(c assay.Control) error {
	if c.Transform == "" {
		return fmt.Errorf("the transform has no name: %w", assay.ErrInvalid)
	}
	if err := finite("value", c.Value); err != nil {
		return err
	}
	series, num, err := t.entryOf(c.Series, c.Image)
	if err != nil {
		return err
	}
	identity, err := t.identityID(c.Identity)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO control (series, image, identity, transform, value, created)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`, series, num, identity, c.Transform, c.Value, t.at(c.Created))
	return err
}

// Controls returns the instrument's controls in the series, of all its
// identities, in the order in which they were stored.
func (db *DB) Controls(ctx context.Context, series, instrument string) ([]assay.Control, error) {
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return nil, err
	}
	return list(ctx, db, func(rows *sql.Rows) (assay.Control, error) {
		c := assay.Control{Series: series}
		err := rows.Scan(&c.Instrument, &c.Version, &c.Checkpoint, &c.Preparation, &c.Runtime, &c.Synthetic,
			(*digest)(&c.Image), &c.Transform, &c.Value, (*instant)(&c.Created))
		return c, err
	}, `SELECT d.instrument, d.version, d.checkpoint, d.preparation, d.runtime, d.synthetic,
			i.id, c.transform, c.value, c.created
		FROM control c JOIN identity d ON d.id = c.identity JOIN image i ON i.num = c.image
		WHERE c.series = $1 AND d.instrument = $2 ORDER BY c.id`, id, instrument)
}

// PutThreshold appends a threshold, which rules its gate from now on, and
// returns its number. An unknown mode or side, an empty gate or source, a value
// that is not finite or evidence that is not JSON is an error wrapping
// [assay.ErrInvalid].
func (db *DB) PutThreshold(ctx context.Context, th assay.Threshold) (id int64, err error) {
	if err := checkThreshold(th); err != nil {
		return 0, fmt.Errorf("threshold of gate %q: %w", th.Gate, err)
	}
	err = db.write(ctx, func(t *tx) error {
		series, err := t.seriesID(th.Series)
		if err != nil {
			return err
		}
		identity, err := t.identityID(th.Identity)
		if err != nil {
			return err
		}
		var evidence any
		if len(th.Evidence) > 0 {
			evidence = string(th.Evidence)
		}
		id, err = t.number(`INSERT INTO threshold (series, gate, identity, value, fails, mode, source, reason, evidence, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id`,
			series, th.Gate, identity, th.Value, th.Fails, string(th.Mode), th.Source, th.Reason, evidence, t.at(th.Created))
		return err
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

func checkThreshold(th assay.Threshold) error {
	if th.Gate == "" || th.Source == "" {
		return fmt.Errorf("gate %q, source %q: both must be named: %w", th.Gate, th.Source, assay.ErrInvalid)
	}
	if th.Fails != "below" && th.Fails != "above" {
		return fmt.Errorf("fails %q: want \"below\" or \"above\": %w", th.Fails, assay.ErrInvalid)
	}
	switch th.Mode {
	case assay.Shadow, assay.Calibrated, assay.Enforced, assay.Suspended:
	default:
		return fmt.Errorf("mode %q: want shadow, calibrated, enforced or suspended: %w", th.Mode, assay.ErrInvalid)
	}
	if len(th.Evidence) > 0 && !json.Valid(th.Evidence) {
		return fmt.Errorf("the evidence is not JSON: %w", assay.ErrInvalid)
	}
	return finite("value", th.Value)
}

// Thresholds returns the newest threshold of each gate of the series, in order
// of the gates' names.
func (db *DB) Thresholds(ctx context.Context, series string) ([]assay.Threshold, error) {
	return db.thresholds(ctx, series, `t.id IN (SELECT max(id) FROM threshold WHERE series = $1 GROUP BY gate) ORDER BY t.gate`)
}

// ThresholdHistory returns all thresholds that the gate has had in the series,
// oldest first.
func (db *DB) ThresholdHistory(ctx context.Context, series, gate string) ([]assay.Threshold, error) {
	return db.thresholds(ctx, series, `t.series = $1 AND t.gate = $2 ORDER BY t.id`, gate)
}

func (db *DB) thresholds(ctx context.Context, series, where string, args ...any) ([]assay.Threshold, error) {
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return nil, err
	}
	return list(ctx, db, func(rows *sql.Rows) (assay.Threshold, error) {
		th := assay.Threshold{Series: series}
		var evidence sql.NullString
		err := rows.Scan(&th.Instrument, &th.Version, &th.Checkpoint, &th.Preparation, &th.Runtime, &th.Synthetic,
			&th.ID, &th.Gate, &th.Value, &th.Fails, &th.Mode, &th.Source, &th.Reason, &evidence, (*instant)(&th.Created))
		if evidence.Valid {
			th.Evidence = json.RawMessage(evidence.String)
		}
		return th, err
	}, `SELECT d.instrument, d.version, d.checkpoint, d.preparation, d.runtime, d.synthetic,
			t.id, t.gate, t.value, t.fails, t.mode, t.source, t.reason, t.evidence, t.created
		FROM threshold t JOIN identity d ON d.id = t.identity WHERE `+where, append([]any{id}, args...)...)
}
