package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/gen-emerge/assay"
)

// PutComparison appends a comparison and returns its number. If it decided
// something (left, right, tie) the judgment it gives is appended with it, in one
// transaction: by the judge's name, from the judge's source, graded −1 or 1. ID
// and Judgment are the store's and are ignored.
//
// Both images must be entries of the series and different, the judge a model,
// the criterion named, numbers probabilities, the margin at most one half, and
// the outcome on the side of P; a skip needs a reason. Anything else is an error
// wrapping [assay.ErrInvalid].
func (db *DB) PutComparison(ctx context.Context, c assay.Comparison) (int64, error) {
	if err := checkComparison(c); err != nil {
		return 0, fmt.Errorf("comparison of %s and %s by %s: %w", c.A.Short(), c.B.Short(), c.Judge.Name, err)
	}
	var id int64
	err := db.write(ctx, func(t *tx) (err error) {
		if id, err = t.putComparison(c); err != nil {
			return fmt.Errorf("comparison of %s and %s by %s: %w", c.A.Short(), c.B.Short(), c.Judge.Name, err)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

func checkComparison(c assay.Comparison) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf(format+": %w", append(args, assay.ErrInvalid)...)
	}
	switch {
	case c.A == c.B:
		return bad("an image is not compared with itself")
	case c.Judge.IsPerson():
		return bad("the judge is a person, whose comparisons are judgments")
	case c.Criterion == "":
		return bad("it does not say what better means")
	case !(c.P >= 0 && c.P <= 1): // written so that NaN fails
		return bad("%g is not a probability", c.P)
	case !(c.Margin >= 0 && c.Margin <= 0.5):
		return bad("margin %g: want 0 to 0.5", c.Margin)
	}
	switch c.Outcome {
	case assay.Left, assay.Right:
		if (c.Outcome == assay.Left) != (c.P > 0.5) || c.P == 0.5 {
			return bad("outcome %q with probability %g of the first being better", c.Outcome, c.P)
		}
	case assay.Tie:
	case assay.Skip:
		if c.Reason == "" {
			return bad("a skip must say why")
		}
	default:
		return bad("outcome %q: want left, right, tie or skip", c.Outcome)
	}
	for _, order := range []assay.Belief{c.FirstOrder, c.SecondOrder} {
		if order == (assay.Belief{}) { // this order was not asked
			continue
		}
		if err := checkBelief(order); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) putComparison(c assay.Comparison) (int64, error) {
	series, a, err := t.entryOf(c.Series, c.A)
	if err != nil {
		return 0, err
	}
	_, b, err := t.entryOf(c.Series, c.B)
	if err != nil {
		return 0, err
	}
	judge, err := t.judgeID(c.Judge)
	if err != nil {
		return 0, err
	}
	first, err := json.Marshal(c.FirstOrder)
	if err != nil {
		return 0, err
	}
	second, err := json.Marshal(c.SecondOrder)
	if err != nil {
		return 0, err
	}
	var flags, judgment any
	if len(c.Flags) > 0 {
		text, err := json.Marshal(c.Flags)
		if err != nil {
			return 0, err
		}
		flags = string(text)
	}
	if c.Outcome != assay.Skip {
		if judgment, err = t.putJudgment(judgmentOf(c)); err != nil {
			return 0, err
		}
	}
	return t.number(`INSERT INTO comparison
		(series, judge, a, b, criterion, first_order, second_order, p, margin, outcome, reason, flags, judgment, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id`,
		series, judge, a, b, c.Criterion, string(first), string(second), c.P, c.Margin, string(c.Outcome), c.Reason, flags, judgment, t.at(c.Created))
}

// judgmentOf is the judgment that a comparison gives.
func judgmentOf(c assay.Comparison) assay.Judgment {
	grade := map[assay.Outcome]int{assay.Left: -1, assay.Right: 1}
	return assay.Judgment{
		Series: c.Series, Rater: c.Judge.Name, Source: c.Judge.Source(), Left: c.A, Right: c.B,
		Outcome: c.Outcome, Grade: grade[c.Outcome], Created: c.Created,
	}
}

// Comparisons returns all comparisons of the series in order of their numbers.
// Whether the judgment of one was withdrawn is said by [DB.Judgments].
func (db *DB) Comparisons(ctx context.Context, series string) ([]assay.Comparison, error) {
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return nil, err
	}
	return list(ctx, db, func(rows *sql.Rows) (assay.Comparison, error) {
		c := assay.Comparison{Series: series}
		var first, second string
		var flags sql.NullString
		fields := append([]any{&c.ID, (*digest)(&c.A), (*digest)(&c.B), &c.Criterion, &first, &second, &c.P, &c.Margin,
			&c.Outcome, &c.Reason, &flags, &c.Judgment, (*instant)(&c.Created)}, judgeFields(&c.Judge)...)
		if err := rows.Scan(fields...); err != nil {
			return c, err
		}
		err := json.Unmarshal([]byte(first), &c.FirstOrder)
		if err == nil {
			err = json.Unmarshal([]byte(second), &c.SecondOrder)
		}
		if err == nil && flags.Valid {
			err = json.Unmarshal([]byte(flags.String), &c.Flags)
		}
		if err != nil {
			return c, &CorruptError{Table: "comparison", Key: fmt.Sprint(c.ID), Err: err}
		}
		return c, nil
	}, `SELECT c.id, a.id, b.id, c.criterion, c.first_order, c.second_order, c.p, c.margin,
			c.outcome, c.reason, c.flags, coalesce(c.judgment, 0), c.created, `+judgeColumns+`
		FROM comparison c JOIN judge j ON j.id = c.judge JOIN image a ON a.num = c.a JOIN image b ON b.num = c.b
		WHERE c.series = $1 ORDER BY c.id`, id)
}
