package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
)

// seriesName is what a series may be called; it stands in paths and addresses.
var seriesName = regexp.MustCompile(`^[a-z0-9._-]{1,64}$`)

// CreateSeries makes an empty series. One of that name that exists is kept as
// it is. Names are 1 to 64 of a-z, 0-9, dot, dash and underscore, and not only
// dots; others give an error wrapping [assay.ErrInvalid].
func (db *DB) CreateSeries(ctx context.Context, name string) error {
	if !seriesName.MatchString(name) || strings.Trim(name, ".") == "" {
		return fmt.Errorf("series %q: want 1 to 64 of a-z, 0-9, '.', '_' and '-', not only dots: %w", name, assay.ErrInvalid)
	}
	return db.write(ctx, func(t *tx) error {
		_, err := t.exec(`INSERT INTO series (name, created) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, t.now)
		return err
	})
}

// SeriesNames returns the names of all series, in order of the alphabet.
func (db *DB) SeriesNames(ctx context.Context) ([]string, error) {
	return list(ctx, db, func(rows *sql.Rows) (name string, err error) {
		err = rows.Scan(&name)
		return name, err
	}, `SELECT name FROM series ORDER BY name`)
}

// Enter makes an image durable and gives it its place in the series e.Series,
// in one step: first its bytes, then its rows in one transaction. It fills in
// e.Seq, e.Image and, if it is zero, e.Created, and returns the entry as
// stored. An image that is in the series already returns its existing entry
// and known = true, and changes nothing.
//
// The series must exist, else the error wraps [assay.ErrNotFound]. Data must be
// the bytes that img is named after and the size of the image known, else it
// wraps [assay.ErrInvalid].
func (db *DB) Enter(ctx context.Context, img assay.Image, data []byte, e assay.Entry) (entry assay.Entry, known bool, err error) {
	if err := checkEntry(img, data, e); err != nil {
		return assay.Entry{}, false, err
	}
	if _, err := db.seriesID(ctx, e.Series); err != nil {
		return assay.Entry{}, false, err
	}
	entry, err = db.Entry(ctx, e.Series, img.ID)
	if !errors.Is(err, assay.ErrNotFound) {
		return entry, err == nil, err
	}
	if err := db.blobs.put(img.ID, data); err != nil {
		return assay.Entry{}, false, err
	}
	err = db.write(ctx, func(t *tx) error {
		known, err = t.enter(img, e)
		return err
	})
	if err != nil {
		return assay.Entry{}, false, err
	}
	entry, err = db.Entry(ctx, e.Series, img.ID)
	return entry, known, err
}

// checkEntry refuses what cannot be an entry.
func checkEntry(img assay.Image, data []byte, e assay.Entry) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("image %s: %s: %w", img.ID, fmt.Sprintf(format, args...), assay.ErrInvalid)
	}
	switch {
	case assay.DigestOf(data) != img.ID:
		return bad("the %d bytes given have SHA-256 %s", len(data), assay.DigestOf(data))
	case img.Bytes != int64(len(data)) || len(data) == 0:
		return bad("said to have %d bytes, has %d", img.Bytes, len(data))
	case img.Width < 1 || img.Height < 1:
		return bad("size %d×%d", img.Width, img.Height)
	case img.Format == "" || img.Mode == "":
		return bad("format %q, mode %q: both must be known", img.Format, img.Mode)
	case !e.Image.IsZero() && e.Image != img.ID:
		return bad("the entry is for image %s", e.Image)
	}
	for i, p := range e.Parents {
		if p.IsZero() || p == img.ID || slices.Contains(e.Parents[:i], p) {
			return bad("parent %d (%s) is zero, the image itself or named twice", i+1, p)
		}
	}
	return nil
}

// enter adds the rows of an entry, unless another writer has been faster.
func (t *tx) enter(img assay.Image, e assay.Entry) (known bool, err error) {
	series, err := t.seriesID(e.Series)
	if err != nil {
		return false, err
	}
	// The same bytes may have come with another series before; what was
	// written then stands.
	if _, err := t.exec(`INSERT INTO image (id, bytes, format, width, height, mode, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		img.ID[:], img.Bytes, img.Format, img.Width, img.Height, img.Mode, t.now); err != nil {
		return false, err
	}
	num, err := t.imageNum(img.ID)
	if err != nil {
		return false, err
	}
	_, err = t.number(`SELECT seq FROM entry WHERE series = $1 AND image = $2`, series, num)
	if !errors.Is(err, sql.ErrNoRows) {
		return err == nil, err
	}
	var settings, parents any
	if len(e.Settings) > 0 {
		text, err := json.Marshal(e.Settings)
		if err != nil {
			return false, fmt.Errorf("image %s: settings: %w: %w", img.ID, err, assay.ErrInvalid)
		}
		settings = string(text)
	}
	if len(e.Parents) > 0 {
		var b []byte
		for _, p := range e.Parents {
			b = append(b, p[:]...)
		}
		parents = b
	}
	_, err = t.exec(`INSERT INTO entry (series, seq, image, path, prompt, negative, generator, settings, parents, created)
		VALUES ($1, (SELECT coalesce(max(seq), 0) + 1 FROM entry WHERE series = $1), $2, $3, $4, $5, $6, $7, $8, $9)`,
		series, num, e.Path, e.Prompt, e.Negative, e.Generator, settings, parents, t.at(e.Created))
	return false, err
}

// Image returns the image named id, or an error wrapping [assay.ErrNotFound].
func (db *DB) Image(ctx context.Context, id assay.Digest) (assay.Image, error) {
	img := assay.Image{ID: id}
	err := db.reader.QueryRowContext(ctx, `SELECT bytes, format, width, height, mode FROM image WHERE id = $1`, id[:]).
		Scan(&img.Bytes, &img.Format, &img.Width, &img.Height, &img.Mode)
	if errors.Is(err, sql.ErrNoRows) {
		return assay.Image{}, fmt.Errorf("image %s: %w", id, assay.ErrNotFound)
	}
	if err != nil {
		return assay.Image{}, db.explain(err)
	}
	return img, nil
}

const selectEntry = `SELECT s.name, e.seq, i.id, e.path, e.prompt, e.negative, e.generator, e.settings, e.parents, e.created
	FROM entry e JOIN image i ON i.num = e.image JOIN series s ON s.id = e.series `

func scanEntry(rows *sql.Rows) (e assay.Entry, err error) {
	var settings sql.NullString
	var parents []byte
	err = rows.Scan(&e.Series, &e.Seq, (*digest)(&e.Image), &e.Path, &e.Prompt, &e.Negative, &e.Generator,
		&settings, &parents, (*instant)(&e.Created))
	if err != nil {
		return e, err
	}
	if settings.Valid {
		if err := json.Unmarshal([]byte(settings.String), &e.Settings); err != nil {
			return e, &CorruptError{Table: "entry", Key: fmt.Sprintf("%s/%d", e.Series, e.Seq), Err: fmt.Errorf("settings: %w", err)}
		}
	}
	for p := range slices.Chunk(parents, len(assay.Digest{})) {
		e.Parents = append(e.Parents, assay.Digest(p))
	}
	return e, nil
}

// Entry returns the place of the image id in the series, or an error wrapping
// [assay.ErrNotFound].
func (db *DB) Entry(ctx context.Context, series string, id assay.Digest) (assay.Entry, error) {
	found, err := list(ctx, db, scanEntry, selectEntry+`WHERE s.name = $1 AND i.id = $2`, series, id[:])
	if err != nil {
		return assay.Entry{}, err
	}
	if len(found) == 0 {
		return assay.Entry{}, fmt.Errorf("image %s in series %q: %w", id, series, assay.ErrNotFound)
	}
	return found[0], nil
}

// Entries returns at most limit entries of the series with places after
// afterSeq, in order of place; limit 0 means all.
func (db *DB) Entries(ctx context.Context, series string, afterSeq int64, limit int) ([]assay.Entry, error) {
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return nil, err
	}
	if limit < 0 {
		return nil, fmt.Errorf("limit %d: want 0 (all) or more: %w", limit, assay.ErrInvalid)
	}
	if limit == 0 {
		return list(ctx, db, scanEntry, selectEntry+`WHERE e.series = $1 AND e.seq > $2 ORDER BY e.seq`, id, afterSeq)
	}
	return list(ctx, db, scanEntry, selectEntry+`WHERE e.series = $1 AND e.seq > $2 ORDER BY e.seq LIMIT $3`, id, afterSeq, limit)
}

// Count returns the number of entries of the series, which is also the highest
// place in it. It costs one look-up.
func (db *DB) Count(ctx context.Context, series string) (int64, error) {
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return 0, err
	}
	return db.last(ctx, id)
}

// last returns the highest place in the series with number id; 0 if it is empty.
func (db *DB) last(ctx context.Context, id int64) (n int64, err error) {
	err = db.reader.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM entry WHERE series = $1`, id).Scan(&n)
	return n, db.explain(err)
}

// candidates is how many images an ambiguous prefix is answered with.
const candidates = 5

// FindImage returns the one image of the series whose name starts with the hex
// digits of prefix, of which there must be at least 4. None is an error
// wrapping [assay.ErrNotFound]; several are one wrapping [assay.ErrInvalid]
// that names them.
func (db *DB) FindImage(ctx context.Context, series, prefix string) (assay.Digest, error) {
	lo, hi, err := prefixRange(prefix)
	if err != nil {
		return assay.Digest{}, err
	}
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return assay.Digest{}, err
	}
	found, err := list(ctx, db, func(rows *sql.Rows) (d assay.Digest, err error) {
		err = rows.Scan((*digest)(&d))
		return d, err
	}, `SELECT i.id FROM image i CROSS JOIN entry e
		WHERE i.id BETWEEN $2 AND $3 AND e.image = i.num AND e.series = $1 ORDER BY i.id LIMIT $4`, // CROSS: SQLite keeps the order, names first
		id, lo[:], hi[:], candidates+1)
	switch {
	case err != nil:
		return assay.Digest{}, err
	case len(found) == 0:
		return assay.Digest{}, fmt.Errorf("image %s… in series %q: %w", prefix, series, assay.ErrNotFound)
	case len(found) == 1:
		return found[0], nil
	}
	var names []string
	for _, d := range found[:min(len(found), candidates)] {
		names = append(names, d.String())
	}
	if len(found) > candidates {
		names = append(names, "and more")
	}
	return assay.Digest{}, fmt.Errorf("image %s… in series %q could be any of %s: %w",
		prefix, series, strings.Join(names, ", "), assay.ErrInvalid)
}

// prefixRange returns the first and the last digest that start with prefix.
func prefixRange(prefix string) (lo, hi assay.Digest, err error) {
	const digits = 2 * len(lo)
	if len(prefix) < 4 || len(prefix) > digits {
		return lo, hi, fmt.Errorf("image prefix %q: want 4 to %d hex digits: %w", prefix, digits, assay.ErrInvalid)
	}
	pad := digits - len(prefix)
	if lo, err = assay.ParseDigest(prefix + strings.Repeat("0", pad)); err != nil {
		return lo, hi, fmt.Errorf("image prefix %q: want hex digits: %w", prefix, assay.ErrInvalid)
	}
	hi, err = assay.ParseDigest(prefix + strings.Repeat("f", pad))
	return lo, hi, err
}
