package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
)

// PutJudgment appends a judgment and returns its number. Both images must be
// entries of the series and different, the grade consistent with the outcome
// (-2 or -1 for left, 1 or 2 for right, else 0), the rater named, the source
// "human" or "vlm:model", and a pair of a round must be asked in that round in
// that order; anything else is an error wrapping [assay.ErrInvalid].
//
// Within a round, a rater's answer to a pair counts once: the same answer again
// (an impatient second click) returns the number of the first; another answer is
// an error wrapping [assay.ErrConflict] until the first is withdrawn. Outside
// rounds every judgment is a new one.
func (db *DB) PutJudgment(ctx context.Context, j assay.Judgment) (int64, error) {
	if err := checkJudgment(j); err != nil {
		return 0, fmt.Errorf("judgment of %s and %s: %w", j.Left.Short(), j.Right.Short(), err)
	}
	var id int64
	err := db.write(ctx, func(t *tx) (err error) {
		id, err = t.putJudgment(j)
		return err
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

// PutJudgments appends judgments that come from elsewhere, as [DB.PutJudgment] does,
// and a note of the same series that says from where, all in one transaction. The
// error names the first judgment that is refused by its place, from 1.
func (db *DB) PutJudgments(ctx context.Context, js []assay.Judgment, from assay.Note) error {
	for i, j := range js {
		if err := checkJudgment(j); err != nil {
			return fmt.Errorf("judgment %d, of %s and %s: %w", i+1, j.Left.Short(), j.Right.Short(), err)
		}
		if j.Series != from.Series {
			return fmt.Errorf("judgment %d is of series %q, the note of %q: %w", i+1, j.Series, from.Series, assay.ErrInvalid)
		}
	}
	return db.write(ctx, func(t *tx) error {
		for i, j := range js {
			if _, err := t.putJudgment(j); err != nil {
				return fmt.Errorf("judgment %d, of %s and %s: %w", i+1, j.Left.Short(), j.Right.Short(), err)
			}
		}
		_, err := t.putNote(from)
		return err
	})
}

func checkJudgment(j assay.Judgment) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf(format+": %w", append(args, assay.ErrInvalid)...)
	}
	if j.Left == j.Right {
		return bad("an image is not compared with itself")
	}
	if j.Rater == "" {
		return bad("the rater has no name")
	}
	if model, vlm := strings.CutPrefix(j.Source, "vlm:"); j.Source != "human" && (!vlm || model == "") {
		return bad("source %q: want \"human\" or \"vlm:model\"", j.Source)
	}
	lo, hi := 0, 0
	switch j.Outcome {
	case assay.Left:
		lo, hi = -2, -1
	case assay.Right:
		lo, hi = 1, 2
	case assay.Tie, assay.BothBad, assay.Skip:
	default:
		return bad("outcome %q is unknown", j.Outcome)
	}
	if j.Grade < lo || j.Grade > hi {
		return bad("grade %d does not fit outcome %q: want %d to %d", j.Grade, j.Outcome, lo, hi)
	}
	if !(j.Propensity >= 0 && j.Propensity <= 1) { // written so that NaN fails
		return bad("propensity %g is not a probability", j.Propensity)
	}
	if j.Latency < 0 {
		return bad("latency %s is negative", j.Latency)
	}
	return nil
}

func (t *tx) putJudgment(j assay.Judgment) (int64, error) {
	series, left, err := t.entryOf(j.Series, j.Left)
	if err != nil {
		return 0, err
	}
	_, right, err := t.entryOf(j.Series, j.Right)
	if err != nil {
		return 0, err
	}
	var round any
	if j.Round != 0 {
		round = j.Round
		_, err := t.number(`SELECT 1 FROM round_pair WHERE round = $1 AND series = $2 AND left_image = $3 AND right_image = $4`,
			j.Round, series, left, right)
		if errors.Is(err, sql.ErrNoRows) {
			return 0, fmt.Errorf("round %d of series %q does not ask for %s against %s: %w",
				j.Round, j.Series, j.Left.Short(), j.Right.Short(), assay.ErrInvalid)
		}
		if err != nil {
			return 0, err
		}
		if id, err := t.answered(j, left, right); id != 0 || err != nil {
			return id, err
		}
	}
	return t.number(`INSERT INTO judgment
		(series, round, rater, source, left_image, right_image, outcome, grade, propensity, latency, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id`,
		series, round, j.Rater, j.Source, left, right, string(j.Outcome), j.Grade, j.Propensity, int64(j.Latency), t.at(j.Created))
}

// answered returns the number of the standing judgment that says the same as j
// in the same round, 0 if there is none, or an error if it says something else.
func (t *tx) answered(j assay.Judgment, left, right int64) (id int64, err error) {
	s, err := t.stmt(`SELECT j.id, j.outcome, j.grade FROM judgment j
		WHERE j.round = $1 AND j.rater = $2 AND j.left_image = $3 AND j.right_image = $4
		AND NOT EXISTS (SELECT 1 FROM withdrawal w WHERE w.judgment = j.id)`)
	if err != nil {
		return 0, err
	}
	var outcome assay.Outcome
	var grade int
	err = s.QueryRow(j.Round, j.Rater, left, right).Scan(&id, &outcome, &grade)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if outcome != j.Outcome || grade != j.Grade {
		return 0, fmt.Errorf("%s has answered %s against %s in round %d with %q (%d); withdraw judgment %d first: %w",
			j.Rater, j.Left.Short(), j.Right.Short(), j.Round, outcome, grade, id, assay.ErrConflict)
	}
	return id, nil
}

// Withdraw takes a judgment back, by a row of its own; the judgment stays, and
// is marked in [DB.Judgments]. Withdrawing twice is a no-op. An unknown number
// is an error wrapping [assay.ErrNotFound].
func (db *DB) Withdraw(ctx context.Context, judgment int64) error {
	return db.write(ctx, func(t *tx) error {
		_, err := t.number(`SELECT 1 FROM judgment WHERE id = $1`, judgment)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("judgment %d: %w", judgment, assay.ErrNotFound)
		}
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO withdrawal (judgment, created) VALUES ($1, $2) ON CONFLICT DO NOTHING`, judgment, t.now)
		return err
	})
}

// Judgments returns all judgments of the series in order of their numbers,
// withdrawn ones included and marked.
func (db *DB) Judgments(ctx context.Context, series string) ([]assay.Judgment, error) {
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return nil, err
	}
	return list(ctx, db, func(rows *sql.Rows) (assay.Judgment, error) {
		j := assay.Judgment{Series: series}
		var latency int64
		err := rows.Scan(&j.ID, &j.Round, &j.Rater, &j.Source, (*digest)(&j.Left), (*digest)(&j.Right),
			&j.Outcome, &j.Grade, &j.Propensity, &latency, &j.Withdrawn, (*instant)(&j.Created))
		j.Latency = time.Duration(latency)
		return j, err
	}, `SELECT j.id, coalesce(j.round, 0), j.rater, j.source, l.id, r.id,
			j.outcome, j.grade, j.propensity, j.latency, w.id IS NOT NULL, j.created
		FROM judgment j JOIN image l ON l.num = j.left_image JOIN image r ON r.num = j.right_image
		LEFT JOIN withdrawal w ON w.judgment = j.id
		WHERE j.series = $1 ORDER BY j.id`, id)
}
