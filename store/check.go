package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/gen-emerge/assay"
)

// latest yields the number and the time of the newest row of a table, as text.
func latest(table, where string) string {
	return `(SELECT id || '@' || created FROM ` + table + ` ` + where + ` ORDER BY id DESC LIMIT 1)`
}

// version is one row of text that changes with every fact a series' views are
// computed from. Each part is one step into an index. Readings, embeddings,
// neighbours, withdrawals and all answers are taken over all series, so that a fact of
// another series may change the version too: a view is then computed once more
// than needed, never once too few.
var version = `SELECT s.id || '@' || s.created
	|| ' entry ' || coalesce((SELECT seq || '@' || created FROM entry WHERE series = s.id ORDER BY seq DESC LIMIT 1), '')
	|| ' reading ' || coalesce(` + latest("reading", "") + `, '')
	|| ' embedding ' || coalesce(` + latest("embedding", "") + `, '')
	|| ' neighbour ' || coalesce(` + latest("neighbour", "") + `, '')
	|| ' withdrawal ' || coalesce(` + latest("withdrawal", "") + `, '')
	|| ' control ' || coalesce(` + latest("control", "WHERE series = s.id") + `, '')
	|| ' threshold ' || coalesce(` + latest("threshold", "WHERE series = s.id") + `, '')
	|| ' grid ' || coalesce(` + latest("grid", "WHERE series = s.id") + `, '')
	|| ' decision ' || coalesce(` + latest("decision", "WHERE series = s.id") + `, '')
	|| ' judgment ' || coalesce(` + latest("judgment", "WHERE series = s.id") + `, '')
	|| ' round ' || coalesce(` + latest("round", "WHERE series = s.id") + `, '')
	|| ' answer ' || coalesce(` + latest("answer", "") + `, '')
	|| ' comparison ' || coalesce(` + latest("comparison", "WHERE series = s.id") + `, '')
	|| ' mark ' || coalesce(` + latest("mark", "WHERE series = s.id") + `, '')
	|| ' unmark ' || coalesce(` + latest("mark_withdrawal", "") + `, '')
	|| ' triplet ' || coalesce(` + latest("triplet", "WHERE series = s.id") + `, '')
	|| ' triplet_answer ' || coalesce(` + latest("triplet_answer", "") + `, '')
	|| ' ranking ' || coalesce(` + latest("ranking", "WHERE series = s.id") + `, '')
	|| ' ranking_answer ' || coalesce(` + latest("ranking_answer", "") + `, '')
	|| ' audit ' || coalesce(` + latest("note", "WHERE series = s.id AND kind = 'audit'") + `, '')
	FROM series s WHERE s.name = $1`

// Version returns 32 hex digits that name the present state of all facts that
// a view of the series is computed from: within one workspace, equal versions
// mean equal facts. It costs a few look-ups and no scan. Facts of another
// series may change it too.
func (db *DB) Version(ctx context.Context, series string) (string, error) {
	var text string
	err := db.reader.QueryRowContext(ctx, version, series).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", noSeries(series)
	}
	if err != nil {
		return "", db.explain(err)
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16]), nil
}

// Check returns everything that is wrong with the workspace: damage of the
// database file, references to rows that are not there, places that were
// skipped, comparisons whose judgments say something else, rankings that leave
// images out, second breakthroughs, and images whose bytes are missing or have the
// wrong length. It returns nil if nothing is. It reads the whole database but not
// the blobs' contents; see [DB.Blob] for those.
func (db *DB) Check(ctx context.Context) []error {
	var found []error
	report := func(table, key, format string, args ...any) {
		found = append(found, &CorruptError{Table: table, Key: key, Err: fmt.Errorf(format, args...)})
	}
	damage, err := list(ctx, db, func(rows *sql.Rows) (s string, err error) {
		err = rows.Scan(&s)
		return s, err
	}, `PRAGMA integrity_check`)
	if err != nil {
		return append(found, err)
	}
	for _, s := range damage {
		if s != "ok" {
			report("database", db.path, "%s", s)
		}
	}
	_, err = list(ctx, db, func(rows *sql.Rows) (none struct{}, err error) {
		var table, parent string
		var row, fk sql.NullInt64
		err = rows.Scan(&table, &row, &parent, &fk)
		report(table, fmt.Sprint("row ", row.Int64), "refers to a missing row of %s", parent)
		return none, err
	}, `PRAGMA foreign_key_check`)
	if err != nil {
		return append(found, err)
	}
	_, err = list(ctx, db, func(rows *sql.Rows) (none struct{}, err error) {
		var name string
		var count, first, last int64
		err = rows.Scan(&name, &count, &first, &last)
		report("series", name, "has %d entries at places %d to %d", count, first, last)
		return none, err
	}, `SELECT s.name, count(*), min(e.seq), max(e.seq) FROM entry e JOIN series s ON s.id = e.series
		GROUP BY s.id HAVING min(e.seq) <> 1 OR max(e.seq) <> count(*)`)
	if err != nil {
		return append(found, err)
	}
	_, err = list(ctx, db, func(rows *sql.Rows) (none struct{}, err error) {
		var comparison, judgment int64
		err = rows.Scan(&comparison, &judgment)
		report("comparison", fmt.Sprint(comparison), "its judgment %d says something else or is of another pair", judgment)
		return none, err
	}, `SELECT c.id, j.id FROM comparison c JOIN judgment j ON j.id = c.judgment
		WHERE NOT (j.series = c.series AND j.left_image = c.a AND j.right_image = c.b AND j.outcome = c.outcome AND j.source <> 'human')`)
	if err != nil {
		return append(found, err)
	}
	if err := db.checkPeople(ctx, report); err != nil {
		return append(found, err)
	}
	return append(found, db.checkBlobs(ctx)...)
}

// checkPeople reports rankings whose order leaves images out, and raters with two
// breakthroughs in a series.
func (db *DB) checkPeople(ctx context.Context, report func(table, key, format string, args ...any)) error {
	_, err := list(ctx, db, func(rows *sql.Rows) (none struct{}, err error) {
		var ranking, shown, placed int64
		err = rows.Scan(&ranking, &shown, &placed)
		report("ranking", fmt.Sprint(ranking), "shows %d images and puts %d in order", shown, placed)
		return none, err
	}, `SELECT ranking, shown, placed FROM (SELECT k.id AS ranking,
			(SELECT count(*) FROM ranking_image m WHERE m.ranking = k.id) AS shown,
			(SELECT count(*) FROM ranking_place p WHERE p.ranking = k.id) AS placed,
			EXISTS (SELECT 1 FROM ranking_answer a WHERE a.ranking = k.id) AS answered
			FROM ranking k) AS k
		WHERE shown = 0 OR answered AND placed <> shown ORDER BY ranking`)
	if err != nil {
		return err
	}
	_, err = list(ctx, db, func(rows *sql.Rows) (none struct{}, err error) {
		var series, rater string
		var count int64
		err = rows.Scan(&series, &rater, &count)
		report("mark", series, "%s has %d breakthroughs that stand; want one", rater, count)
		return none, err
	}, `SELECT s.name, m.rater, count(*) FROM mark m JOIN series s ON s.id = m.series
		WHERE m.kind = 'breakthrough' AND NOT EXISTS (SELECT 1 FROM mark_withdrawal w WHERE w.mark = m.id)
		GROUP BY s.name, m.rater HAVING count(*) > 1 ORDER BY s.name, m.rater`)
	return err
}

// checkBlobs returns an error for each image whose file is missing or has the
// wrong length.
func (db *DB) checkBlobs(ctx context.Context) []error {
	images, err := list(ctx, db, func(rows *sql.Rows) (img assay.Image, err error) {
		err = rows.Scan((*digest)(&img.ID), &img.Bytes)
		return img, err
	}, `SELECT id, bytes FROM image ORDER BY num`)
	if err != nil {
		return []error{err}
	}
	var found []error
	for _, img := range images {
		if err := ctx.Err(); err != nil {
			return append(found, err)
		}
		info, err := os.Stat(db.blobs.path(img.ID))
		if err == nil && info.Size() != img.Bytes {
			err = fmt.Errorf("%s: has %d bytes, want %d", db.blobs.path(img.ID), info.Size(), img.Bytes)
		}
		if err != nil {
			found = append(found, &CorruptError{Table: "blob", Key: img.ID.String(), Err: err})
		}
	}
	return found
}
