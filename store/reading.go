package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gen-emerge/assay"
)

// A Measurement is all that measuring one entry yields. Readings and Embeddings
// must be of the entry's own image. The Series and Seq of a Neighbour may be
// left zero; they are the Measurement's.
type Measurement = assay.Measurement

// Record stores a measurement in one transaction. What is stored already, by
// identity, image, second image and text, stands and is not compared: recording again
// is a no-op. A number that is not finite, an image other than the entry's, or a
// neighbour that came later is an error wrapping [assay.ErrInvalid]; a series,
// entry or second image that does not exist is one wrapping [assay.ErrNotFound].
func (db *DB) Record(ctx context.Context, m Measurement) error {
	return db.RecordAll(ctx, []Measurement{m})
}

// RecordAll stores measurements as [DB.Record] does, all in one transaction:
// either all of them are durable or none is.
func (db *DB) RecordAll(ctx context.Context, ms []Measurement) error {
	return db.write(ctx, func(t *tx) error {
		for _, m := range ms {
			if err := t.record(m); err != nil {
				return fmt.Errorf("recording %s/%d: %w", m.Series, m.Seq, err)
			}
		}
		return nil
	})
}

func (t *tx) record(m Measurement) error {
	series, err := t.seriesID(m.Series)
	if err != nil {
		return err
	}
	s, err := t.stmt(`SELECT i.num, i.id FROM entry e JOIN image i ON i.num = e.image WHERE e.series = $1 AND e.seq = $2`)
	if err != nil {
		return err
	}
	var num int64
	var id assay.Digest
	if err := s.QueryRow(series, m.Seq).Scan(&num, (*digest)(&id)); errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("entry: %w", assay.ErrNotFound)
	} else if err != nil {
		return err
	}
	for _, r := range m.Readings {
		if r.Image != id {
			return fmt.Errorf("reading %s is of image %s, the entry's is %s: %w", r.Instrument, r.Image, id, assay.ErrInvalid)
		}
		if err := t.addReading(num, r); err != nil {
			return err
		}
	}
	for _, e := range m.Embeddings {
		if e.Image != id {
			return fmt.Errorf("embedding %s is of image %s, the entry's is %s: %w", e.Instrument, e.Image, id, assay.ErrInvalid)
		}
		if err := t.addEmbedding(num, e); err != nil {
			return err
		}
	}
	for _, n := range m.Neighbours {
		if n.Series != "" && n.Series != m.Series || n.Seq != 0 && n.Seq != m.Seq {
			return fmt.Errorf("neighbour %s is of entry %s/%d: %w", n.Instrument, n.Series, n.Seq, assay.ErrInvalid)
		}
		if err := t.addNeighbour(series, m.Series, m.Seq, n); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) addReading(num int64, r assay.Reading) error {
	if err := finite("reading "+r.Instrument, r.Value); err != nil {
		return err
	}
	identity, err := t.identityID(r.Identity)
	if err != nil {
		return err
	}
	var ref, text, warnings any
	if !r.Ref.IsZero() {
		if ref, err = t.imageNum(r.Ref); err != nil {
			return fmt.Errorf("reading %s: second %w", r.Instrument, err)
		}
	}
	if !r.Text.IsZero() {
		text = r.Text[:]
	}
	if len(r.Warnings) > 0 {
		list, err := json.Marshal(r.Warnings)
		if err != nil {
			return fmt.Errorf("reading %s: warnings: %w: %w", r.Instrument, err, assay.ErrInvalid)
		}
		warnings = string(list)
	}
	_, err = t.exec(`INSERT INTO reading (image, ref, text, identity, value, warnings, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`, num, ref, text, identity, r.Value, warnings, t.at(r.Created))
	return err
}

// Readings returns all readings of the image, with and without a second image
// or a text, whatever series the text is of, in the order in which they were stored; none is no error.
func (db *DB) Readings(ctx context.Context, image assay.Digest) ([]assay.Reading, error) {
	return list(ctx, db, func(rows *sql.Rows) (assay.Reading, error) {
		r := assay.Reading{Image: image}
		var warnings sql.NullString
		err := rows.Scan(&r.Instrument, &r.Version, &r.Checkpoint, &r.Preparation, &r.Runtime, &r.Synthetic,
			(*digest)(&r.Ref), (*digest)(&r.Text), &r.Value, &warnings, (*instant)(&r.Created))
		if err != nil {
			return r, err
		}
		return r, setWarnings(&r, warnings)
	}, `SELECT d.instrument, d.version, d.checkpoint, d.preparation, d.runtime, d.synthetic,
			f.id, r.text, r.value, r.warnings, r.created
		FROM image i JOIN reading r ON r.image = i.num JOIN identity d ON d.id = r.identity
		LEFT JOIN image f ON f.num = r.ref
		WHERE i.id = $1 ORDER BY r.id`, image[:])
}

func setWarnings(r *assay.Reading, text sql.NullString) error {
	if !text.Valid {
		return nil
	}
	if err := json.Unmarshal([]byte(text.String), &r.Warnings); err != nil {
		return &CorruptError{Table: "reading", Key: r.Instrument + " of " + r.Image.String(), Err: fmt.Errorf("warnings: %w", err)}
	}
	return nil
}

// window is how many places of a series are read from the database at once
// before the caller's function sees them. Reading in windows means that no
// connection is held while the caller works, so that it may use the DB.
const window = 4096

// pages calls page with consecutive ranges of at most size places that cover
// the series as it is now, first and last included.
func (db *DB) pages(ctx context.Context, series string, size int64, page func(id, first, last int64) error) error {
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return err
	}
	end, err := db.last(ctx, id)
	if err != nil {
		return err
	}
	for first := int64(1); first <= end; first += size {
		if err := page(id, first, min(first+size-1, end)); err != nil {
			return err
		}
	}
	return nil
}

// placed is a row, the place in the series that it belongs to, the number of
// its identity and, if the row has a text, the prompt of the place. Numbers are
// looked up in Go: joining would make four new strings a row.
type placed[T any] struct {
	seq      int64
	identity int64
	prompt   string
	row      T
}

// SeriesReadings calls fn with each reading of one image alone (none of pairs)
// that the instrument has made in the series, in order of place; identities of
// the same instrument come in the order in which they were stored. Of readings
// with a text only those with the entry's own prompt are among them: an image
// may stand in another series with another. It stops at fn's first error and
// returns it. Entries that arrive meanwhile are left out. fn may use the DB.
func (db *DB) SeriesReadings(ctx context.Context, series, instrument string, fn func(seq int64, r assay.Reading) error) error {
	ids, err := db.identitiesOf(ctx, instrument)
	if err != nil {
		return err
	}
	if len(ids) == 0 { // nobody has it; looking through the series would find that out slowly
		_, err := db.seriesID(ctx, series)
		return err
	}
	return db.pages(ctx, series, window, func(id, first, last int64) error {
		rows, err := list(ctx, db, func(rows *sql.Rows) (p placed[assay.Reading], err error) {
			var warnings sql.NullString
			err = rows.Scan(&p.seq, (*digest)(&p.row.Image), &p.identity, (*digest)(&p.row.Text), &p.prompt,
				&p.row.Value, &warnings, (*instant)(&p.row.Created))
			if err != nil {
				return p, err
			}
			return p, setWarnings(&p.row, warnings)
		}, `SELECT e.seq, i.id, r.identity, r.text, CASE WHEN r.text IS NULL THEN '' ELSE e.prompt END,
				r.value, r.warnings, r.created
			FROM entry e
			JOIN reading r ON r.image = e.image
				AND r.identity IN (SELECT id FROM identity WHERE instrument = $4) AND coalesce(r.ref, 0) = 0
			JOIN image i ON i.num = e.image
			WHERE e.series = $1 AND e.seq BETWEEN $2 AND $3
			ORDER BY e.seq, r.id`, id, first, last, instrument)
		if err != nil {
			return err
		}
		for _, p := range rows {
			if !p.row.Text.IsZero() && p.row.Text != assay.DigestOfText(p.prompt) {
				continue
			}
			if _, ok := ids[p.identity]; !ok { // newer than the look-up
				if ids, err = db.identitiesOf(ctx, instrument); err != nil {
					return err
				}
			}
			p.row.Identity = ids[p.identity]
			if err := fn(p.seq, p.row); err != nil {
				return err
			}
		}
		return nil
	})
}

// Has tells, for each identity, whether its reading of the image alone exists:
// one with neither a second image nor a text.
func (db *DB) Has(ctx context.Context, image assay.Digest, ids []assay.Identity) ([]bool, error) {
	has := make([]bool, len(ids))
	if len(ids) == 0 {
		return has, nil
	}
	stored, err := list(ctx, db, func(rows *sql.Rows) (id assay.Identity, err error) {
		err = rows.Scan(&id.Instrument, &id.Version, &id.Checkpoint, &id.Preparation, &id.Runtime, &id.Synthetic)
		return id, err
	}, `SELECT n.instrument, n.version, n.checkpoint, n.preparation, n.runtime, n.synthetic
		FROM image i JOIN reading r ON r.image = i.num JOIN identity n ON n.id = r.identity
		WHERE i.id = $1 AND r.ref IS NULL AND r.text IS NULL`, image[:])
	if err != nil {
		return nil, err
	}
	known := make(map[assay.Identity]bool, len(stored))
	for _, id := range stored {
		known[id] = true
	}
	for i, id := range ids {
		has[i] = known[id]
	}
	return has, nil
}
