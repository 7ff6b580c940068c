package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/gen-emerge/assay"
)

// PutAnswers stores answers in one transaction. An answer that is stored
// already, by series, image, judge, question, text and repeat, stands: putting
// it again is a no-op. ID is the store's and is ignored.
//
// The image must be an entry of the series; the judge named, and have a model
// unless it is a person; the question have a text; a belief have probabilities
// or say why it has none; anything else is an error wrapping
// [assay.ErrInvalid]. A question whose id and version are stored with another
// text is one wrapping [assay.ErrConflict]. The text of a question is kept once.
func (db *DB) PutAnswers(ctx context.Context, answers []assay.Answer) error {
	for _, a := range answers {
		if err := checkAnswer(a); err != nil {
			return fmt.Errorf("answer of %s to %s about %s: %w", a.Judge.Name, a.Question.ID, a.Image.Short(), err)
		}
	}
	return db.write(ctx, func(t *tx) error {
		for _, a := range answers {
			if err := t.putAnswer(a); err != nil {
				return fmt.Errorf("answer of %s to %s about %s: %w", a.Judge.Name, a.Question.ID, a.Image.Short(), err)
			}
		}
		return nil
	})
}

func checkAnswer(a assay.Answer) error {
	if a.Repeat < 0 {
		return fmt.Errorf("repeat %d is negative: %w", a.Repeat, assay.ErrInvalid)
	}
	return checkBelief(a.Belief)
}

// checkBelief refuses beliefs that say nothing, and numbers that are no
// probabilities. It is written so that NaN fails.
func checkBelief(b assay.Belief) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf(format+": %w", append(args, assay.ErrInvalid)...)
	}
	switch b.Method {
	case assay.ByLogProbs, assay.BySamples, assay.ByWord:
	case "":
		if b.Abstained == "" {
			return bad("it says neither a probability nor why there is none")
		}
	default:
		return bad("method %q is unknown", b.Method)
	}
	if b.Known() && !(b.P >= 0 && b.P <= 1) {
		return bad("%g is not a probability", b.P)
	}
	if b.Known() && !(b.Low >= 0 && b.Low <= b.High && b.High <= 1) {
		return bad("bounds %g to %g: want probabilities in order", b.Low, b.High)
	}
	if !(b.Coverage >= 0 && b.Coverage <= 1) {
		return bad("coverage %g is not a share", b.Coverage)
	}
	if b.Yes < 0 || b.Yes > b.Samples {
		return bad("%d of %d samples said yes", b.Yes, b.Samples)
	}
	return nil
}

func (t *tx) putAnswer(a assay.Answer) error {
	series, num, err := t.entryOf(a.Series, a.Image)
	if err != nil {
		return err
	}
	judge, err := t.judgeID(a.Judge)
	if err != nil {
		return err
	}
	question, err := t.questionID(a.Question)
	if err != nil {
		return err
	}
	var text, p, low, high any
	if !a.Text.IsZero() {
		text = a.Text[:]
	}
	b := a.Belief
	if b.Known() {
		p, low, high = b.P, b.Low, b.High
	}
	_, err = t.exec(`INSERT INTO answer (series, image, text, judge, question,
			method, p, low, high, coverage, samples, yes, abstained, repeat, void, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING`,
		series, num, text, judge, question,
		string(b.Method), p, low, high, b.Coverage, b.Samples, b.Yes, b.Abstained, a.Repeat, a.Void, t.at(a.Created))
	return err
}

// answerColumns are the columns of an answer w with its judge and its question.
const answerColumns = `w.id, w.text, w.method, w.p, w.low, w.high, w.coverage, w.samples, w.yes, w.abstained,
	w.repeat, w.void, w.created, ` + judgeColumns + `, ` + questionColumns

// scanAnswer reads into a the columns of an answer, after those of first.
func scanAnswer(rows *sql.Rows, a *assay.Answer, first ...any) error {
	var p, low, high sql.NullFloat64
	var needs sql.NullString
	fields := append(first, &a.ID, (*digest)(&a.Text), &a.Belief.Method, &p, &low, &high, &a.Belief.Coverage,
		&a.Belief.Samples, &a.Belief.Yes, &a.Belief.Abstained, &a.Repeat, &a.Void, (*instant)(&a.Created))
	fields = append(append(fields, judgeFields(&a.Judge)...), questionFields(&a.Question, &needs)...)
	if err := rows.Scan(fields...); err != nil {
		return err
	}
	a.Belief.P, a.Belief.Low, a.Belief.High = p.Float64, low.Float64, high.Float64
	return setNeeds(&a.Question, needs)
}

// Answers returns all answers about the image in the series, in the order in
// which they were stored; none is no error.
func (db *DB) Answers(ctx context.Context, series string, image assay.Digest) ([]assay.Answer, error) {
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return nil, err
	}
	return list(ctx, db, func(rows *sql.Rows) (assay.Answer, error) {
		a := assay.Answer{Series: series, Image: image}
		err := scanAnswer(rows, &a)
		return a, err
	}, `SELECT `+answerColumns+`
		FROM image i JOIN answer w ON w.series = $1 AND w.image = i.num
		JOIN judge j ON j.id = w.judge JOIN question q ON q.id = w.question
		WHERE i.id = $2 ORDER BY w.id`, id, image[:])
}

// answerWindow is how many places of a series are read at once for their
// answers: a place has some sixty of them from each judge.
const answerWindow = 64

// SeriesAnswers calls fn with each answer in the series, in order of place, and
// of one place in the order in which they were stored. It stops at fn's first
// error and returns it. Entries that arrive meanwhile are left out. fn may use
// the DB.
func (db *DB) SeriesAnswers(ctx context.Context, series string, fn func(seq int64, a assay.Answer) error) error {
	return db.pages(ctx, series, answerWindow, func(id, first, last int64) error {
		rows, err := list(ctx, db, func(rows *sql.Rows) (p placed[assay.Answer], err error) {
			p.row.Series = series
			err = scanAnswer(rows, &p.row, &p.seq, (*digest)(&p.row.Image))
			return p, err
		}, `SELECT e.seq, i.id, `+answerColumns+`
			FROM entry e JOIN answer w ON w.series = e.series AND w.image = e.image JOIN image i ON i.num = e.image
			JOIN judge j ON j.id = w.judge JOIN question q ON q.id = w.question
			WHERE e.series = $1 AND e.seq BETWEEN $2 AND $3
			ORDER BY e.seq, w.id`, id, first, last)
		if err != nil {
			return err
		}
		for _, p := range rows {
			if err := fn(p.seq, p.row); err != nil {
				return err
			}
		}
		return nil
	})
}

// Question returns the newest version of the question with the id that was ever
// answered in the workspace, or an error wrapping [assay.ErrNotFound].
func (db *DB) Question(ctx context.Context, id string) (assay.Question, error) {
	found, err := list(ctx, db, func(rows *sql.Rows) (q assay.Question, err error) {
		var needs sql.NullString
		if err := rows.Scan(questionFields(&q, &needs)...); err != nil {
			return q, err
		}
		return q, setNeeds(&q, needs)
	}, `SELECT `+questionColumns+` FROM question q WHERE q.name = $1 ORDER BY q.id DESC LIMIT 1`, id)
	if err != nil {
		return assay.Question{}, err
	}
	if len(found) == 0 {
		return assay.Question{}, fmt.Errorf("question %q: nobody has been asked it: %w", id, assay.ErrNotFound)
	}
	return found[0], nil
}
