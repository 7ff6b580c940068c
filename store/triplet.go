package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/gen-emerge/assay"
)

// PutTriplet appends a question which of three images is the odd one out, and
// returns its number. If Answered is set the answer is appended with it: that is
// how answers given elsewhere come in. ID is the store's and is ignored. The
// images must be entries of the series and different, the rater named and the
// propensity a probability; anything else is an error wrapping [assay.ErrInvalid].
func (db *DB) PutTriplet(ctx context.Context, q assay.Triplet) (int64, error) {
	if err := checkTriplet(q); err != nil {
		return 0, fmt.Errorf("triplet for %q: %w", q.Rater, err)
	}
	var id int64
	err := db.write(ctx, func(t *tx) error {
		var series int64
		var nums [3]int64
		for i, image := range q.Images {
			var err error
			if series, nums[i], err = t.entryOf(q.Series, image); err != nil {
				return err
			}
		}
		var err error
		id, err = t.number(`INSERT INTO triplet (series, rater, first_image, second_image, third_image, propensity, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`,
			series, q.Rater, nums[0], nums[1], nums[2], q.Propensity, t.at(q.Asked))
		if err != nil || q.Answered.IsZero() {
			return err
		}
		return t.answerTriplet(id, q.Odd, q.Latency, micros(q.Answered))
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

func checkTriplet(q assay.Triplet) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf(format+": %w", append(args, assay.ErrInvalid)...)
	}
	switch i := q.Images; {
	case q.Rater == "":
		return bad("the rater has no name")
	case i[0] == i[1] || i[0] == i[2] || i[1] == i[2]:
		return bad("the same image twice among %s, %s, %s", i[0].Short(), i[1].Short(), i[2].Short())
	case !(q.Propensity >= 0 && q.Propensity <= 1): // written so that NaN fails
		return bad("propensity %g is not a probability", q.Propensity)
	}
	if q.Answered.IsZero() {
		return nil
	}
	return checkOdd(q.Odd, q.Latency)
}

func checkOdd(odd int, latency time.Duration) error {
	if odd < -1 || odd > 2 {
		return fmt.Errorf("odd image %d: want 0 to 2, or -1 for a skip: %w", odd, assay.ErrInvalid)
	}
	if latency < 0 {
		return fmt.Errorf("latency %s is negative: %w", latency, assay.ErrInvalid)
	}
	return nil
}

// AnswerTriplet stores which image of the triplet is the odd one out, by its index
// in Images, or −1 for a skip. The same answer again is a no-op; another one is an
// error wrapping [assay.ErrConflict], an unknown number one wrapping
// [assay.ErrNotFound].
func (db *DB) AnswerTriplet(ctx context.Context, triplet int64, odd int, latency time.Duration) error {
	if err := checkOdd(odd, latency); err != nil {
		return fmt.Errorf("answer to triplet %d: %w", triplet, err)
	}
	return db.write(ctx, func(t *tx) error {
		_, err := t.number(`SELECT 1 FROM triplet WHERE id = $1`, triplet)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("triplet %d: %w", triplet, assay.ErrNotFound)
		}
		if err != nil {
			return err
		}
		return t.answerTriplet(triplet, odd, latency, t.now)
	})
}

func (t *tx) answerTriplet(triplet int64, odd int, latency time.Duration, at int64) error {
	n, err := t.exec(`INSERT INTO triplet_answer (triplet, odd, latency, created) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		triplet, odd, int64(latency), at)
	if err != nil || n == 1 {
		return err
	}
	said, err := t.number(`SELECT odd FROM triplet_answer WHERE triplet = $1`, triplet)
	if err == nil && said != int64(odd) {
		err = fmt.Errorf("triplet %d is answered with %d already: %w", triplet, said, assay.ErrConflict)
	}
	return err
}

// OpenTriplet returns the newest triplet that the rater was asked in the series
// and has not answered, or an error wrapping [assay.ErrNotFound].
func (db *DB) OpenTriplet(ctx context.Context, series, rater string) (assay.Triplet, error) {
	found, err := db.triplets(ctx, series, `t.rater = $2 AND a.id IS NULL ORDER BY t.id DESC LIMIT 1`, rater)
	if err != nil {
		return assay.Triplet{}, err
	}
	if len(found) == 0 {
		return assay.Triplet{}, fmt.Errorf("open triplet of %q in series %q: %w", rater, series, assay.ErrNotFound)
	}
	return found[0], nil
}

// Triplets returns all triplets of the series in order of their numbers, those
// that wait for an answer included.
func (db *DB) Triplets(ctx context.Context, series string) ([]assay.Triplet, error) {
	return db.triplets(ctx, series, `true ORDER BY t.id`)
}

func (db *DB) triplets(ctx context.Context, series, where string, args ...any) ([]assay.Triplet, error) {
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return nil, err
	}
	return list(ctx, db, func(rows *sql.Rows) (assay.Triplet, error) {
		q := assay.Triplet{Series: series}
		var odd, latency, answered sql.NullInt64
		err := rows.Scan(&q.ID, &q.Rater, (*digest)(&q.Images[0]), (*digest)(&q.Images[1]), (*digest)(&q.Images[2]),
			&q.Propensity, (*instant)(&q.Asked), &odd, &latency, &answered)
		if answered.Valid {
			q.Odd, q.Latency, q.Answered = int(odd.Int64), time.Duration(latency.Int64), time.UnixMicro(answered.Int64).UTC()
		}
		return q, err
	}, `SELECT t.id, t.rater, x.id, y.id, z.id, t.propensity, t.created, a.odd, a.latency, a.created
		FROM triplet t JOIN image x ON x.num = t.first_image JOIN image y ON y.num = t.second_image
		JOIN image z ON z.num = t.third_image LEFT JOIN triplet_answer a ON a.triplet = t.id
		WHERE t.series = $1 AND `+where, append([]any{id}, args...)...)
}
