package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
)

// vectorWindow is how many embeddings are held at once while reading a series:
// 512 vectors of 1792 numbers are 3.5 MiB.
const vectorWindow = 512

func (t *tx) addEmbedding(num int64, e assay.Embedding) error {
	if len(e.Vector) == 0 {
		return fmt.Errorf("embedding %s is empty: %w", e.Instrument, assay.ErrInvalid)
	}
	vector := make([]byte, 0, 4*len(e.Vector))
	for i, v := range e.Vector {
		if err := finite(fmt.Sprintf("embedding %s: number %d", e.Instrument, i), float64(v)); err != nil {
			return err
		}
		vector = binary.LittleEndian.AppendUint32(vector, math.Float32bits(v))
	}
	identity, err := t.identityID(e.Identity)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO embedding (image, identity, vector, created) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		num, identity, vector, t.now)
	return err
}

func (t *tx) addNeighbour(series int64, name string, seq int64, n assay.Neighbour) error {
	identity, err := t.identityID(n.Identity)
	if err != nil {
		return err
	}
	var nearest, value any
	if !n.Nearest.IsZero() {
		if err := finite("distance "+n.Instrument, n.Value); err != nil {
			return err
		}
		_, num, err := t.entryOf(name, n.Nearest)
		if err != nil {
			return fmt.Errorf("neighbour %s: %w", n.Instrument, err)
		}
		nearest, value = num, n.Value
	}
	_, err = t.exec(`INSERT INTO neighbour (series, seq, identity, nearest, value, created)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`, series, seq, identity, nearest, value, t.now)
	return err
}

// Embeddings calls fn with the vector of each image of the series that has one
// under the identity id, in order of place. Each vector is the caller's to
// keep. It stops at fn's first error and returns it. Entries that arrive
// meanwhile are left out. fn may use the DB.
func (db *DB) Embeddings(ctx context.Context, series string, id assay.Identity, fn func(seq int64, image assay.Digest, v []float32) error) error {
	var identity int64
	err := db.reader.QueryRowContext(ctx, findIdentity,
		id.Instrument, id.Version, id.Checkpoint, id.Preparation, id.Runtime, boolean(id.Synthetic)).Scan(&identity)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = db.seriesID(ctx, series) // nothing has been measured by it; that is no error
		return err
	}
	if err != nil {
		return db.explain(err)
	}
	return db.pages(ctx, series, vectorWindow, func(series, first, last int64) error {
		rows, err := list(ctx, db, func(rows *sql.Rows) (p placed[assay.Embedding], err error) {
			var vector sql.RawBytes
			if err := rows.Scan(&p.seq, (*digest)(&p.row.Image), &vector); err != nil {
				return p, err
			}
			p.row.Vector = floats(vector)
			return p, nil
		}, `SELECT e.seq, i.id, v.vector
			FROM entry e
			JOIN embedding v ON v.image = e.image AND v.identity = $4
			JOIN image i ON i.num = e.image
			WHERE e.series = $1 AND e.seq BETWEEN $2 AND $3
			ORDER BY e.seq`, series, first, last, identity)
		if err != nil {
			return err
		}
		for _, p := range rows {
			if err := fn(p.seq, p.row.Image, p.row.Vector); err != nil {
				return err
			}
		}
		return nil
	})
}

// floats reads the column vector.
func floats(column []byte) []float32 {
	v := make([]float32, len(column)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(column[4*i:]))
	}
	return v
}

// ImageEmbeddings returns every embedding of the image, of all identities, in
// the order in which they were stored; none is no error, nor is an image that
// is not stored. The vectors are the caller's.
func (db *DB) ImageEmbeddings(ctx context.Context, image assay.Digest) ([]assay.Embedding, error) {
	return list(ctx, db, func(rows *sql.Rows) (assay.Embedding, error) {
		e := assay.Embedding{Image: image}
		var vector sql.RawBytes
		err := rows.Scan(&e.Instrument, &e.Version, &e.Checkpoint, &e.Preparation, &e.Runtime, &e.Synthetic, &vector)
		e.Vector = floats(vector)
		return e, err
	}, `SELECT d.instrument, d.version, d.checkpoint, d.preparation, d.runtime, d.synthetic, v.vector
		FROM image i JOIN embedding v ON v.image = i.num JOIN identity d ON d.id = v.identity
		WHERE i.id = $1 ORDER BY v.id`, image[:])
}

// Neighbours calls fn with each neighbour recorded in the series, in order of
// place. It stops at fn's first error and returns it. Entries that arrive
// meanwhile are left out. fn may use the DB.
func (db *DB) Neighbours(ctx context.Context, series string, fn func(assay.Neighbour) error) error {
	return db.pages(ctx, series, window, func(id, first, last int64) error {
		rows, err := list(ctx, db, func(rows *sql.Rows) (assay.Neighbour, error) {
			n := assay.Neighbour{Series: series}
			var value sql.NullFloat64
			err := rows.Scan(&n.Instrument, &n.Version, &n.Checkpoint, &n.Preparation, &n.Runtime, &n.Synthetic,
				&n.Seq, (*digest)(&n.Nearest), &value)
			n.Value = value.Float64
			return n, err
		}, `SELECT d.instrument, d.version, d.checkpoint, d.preparation, d.runtime, d.synthetic, n.seq, i.id, n.value
			FROM neighbour n JOIN identity d ON d.id = n.identity LEFT JOIN image i ON i.num = n.nearest
			WHERE n.series = $1 AND n.seq BETWEEN $2 AND $3
			ORDER BY n.seq, n.id`, id, first, last)
		if err != nil {
			return err
		}
		for _, n := range rows {
			if err := fn(n); err != nil {
				return err
			}
		}
		return nil
	})
}
