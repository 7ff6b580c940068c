package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/gen-emerge/assay"
)

// questionColumns are the columns of a question q, in the order of
// [questionFields].
const questionColumns = `q.name, q.version, q.dimension, q.text, q.good, q.kind, q.scope, q.needs, q.twin_of, q.expect`

// questionFields scans a question; its needs arrive in needs, see [setNeeds].
func questionFields(q *assay.Question, needs *sql.NullString) []any {
	return []any{&q.ID, &q.Version, &q.Dimension, &q.Text, &q.Good, &q.Kind, &q.Scope, needs, &q.TwinOf, &q.Expect}
}

func setNeeds(q *assay.Question, needs sql.NullString) error {
	if !needs.Valid {
		return nil
	}
	if err := json.Unmarshal([]byte(needs.String), &q.Needs); err != nil {
		return &CorruptError{Table: "question", Key: q.ID + "@" + q.Version, Err: fmt.Errorf("needs: %w", err)}
	}
	return nil
}

func checkQuestion(q assay.Question) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("question %q: "+format+": %w", append(append([]any{q.ID}, args...), assay.ErrInvalid)...)
	}
	oneOf := func(s string, of ...string) bool { return slices.Contains(of, s) }
	switch {
	case q.ID == "" || q.Version == "" || q.Dimension == "" || q.Text == "":
		return bad("version %q, dimension %q, text %q: none may be empty", q.Version, q.Dimension, q.Text)
	case !oneOf(string(q.Good), "yes", "no", ""):
		return bad("good answer %q: want \"yes\", \"no\" or none", q.Good)
	case !oneOf(q.Scope, "image", "prompt", "style", ""):
		return bad("scope %q: want \"image\", \"prompt\", \"style\" or none", q.Scope)
	case !oneOf(q.Expect, "yes", "no", ""):
		return bad("known answer %q: want \"yes\", \"no\" or none", q.Expect)
	}
	return nil
}

// questionID returns the number of a question, which is added if new. The same
// id and version with another text, dimension, good answer, scope or known
// answer is an error wrapping [assay.ErrConflict]; how a set uses the question
// (its kind, what it needs, whose twin it is) stays as it was first stored.
func (t *tx) questionID(q assay.Question) (int64, error) {
	key := q.ID + "@" + q.Version
	if known, ok := t.questions[key]; ok {
		return known.id, known.agrees(q)
	}
	if err := checkQuestion(q); err != nil {
		return 0, err
	}
	s, err := t.stmt(`SELECT q.id, q.dimension, q.text, q.good, q.scope, q.expect FROM question q WHERE q.name = $1 AND q.version = $2`)
	if err != nil {
		return 0, err
	}
	var known knownQuestion
	known.q.ID, known.q.Version = q.ID, q.Version
	err = s.QueryRow(q.ID, q.Version).Scan(&known.id, &known.q.Dimension, &known.q.Text, &known.q.Good, &known.q.Scope, &known.q.Expect)
	if errors.Is(err, sql.ErrNoRows) {
		known.q = q
		known.id, err = t.addQuestion(q)
	}
	if err != nil {
		return 0, err
	}
	t.questions[key] = known
	return known.id, known.agrees(q)
}

func (t *tx) addQuestion(q assay.Question) (int64, error) {
	var needs any
	if len(q.Needs) > 0 {
		text, err := json.Marshal(q.Needs)
		if err != nil {
			return 0, fmt.Errorf("question %q: needs: %w: %w", q.ID, err, assay.ErrInvalid)
		}
		needs = string(text)
	}
	return t.number(`INSERT INTO question (name, version, dimension, text, good, kind, scope, needs, twin_of, expect)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id`,
		q.ID, q.Version, q.Dimension, q.Text, string(q.Good), q.Kind, q.Scope, needs, q.TwinOf, q.Expect)
}

// A knownQuestion is a stored question and its number.
type knownQuestion struct {
	id int64
	q  assay.Question
}

// agrees reports whether q asks what the stored question asks.
func (k knownQuestion) agrees(q assay.Question) error {
	if k.q.Dimension == q.Dimension && k.q.Text == q.Text && k.q.Good == q.Good && k.q.Scope == q.Scope && k.q.Expect == q.Expect {
		return nil
	}
	return fmt.Errorf("question %s@%s is stored as %q (%s, scope %s, good %q, known %q), not as %q (%s, scope %s, good %q, known %q); give it another id or version: %w",
		q.ID, q.Version, k.q.Text, k.q.Dimension, k.q.Scope, k.q.Good, k.q.Expect, q.Text, q.Dimension, q.Scope, q.Good, q.Expect, assay.ErrConflict)
}
