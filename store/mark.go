package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/gen-emerge/assay"
)

// PutMark appends a mark and returns its number. The image must be an entry of
// the series, the rater named, the kind known, and the round, if there is one, of
// the series; anything else is an error wrapping [assay.ErrInvalid].
//
// A mark that the rater has given this image and not withdrawn counts once:
// giving it again returns its number. A breakthrough beside another image's is an
// error wrapping [assay.ErrConflict], until that is withdrawn; [DB.MoveMark] does
// both at once.
func (db *DB) PutMark(ctx context.Context, m assay.Mark) (int64, error) {
	return db.putMark(ctx, m, false)
}

// MoveMark is [DB.PutMark] for a mark that a rater has once in a series, a
// breakthrough: it withdraws the one they gave another image and appends m, in
// one transaction. If there is none it only appends.
func (db *DB) MoveMark(ctx context.Context, m assay.Mark) (int64, error) {
	if m.Kind != assay.Breakthrough {
		return 0, fmt.Errorf("mark %q: only a breakthrough moves; other marks are given freely: %w", m.Kind, assay.ErrInvalid)
	}
	return db.putMark(ctx, m, true)
}

func (db *DB) putMark(ctx context.Context, m assay.Mark, move bool) (id int64, err error) {
	if m.Kind != assay.Interesting && m.Kind != assay.Breakthrough {
		return 0, fmt.Errorf("mark %q of %s: want %q or %q: %w", m.Kind, m.Image.Short(), assay.Interesting, assay.Breakthrough, assay.ErrInvalid)
	}
	if m.Rater == "" {
		return 0, fmt.Errorf("mark of %s: the rater has no name: %w", m.Image.Short(), assay.ErrInvalid)
	}
	err = db.write(ctx, func(t *tx) error {
		series, image, err := t.entryOf(m.Series, m.Image)
		if err != nil {
			return err
		}
		id, err = t.standingMark(m, series, image, move)
		if id != 0 || err != nil {
			return err
		}
		round, err := t.roundOf(m.Series, series, m.Round)
		if err != nil {
			return err
		}
		id, err = t.number(`INSERT INTO mark (series, image, rater, kind, round, created)
			VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`, series, image, m.Rater, string(m.Kind), round, t.at(m.Created))
		return err
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// standingMark returns the number of the mark that says what m does and stands, 0
// if there is none. Where m is a breakthrough and another image has the rater's,
// that is withdrawn if the mark may move, and else an error.
func (t *tx) standingMark(m assay.Mark, series, image int64, move bool) (int64, error) {
	rows, err := t.Query(`SELECT m.id, m.image, i.id FROM mark m JOIN image i ON i.num = m.image
		WHERE m.series = $1 AND m.rater = $2 AND m.kind = $3
		AND NOT EXISTS (SELECT 1 FROM mark_withdrawal w WHERE w.mark = m.id)`, series, m.Rater, string(m.Kind))
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var same, other int64
	var has assay.Digest
	for rows.Next() {
		var id, num int64
		var name assay.Digest
		if err := rows.Scan(&id, &num, (*digest)(&name)); err != nil {
			return 0, err
		}
		if num == image {
			same = id
		} else {
			other, has = id, name
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return 0, err
	}
	switch {
	case same != 0 || other == 0 || m.Kind != assay.Breakthrough:
		return same, nil
	case !move:
		return 0, fmt.Errorf("%s has the breakthrough of %s in series %q; a rater has one: move it, or withdraw mark %d first: %w",
			has.Short(), m.Rater, m.Series, other, assay.ErrConflict)
	}
	_, err = t.exec(`INSERT INTO mark_withdrawal (mark, created) VALUES ($1, $2)`, other, t.at(m.Created))
	return 0, err
}

// roundOf returns round as it is stored: NULL if it is 0. A round that is not the
// series' is an error wrapping [assay.ErrInvalid].
func (t *tx) roundOf(name string, series, round int64) (any, error) {
	if round == 0 {
		return nil, nil
	}
	_, err := t.number(`SELECT 1 FROM round WHERE id = $1 AND series = $2`, round, series)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("round %d is not of series %q: %w", round, name, assay.ErrInvalid)
	}
	return round, err
}

// WithdrawMark takes a mark back, by a row of its own; the mark stays, and is
// marked as withdrawn in [DB.Marks]. Withdrawing twice is a no-op. An unknown
// number is an error wrapping [assay.ErrNotFound].
func (db *DB) WithdrawMark(ctx context.Context, mark int64) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.number(`SELECT 1 FROM mark WHERE id = $1`, mark)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("mark %d: %w", mark, assay.ErrNotFound)
		}
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO mark_withdrawal (mark, created) VALUES ($1, $2) ON CONFLICT DO NOTHING`, mark, t.now)
		return err
	})
}

// Marks returns all marks of the series in order of their numbers, withdrawn ones
// included and marked as such.
func (db *DB) Marks(ctx context.Context, series string) ([]assay.Mark, error) {
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return nil, err
	}
	return list(ctx, db, func(rows *sql.Rows) (assay.Mark, error) {
		m := assay.Mark{Series: series}
		err := rows.Scan(&m.ID, (*digest)(&m.Image), &m.Rater, &m.Kind, &m.Round, &m.Withdrawn, (*instant)(&m.Created))
		return m, err
	}, `SELECT m.id, i.id, m.rater, m.kind, coalesce(m.round, 0), w.id IS NOT NULL, m.created
		FROM mark m JOIN image i ON i.num = m.image LEFT JOIN mark_withdrawal w ON w.mark = m.id
		WHERE m.series = $1 ORDER BY m.id`, id)
}
