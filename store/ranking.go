package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gen-emerge/assay"
)

// A ranking shows this many images. Fewer than three are a pair.
const (
	fewestRanked = 3
	mostRanked   = 20
)

// PutRanking appends a question to put 3 to 20 images in order, and returns its
// number. If Answered is set the order is appended with it: that is how orders
// given elsewhere come in. ID is the store's and is ignored. The images must be
// entries of the series and different, the rater named and propensities
// probabilities; anything else is an error wrapping [assay.ErrInvalid].
func (db *DB) PutRanking(ctx context.Context, r assay.Ranking) (int64, error) {
	if err := checkRanking(r); err != nil {
		return 0, fmt.Errorf("ranking for %q: %w", r.Rater, err)
	}
	var id int64
	err := db.write(ctx, func(t *tx) error {
		series, err := t.seriesID(r.Series)
		if err != nil {
			return err
		}
		id, err = t.number(`INSERT INTO ranking (series, rater, created) VALUES ($1, $2, $3) RETURNING id`,
			series, r.Rater, t.at(r.Asked))
		if err != nil {
			return err
		}
		for i, shown := range r.Shown {
			_, image, err := t.entryOf(r.Series, shown.Image)
			if err != nil {
				return err
			}
			_, err = t.exec(`INSERT INTO ranking_image (ranking, series, ord, image, contested, propensity)
				VALUES ($1, $2, $3, $4, $5, $6)`, id, series, i, image, boolean(shown.Contested), shown.Propensity)
			if err != nil {
				return err
			}
		}
		if r.Answered.IsZero() {
			return nil
		}
		return t.answerRanking(id, r.Order, micros(r.Answered))
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

func checkRanking(r assay.Ranking) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf(format+": %w", append(args, assay.ErrInvalid)...)
	}
	if r.Rater == "" {
		return bad("the rater has no name")
	}
	if len(r.Shown) < fewestRanked || len(r.Shown) > mostRanked {
		return bad("%d images: want %d to %d", len(r.Shown), fewestRanked, mostRanked)
	}
	seen := make(map[assay.Digest]bool)
	for _, s := range r.Shown {
		if seen[s.Image] {
			return bad("image %s is shown twice", s.Image.Short())
		}
		if !(s.Propensity >= 0 && s.Propensity <= 1) { // written so that NaN fails
			return bad("propensity %g of %s is not a probability", s.Propensity, s.Image.Short())
		}
		seen[s.Image] = true
	}
	if r.Answered.IsZero() && len(r.Order) > 0 {
		return bad("it has an order and no time at which it was given")
	}
	return nil
}

// AnswerRanking stores the order into which the images of the ranking were put,
// best first: all of them, each once. The same order again is a no-op; another
// one is an error wrapping [assay.ErrConflict], an unknown number one wrapping
// [assay.ErrNotFound].
func (db *DB) AnswerRanking(ctx context.Context, ranking int64, order []assay.Digest) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.number(`SELECT 1 FROM ranking WHERE id = $1`, ranking)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("ranking %d: %w", ranking, assay.ErrNotFound)
		}
		if err != nil {
			return err
		}
		return t.answerRanking(ranking, order, t.now)
	})
}

func (t *tx) answerRanking(ranking int64, order []assay.Digest, at int64) error {
	shown, err := t.places(`SELECT i.id, r.image FROM ranking_image r JOIN image i ON i.num = r.image WHERE r.ranking = $1 ORDER BY r.ord`, ranking)
	if err != nil {
		return err
	}
	said, err := t.places(`SELECT i.id, p.image FROM ranking_place p JOIN image i ON i.num = p.image WHERE p.ranking = $1 ORDER BY p.place`, ranking)
	if err != nil {
		return err
	}
	nums := make(map[assay.Digest]int64, len(shown))
	for _, s := range shown {
		nums[s.id] = s.num
	}
	for i, image := range order {
		if nums[image] == 0 || slices.Contains(order[:i], image) {
			return fmt.Errorf("ranking %d: image %s was not shown, or is named twice: %w", ranking, image.Short(), assay.ErrInvalid)
		}
	}
	if len(order) != len(shown) {
		return fmt.Errorf("ranking %d: %d images in order, %d were shown; want all: %w", ranking, len(order), len(shown), assay.ErrInvalid)
	}
	if len(said) > 0 {
		if slices.EqualFunc(said, order, func(p place, image assay.Digest) bool { return p.id == image }) {
			return nil
		}
		return fmt.Errorf("ranking %d is answered with another order already: %w", ranking, assay.ErrConflict)
	}
	if _, err := t.exec(`INSERT INTO ranking_answer (ranking, created) VALUES ($1, $2)`, ranking, at); err != nil {
		return err
	}
	for i, image := range order {
		_, err := t.exec(`INSERT INTO ranking_place (ranking, place, image) VALUES ($1, $2, $3)`, ranking, i, nums[image])
		if err != nil {
			return err
		}
	}
	return nil
}

// A place is one image of a ranking.
type place struct {
	id  assay.Digest
	num int64
}

func (t *tx) places(query string, ranking int64) ([]place, error) {
	s, err := t.stmt(query)
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(ranking)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []place
	for rows.Next() {
		var p place
		if err := rows.Scan((*digest)(&p.id), &p.num); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// OpenRanking returns the newest ranking that the rater was asked for in the
// series and has not given, or an error wrapping [assay.ErrNotFound].
func (db *DB) OpenRanking(ctx context.Context, series, rater string) (assay.Ranking, error) {
	found, err := db.rankings(ctx, series, `k.id = (SELECT max(o.id) FROM ranking o WHERE o.series = $1 AND o.rater = $2
		AND NOT EXISTS (SELECT 1 FROM ranking_answer w WHERE w.ranking = o.id))`, rater)
	if err != nil {
		return assay.Ranking{}, err
	}
	if len(found) == 0 {
		return assay.Ranking{}, fmt.Errorf("open ranking of %q in series %q: %w", rater, series, assay.ErrNotFound)
	}
	return found[0], nil
}

// Rankings returns all rankings of the series in order of their numbers, those
// that wait for an answer included.
func (db *DB) Rankings(ctx context.Context, series string) ([]assay.Ranking, error) {
	return db.rankings(ctx, series, `true`)
}

// rankings reads a row for each image shown, and in it the image at the same place
// of the order given.
func (db *DB) rankings(ctx context.Context, series, where string, args ...any) ([]assay.Ranking, error) {
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return nil, err
	}
	var all []assay.Ranking
	_, err = list(ctx, db, func(rows *sql.Rows) (none struct{}, err error) {
		r := assay.Ranking{Series: series}
		var shown assay.Ranked
		var placed assay.Digest
		var answered sql.NullInt64
		if err := rows.Scan(&r.ID, &r.Rater, (*instant)(&r.Asked), &answered,
			(*digest)(&shown.Image), &shown.Contested, &shown.Propensity, (*digest)(&placed)); err != nil {
			return none, err
		}
		if n := len(all); n == 0 || all[n-1].ID != r.ID {
			if answered.Valid {
				r.Answered = time.UnixMicro(answered.Int64).UTC()
			}
			all = append(all, r)
		}
		last := &all[len(all)-1]
		last.Shown = append(last.Shown, shown)
		if !placed.IsZero() {
			last.Order = append(last.Order, placed)
		}
		return none, nil
	}, `SELECT k.id, k.rater, k.created, w.created, i.id, m.contested, m.propensity, o.id
		FROM ranking k JOIN ranking_image m ON m.ranking = k.id JOIN image i ON i.num = m.image
		LEFT JOIN ranking_answer w ON w.ranking = k.id
		LEFT JOIN ranking_place p ON p.ranking = k.id AND p.place = m.ord
		LEFT JOIN image o ON o.num = p.image
		WHERE k.series = $1 AND `+where+` ORDER BY k.id, m.ord`, append([]any{id}, args...)...)
	return all, err
}
