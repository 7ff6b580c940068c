package store

import (
	"database/sql"
	"fmt"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/gen-emerge/assay"
)

// versionOne makes, with the first migration alone, the workspace that the first
// release would have left: two entries, the second with a reading, one of a pair
// and a vector; two thresholds and a round.
func versionOne(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	pool, err := sql.Open("sqlite", filepath.Join(dir, "assay.db"))
	must(t, err)
	defer pool.Close()
	sub, err := fs.Sub(migrations, "migrations")
	must(t, err)
	p, err := goose.NewProvider(goose.DialectSQLite3, pool, sub, goose.WithTableName("schema_version"), goose.WithDisableGlobalRegistry(true))
	must(t, err)
	_, err = p.UpTo(t.Context(), 1)
	must(t, err)
	exec := func(query string, args ...any) {
		t.Helper()
		_, err := pool.Exec(query, args...)
		must(t, err)
	}
	exec(`INSERT INTO series (id, name, created) VALUES (1, 's', 1)`)
	b, err := openBlobs(filepath.Join(dir, "blobs"), Options{})
	must(t, err)
	for i := 1; i <= 2; i++ {
		img, data := picture(i)
		must(t, b.put(img.ID, data))
		exec(`INSERT INTO image (num, id, bytes, format, width, height, mode, created) VALUES ($1, $2, $3, 'png', 3, 2, 'RGB', 1)`, i, img.ID[:], img.Bytes)
		exec(`INSERT INTO entry (series, seq, image, path, prompt, negative, generator, created) VALUES (1, $1, $1, 'p', $2, '', '', 1)`, i, fmt.Sprint("prompt ", i))
	}
	exec(`INSERT INTO identity (id, instrument, version, checkpoint, preparation, runtime, synthetic) VALUES
		(1, $1, $2, $3, $4, $5, 0), (2, $6, 1, '', $7, $8, 0)`, niqe.Instrument, niqe.Version, niqe.Checkpoint, niqe.Preparation, niqe.Runtime,
		lpips.Instrument, lpips.Preparation, lpips.Runtime)
	exec(`INSERT INTO reading (image, ref, identity, value, warnings, created) VALUES (2, NULL, 1, 3.25, '["small"]', $1), (2, 1, 2, 0.5, NULL, $1)`, micros(epoch))
	exec(`INSERT INTO embedding (image, identity, vector, created) VALUES (2, 2, x'0000803f', 1)`)
	exec(`INSERT INTO neighbour (series, seq, identity, nearest, value, created) VALUES (1, 2, 2, 1, 0.5, 1)`)
	exec(`INSERT INTO threshold (id, series, gate, identity, value, fails, mode, source, reason, evidence, created) VALUES
		(3, 1, 'floor', 1, 7, 'above', 'shadow', 'controls', 'why', '{"n": 3}', $1), (5, 1, 'floor', 1, 8, 'above', 'enforced', 'manual', '', NULL, $1)`, micros(epoch))
	exec(`INSERT INTO round (id, series, rater, created) VALUES (1, 1, 'me', $1)`, micros(epoch))
	exec(`INSERT INTO round_pair (round, series, ord, left_image, right_image, reason, propensity) VALUES (1, 1, 0, 1, 2, 'r', 0.5)`)
	return dir
}

// The thresholds of a workspace of the first release keep their numbers, stay as
// unchangeable as they were, and take modes that came later.
func TestMigrateThresholds(t *testing.T) {
	db := openAt(t, versionOne(t), Options{Now: clock()})
	ctx := t.Context()
	old := assay.Threshold{ID: 3, Identity: niqe, Series: "s", Gate: "floor", Value: 7, Fails: "above", Mode: assay.Shadow,
		Source: "controls", Reason: "why", Evidence: []byte(`{"n": 3}`), Created: epoch}
	ruling := old
	ruling.ID, ruling.Value, ruling.Mode, ruling.Source, ruling.Reason, ruling.Evidence = 5, 8, assay.Enforced, "manual", "", nil
	next := ruling
	next.ID, next.Mode = 6, assay.Calibrated
	same(t, "number of the next", put(t)(db.PutThreshold(ctx, next)), next.ID)
	got, err := db.ThresholdHistory(ctx, "s", "floor")
	must(t, err)
	same(t, "thresholds", got, []assay.Threshold{old, ruling, next})
	for _, query := range []string{`UPDATE threshold SET value = 1`, `DELETE FROM threshold`} {
		_, err := db.writer.ExecContext(ctx, query)
		is(t, query, db.explain(err), assay.ErrInvalid, "threshold_never_")
	}
	r, err := db.Round(ctx, 1)
	must(t, err)
	same(t, "pairs", r.Pairs, []assay.Pair{{Left: pictureID(1), Right: pictureID(2), Reason: "r", Propensity: 0.5}})
	if errs := db.Check(ctx); errs != nil {
		t.Errorf("Check: %v", errs)
	}
}

// A workspace of the first release keeps every fact, and takes readings with
// texts beside the ones it has.
func TestMigrateFromVersionOne(t *testing.T) {
	dir := versionOne(t)
	ctx := t.Context()
	img := pictureID(2)
	old := []assay.Reading{
		{Identity: niqe, Image: img, Value: 3.25, Warnings: []string{"small"}, Created: epoch},
		{Identity: lpips, Image: img, Ref: pictureID(1), Value: 0.5, Created: epoch},
	}
	withText := assay.Reading{Identity: niqe, Image: img, Text: assay.DigestOfText("prompt 2"), Value: 7, Created: epoch}
	for _, again := range []bool{false, true} { // the second time it is a database of today
		db := openAt(t, dir, Options{Now: clock()})
		var version int64
		must(t, db.reader.QueryRow(`SELECT max(version_id) FROM schema_version`).Scan(&version))
		files, err := migrations.ReadDir("migrations")
		must(t, err)
		same(t, "schema version", version, int64(len(files)))
		got, err := db.Readings(ctx, img)
		must(t, err)
		want := old
		if again {
			want = append(want[:2:2], withText)
		}
		same(t, "readings", got, want)
		vectors, err := db.ImageEmbeddings(ctx, img)
		must(t, err)
		same(t, "embeddings", vectors, []assay.Embedding{{Identity: lpips, Image: img, Vector: []float32{1}}})
		changed := old[0]
		changed.Value = 99 // is there already: the first stands
		must(t, db.Record(ctx, Measurement{Series: "s", Seq: 2, Readings: []assay.Reading{changed, old[1], withText}}))
		got, err = db.Readings(ctx, img)
		must(t, err)
		same(t, "readings and one with a text", got, append(old[:2:2], withText))
		if errs := db.Check(ctx); errs != nil {
			t.Errorf("Check: %v", errs)
		}
		must(t, db.Close())
	}
}
