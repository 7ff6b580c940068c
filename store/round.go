package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/gen-emerge/assay"
)

// maxPairs is how many pairs a round may have. The design says 3 to 5; a young
// series may not have three pairs to ask about.
const maxPairs = 5

// PutRound appends a round of 1 to 5 pairs and returns its number. Images must
// be entries of the series, a pair of two different ones and asked once, the
// rater named, kinds known or empty and propensities probabilities; anything else is
// an error wrapping [assay.ErrInvalid].
func (db *DB) PutRound(ctx context.Context, r assay.Round) (int64, error) {
	if r.Rater == "" || len(r.Pairs) == 0 || len(r.Pairs) > maxPairs {
		return 0, fmt.Errorf("round of %d pairs for %q: want a named rater and 1 to %d pairs: %w",
			len(r.Pairs), r.Rater, maxPairs, assay.ErrInvalid)
	}
	var id int64
	err := db.write(ctx, func(t *tx) error {
		series, err := t.seriesID(r.Series)
		if err != nil {
			return err
		}
		id, err = t.number(`INSERT INTO round (series, rater, created) VALUES ($1, $2, $3) RETURNING id`,
			series, r.Rater, t.at(r.Created))
		if err != nil {
			return err
		}
		for i, p := range r.Pairs {
			if err := t.putPair(r.Series, id, i, p); err != nil {
				return fmt.Errorf("pair %d of the round: %w", i+1, err)
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

func (t *tx) putPair(name string, round int64, ord int, p assay.Pair) error {
	if p.Left == p.Right {
		return fmt.Errorf("image %s is not compared with itself: %w", p.Left, assay.ErrInvalid)
	}
	var kind any
	switch p.Kind {
	case "":
	case assay.ArchivePair, assay.InformationPair, assay.JudgePair, assay.RandomPair, assay.RepeatPair, assay.AuditPair:
		kind = string(p.Kind)
	default:
		return fmt.Errorf("kind %q is unknown: %w", p.Kind, assay.ErrInvalid)
	}
	if !(p.Propensity >= 0 && p.Propensity <= 1) { // written so that NaN fails
		return fmt.Errorf("propensity %g is not a probability: %w", p.Propensity, assay.ErrInvalid)
	}
	series, left, err := t.entryOf(name, p.Left)
	if err != nil {
		return err
	}
	_, right, err := t.entryOf(name, p.Right)
	if err != nil {
		return err
	}
	n, err := t.exec(`INSERT INTO round_pair (round, series, ord, left_image, right_image, kind, reason, propensity)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (round, left_image, right_image) DO NOTHING`,
		round, series, ord, left, right, kind, p.Reason, p.Propensity)
	if err == nil && n == 0 {
		return fmt.Errorf("%s against %s is asked twice: %w", p.Left.Short(), p.Right.Short(), assay.ErrInvalid)
	}
	return err
}

// Round returns the round with the number id, or an error wrapping
// [assay.ErrNotFound].
func (db *DB) Round(ctx context.Context, id int64) (assay.Round, error) {
	r, _, err := db.round(ctx, id)
	return r, err
}

// OpenRound returns the newest round of the rater in the series that has
// unanswered pairs, and for each of its pairs whether this rater has answered it
// with a judgment that stands. If there is none the error wraps
// [assay.ErrNotFound].
func (db *DB) OpenRound(ctx context.Context, series, rater string) (round assay.Round, answered []bool, err error) {
	sid, err := db.seriesID(ctx, series)
	if err != nil {
		return assay.Round{}, nil, err
	}
	var id int64
	err = db.reader.QueryRowContext(ctx, `SELECT r.id FROM round r
		WHERE r.series = $1 AND r.rater = $2
		AND EXISTS (SELECT 1 FROM round_pair p WHERE p.round = r.id AND NOT `+standing+`)
		ORDER BY r.id DESC LIMIT 1`, sid, rater).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return assay.Round{}, nil, fmt.Errorf("open round of %q in series %q: %w", rater, series, assay.ErrNotFound)
	}
	if err != nil {
		return assay.Round{}, nil, db.explain(err)
	}
	return db.round(ctx, id)
}

// standing is true of a pair p of a round r that its rater has answered.
const standing = `EXISTS (SELECT 1 FROM judgment j
	WHERE j.round = r.id AND j.rater = r.rater AND j.left_image = p.left_image AND j.right_image = p.right_image
	AND NOT EXISTS (SELECT 1 FROM withdrawal w WHERE w.judgment = j.id))`

func (db *DB) round(ctx context.Context, id int64) (r assay.Round, answered []bool, err error) {
	answered, err = list(ctx, db, func(rows *sql.Rows) (done bool, err error) {
		var p assay.Pair
		err = rows.Scan(&r.ID, &r.Series, &r.Rater, (*instant)(&r.Created),
			(*digest)(&p.Left), (*digest)(&p.Right), &p.Kind, &p.Reason, &p.Propensity, &done)
		r.Pairs = append(r.Pairs, p)
		return done, err
	}, `SELECT r.id, s.name, r.rater, r.created, a.id, b.id, coalesce(p.kind, ''), p.reason, p.propensity, `+standing+`
		FROM round r JOIN series s ON s.id = r.series JOIN round_pair p ON p.round = r.id
		JOIN image a ON a.num = p.left_image JOIN image b ON b.num = p.right_image
		WHERE r.id = $1 ORDER BY p.ord`, id)
	if err != nil {
		return assay.Round{}, nil, err
	}
	if len(r.Pairs) == 0 {
		return assay.Round{}, nil, fmt.Errorf("round %d: %w", id, assay.ErrNotFound)
	}
	return r, answered, nil
}
