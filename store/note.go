package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/gen-emerge/assay"
)

// PutNote appends a note and returns its number. A kind without a name, a body
// that is not JSON, or an image that is not in the series is an error wrapping
// [assay.ErrInvalid].
func (db *DB) PutNote(ctx context.Context, n assay.Note) (id int64, err error) {
	err = db.write(ctx, func(t *tx) error {
		id, err = t.putNote(n)
		return err
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

func (t *tx) putNote(n assay.Note) (int64, error) {
	if n.Kind == "" || !json.Valid(n.Body) {
		return 0, fmt.Errorf("note %q of %s: want a named kind and a body in JSON: %w", n.Kind, n.Judge.Name, assay.ErrInvalid)
	}
	series, err := t.seriesID(n.Series)
	if err != nil {
		return 0, err
	}
	var image any
	if !n.Image.IsZero() {
		if _, image, err = t.entryOf(n.Series, n.Image); err != nil {
			return 0, fmt.Errorf("note %q: %w", n.Kind, err)
		}
	}
	judge, err := t.judgeID(n.Judge)
	if err != nil {
		return 0, fmt.Errorf("note %q: %w", n.Kind, err)
	}
	return t.number(`INSERT INTO note (series, image, judge, kind, body, created) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
		series, image, judge, n.Kind, string(n.Body), t.at(n.Created))
}

// Notes returns the notes of the series in the order in which they were stored:
// about the image, or about any and none if image is zero; of the kind, or of
// all kinds if it is empty. None is no error.
func (db *DB) Notes(ctx context.Context, series string, image assay.Digest, kind string) ([]assay.Note, error) {
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return nil, err
	}
	where, args := `n.series = $1`, []any{id}
	if !image.IsZero() {
		args = append(args, image[:])
		where += fmt.Sprintf(` AND n.image = (SELECT num FROM image WHERE id = $%d)`, len(args))
	}
	if kind != "" {
		args = append(args, kind)
		where += fmt.Sprintf(` AND n.kind = $%d`, len(args))
	}
	return list(ctx, db, func(rows *sql.Rows) (assay.Note, error) {
		n := assay.Note{Series: series}
		var body string
		fields := append([]any{&n.ID, (*digest)(&n.Image), &n.Kind, &body, (*instant)(&n.Created)}, judgeFields(&n.Judge)...)
		err := rows.Scan(fields...)
		n.Body = json.RawMessage(body)
		return n, err
	}, `SELECT n.id, i.id, n.kind, n.body, n.created, `+judgeColumns+`
		FROM note n JOIN judge j ON j.id = n.judge LEFT JOIN image i ON i.num = n.image
		WHERE `+where+` ORDER BY n.id`, args...)
}
