package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

var (
	qwen = assay.Judge{Name: "local", API: "openai", Endpoint: "http://localhost:8000/v1/", Model: "qwen", Family: "qwen", Protocol: 1}
	ada  = assay.Judge{Name: "ada"}
)

func question(id string) assay.Question {
	return assay.Question{ID: id, Version: "0123456789ab", Dimension: "composition", Text: "Is there one subject?",
		Good: assay.YesIsGood, Kind: "floor", Scope: "image", Needs: []string{"composition.any"}, TwinOf: "composition.many", Expect: "yes"}
}

// answer is what qwen said of picture n to one question.
func answer(series string, n int) assay.Answer {
	return assay.Answer{Series: series, Image: pictureID(n), Text: assay.DigestOfText("a cat"), Judge: qwen, Question: question("composition.subject"),
		Belief:  assay.Belief{P: 0.875, Low: 0.75, High: 1, Method: assay.ByLogProbs, Coverage: 0.9},
		Created: epoch}
}

func numbered(answers []assay.Answer) []assay.Answer {
	for i := range answers {
		answers[i].ID = int64(i + 1)
	}
	return answers
}

func testAnswers(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 3)
	fill(t, db, "other", 3)
	var all []assay.Answer
	vary := func(n int, change func(*assay.Answer)) {
		a := answer("s", n)
		change(&a)
		all = append(all, a)
	}
	vary(2, func(a *assay.Answer) {})
	vary(2, func(a *assay.Answer) { a.Repeat, a.Belief.P = 1, 0.76 })
	vary(2, func(a *assay.Answer) { a.Text = assay.Digest{} })
	vary(2, func(a *assay.Answer) { a.Judge.Protocol = 2 })
	vary(1, func(a *assay.Answer) {
		a.Belief = assay.Belief{Method: assay.BySamples, Coverage: 0.2, Samples: 5, Yes: 1, Abstained: "cannot tell"}
	})
	vary(1, func(a *assay.Answer) { a.Question = question("b"); a.Belief = assay.Belief{Abstained: "refused: no"} })
	vary(3, func(a *assay.Answer) { a.Void = "a control on this image failed" })
	vary(3, func(a *assay.Answer) {
		a.Judge, a.Question.Version, a.Question.Text = ada, "2", "Is there a subject?"
		a.Question.Needs, a.Question.TwinOf, a.Question.Good = nil, "", assay.Neither
		a.Belief = assay.Belief{P: 1, Low: 1, High: 1, Method: assay.ByWord, Coverage: 1}
	})
	must(t, db.PutAnswers(ctx, all[:3]))
	changed := all[0]
	changed.Belief.P, changed.Belief.Low, changed.Created = 0.1, 0, epoch.Add(1)
	must(t, db.PutAnswers(ctx, append([]assay.Answer{changed}, all[3:]...))) // the first stands
	must(t, db.PutAnswers(ctx, []assay.Answer{answer("other", 2)}))
	all = numbered(all)
	got, err := db.Answers(ctx, "s", pictureID(2))
	must(t, err)
	same(t, "answers", got, all[:4])
	got, err = db.Answers(ctx, "s", pictureID(9))
	must(t, err)
	same(t, "answers about a stranger", got, []assay.Answer(nil))
	var series []assay.Answer
	must(t, db.SeriesAnswers(ctx, "s", func(seq int64, a assay.Answer) error {
		if pictureID(int(seq)) != a.Image {
			t.Errorf("place %d has an answer about %s", seq, a.Image)
		}
		series = append(series, a)
		_, err := db.Answers(ctx, "s", a.Image) // a caller may use the database
		return err
	}))
	same(t, "answers of the series", series, append(append(all[4:6:6], all[:4]...), all[6:]...))
	stop := errors.New("enough")
	is(t, "stopped", db.SeriesAnswers(ctx, "s", func(int64, assay.Answer) error { return stop }), stop)
}

func testAnswersRefused(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 1)
	check := func(name string, change func(*assay.Answer)) {
		t.Helper()
		bad := answer("s", 1)
		change(&bad)
		good := answer("s", 1)
		good.Question = question("good")
		is(t, name, db.PutAnswers(ctx, []assay.Answer{good, bad}), assay.ErrInvalid)
	}
	check("image not in the series", func(a *assay.Answer) { a.Image = pictureID(9) })
	check("repeat", func(a *assay.Answer) { a.Repeat = -1 })
	check("judge without a name", func(a *assay.Answer) { a.Judge.Name = "" })
	check("judge without a model", func(a *assay.Answer) { a.Judge.Model = "" })
	check("person with an endpoint", func(a *assay.Answer) { a.Judge.API = "" })
	check("protocol", func(a *assay.Answer) { a.Judge.Protocol = -1 })
	check("password", func(a *assay.Answer) { a.Judge.Endpoint = "http://me:secret@localhost/" })
	check("no id", func(a *assay.Answer) { a.Question.ID = "" })
	check("no version", func(a *assay.Answer) { a.Question.Version = "" })
	check("no dimension", func(a *assay.Answer) { a.Question.Dimension = "" })
	check("no text", func(a *assay.Answer) { a.Question.Text = "" })
	check("good", func(a *assay.Answer) { a.Question.Good = "maybe" })
	check("scope", func(a *assay.Answer) { a.Question.Scope = "series" })
	check("expect", func(a *assay.Answer) { a.Question.Expect = "maybe" })
	check("nothing said", func(a *assay.Answer) { a.Belief = assay.Belief{} })
	check("method", func(a *assay.Answer) { a.Belief.Method = "verbal" })
	check("samples", func(a *assay.Answer) { a.Belief.Samples, a.Belief.Yes = 2, 3 })
	check("yes", func(a *assay.Answer) { a.Belief.Samples, a.Belief.Yes = 2, -1 })
	for _, p := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		check(fmt.Sprint("p ", p), func(a *assay.Answer) { a.Belief.P = p })
		check(fmt.Sprint("low ", p), func(a *assay.Answer) { a.Belief.Low = p })
		check(fmt.Sprint("high ", p), func(a *assay.Answer) { a.Belief.High = p })
		check(fmt.Sprint("coverage ", p), func(a *assay.Answer) { a.Belief.Coverage = p })
	}
	got, err := db.Answers(ctx, "s", pictureID(1))
	must(t, err)
	same(t, "nothing is kept", got, []assay.Answer(nil))
	_, err = db.Question(ctx, "good")
	is(t, "nor a question", err, assay.ErrNotFound)
	secretive := answer("s", 1)
	secretive.Judge.Endpoint = "http://me:secret@localhost/"
	if err := db.PutAnswers(ctx, []assay.Answer{secretive}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a password is told: %v", err)
	}
}

func testQuestions(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 2)
	put := func(n int, change func(*assay.Question)) error {
		a := answer("s", n)
		change(&a.Question)
		return db.PutAnswers(ctx, []assay.Answer{a})
	}
	must(t, put(1, func(*assay.Question) {}))
	conflict := func(name string, change func(*assay.Question)) {
		t.Helper()
		is(t, name, put(2, change), assay.ErrConflict, "composition.subject@0123456789ab")
	}
	conflict("text", func(q *assay.Question) { q.Text = "Is there another subject?" })
	conflict("dimension", func(q *assay.Question) { q.Dimension = "detail" })
	conflict("good", func(q *assay.Question) { q.Good = assay.NoIsGood })
	conflict("scope", func(q *assay.Question) { q.Scope = "prompt" })
	conflict("known answer", func(q *assay.Question) { q.Expect = "no" })
	must(t, put(2, func(q *assay.Question) { q.Kind, q.Needs, q.TwinOf = "plain", nil, "" })) // another set uses it otherwise
	got, err := db.Question(ctx, "composition.subject")
	must(t, err)
	same(t, "question", got, question("composition.subject"))
	must(t, put(1, func(q *assay.Question) { q.Version, q.Text = "new", "Is there one clear subject?" }))
	got, err = db.Question(ctx, "composition.subject")
	must(t, err)
	want := question("composition.subject")
	want.Version, want.Text = "new", "Is there one clear subject?"
	same(t, "newest version", got, want)
	var texts int
	must(t, db.reader.QueryRow(`SELECT count(*) FROM question`).Scan(&texts))
	same(t, "texts kept for three answers", texts, 2)
}

func comparison(series string, a, b int) assay.Comparison {
	return assay.Comparison{Series: series, Judge: qwen, A: pictureID(a), B: pictureID(b), Criterion: "better@1",
		FirstOrder:  assay.Belief{P: 0.9, Low: 0.9, High: 0.95, Method: assay.ByLogProbs, Coverage: 1},
		SecondOrder: assay.Belief{P: 0.5, Low: 0.25, High: 0.75, Method: assay.ByLogProbs, Coverage: 1},
		P:           0.7, Margin: 0.1, Outcome: assay.Left, Reason: "who holds the cell", Flags: []string{"a flag"}, Created: epoch}
}

func testComparisons(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 3)
	fill(t, db, "other", 3)
	var want []assay.Comparison
	put := func(change func(*assay.Comparison)) {
		t.Helper()
		c := comparison("s", 1, 2)
		change(&c)
		id, err := db.PutComparison(ctx, c)
		must(t, err)
		c.ID = id
		if c.Outcome != assay.Skip {
			c.Judgment = int64(len(want) + 1)
		}
		want = append(want, c)
	}
	put(func(c *assay.Comparison) { c.ID, c.Judgment = 77, 78 })
	put(func(c *assay.Comparison) { c.Outcome, c.P, c.Flags = assay.Right, 0.125, nil })
	put(func(c *assay.Comparison) { c.Outcome, c.P = assay.Tie, 0.55; c.A = pictureID(3) })
	put(func(c *assay.Comparison) {
		c.Outcome, c.P, c.Reason = assay.Skip, 0.5, "neither order was answered"
		c.FirstOrder, c.SecondOrder = assay.Belief{Method: assay.ByLogProbs, Abstained: "refused: no"}, assay.Belief{}
	})
	_, err := db.PutComparison(ctx, comparison("other", 1, 2))
	must(t, err)
	got, err := db.Comparisons(ctx, "s")
	must(t, err)
	same(t, "comparisons", got, want)
	judgments, err := db.Judgments(ctx, "s")
	must(t, err)
	var says []assay.Judgment
	for i, c := range want[:3] {
		says = append(says, assay.Judgment{ID: int64(i + 1), Series: "s", Rater: "local", Source: "vlm:qwen", Left: c.A, Right: c.B,
			Outcome: c.Outcome, Grade: map[assay.Outcome]int{assay.Left: -1, assay.Right: 1}[c.Outcome], Created: epoch})
	}
	same(t, "judgments that came with them", judgments, says)
}

func testComparisonRefused(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 2)
	check := func(name string, change func(*assay.Comparison)) {
		t.Helper()
		c := comparison("s", 1, 2)
		change(&c)
		_, err := db.PutComparison(ctx, c)
		is(t, name, err, assay.ErrInvalid)
	}
	check("itself", func(c *assay.Comparison) { c.B = c.A })
	check("a stranger", func(c *assay.Comparison) { c.A = pictureID(9) })
	check("another stranger", func(c *assay.Comparison) { c.B = pictureID(9) })
	check("a person", func(c *assay.Comparison) { c.Judge = ada })
	check("no model", func(c *assay.Comparison) { c.Judge.Model = "" })
	check("no criterion", func(c *assay.Comparison) { c.Criterion = "" })
	check("outcome", func(c *assay.Comparison) { c.Outcome = assay.BothBad })
	check("left of a worse one", func(c *assay.Comparison) { c.P = 0.3 })
	check("right of a better one", func(c *assay.Comparison) { c.Outcome = assay.Right })
	check("left of an equal one", func(c *assay.Comparison) { c.P = 0.5 })
	check("right of an equal one", func(c *assay.Comparison) { c.Outcome, c.P = assay.Right, 0.5 })
	check("skip without a reason", func(c *assay.Comparison) { c.Outcome, c.Reason = assay.Skip, "" })
	check("margin", func(c *assay.Comparison) { c.Margin = 0.6 })
	check("an order", func(c *assay.Comparison) { c.SecondOrder.P = 2 })
	for _, p := range []float64{-0.1, 1.1, math.NaN()} {
		check(fmt.Sprint("p ", p), func(c *assay.Comparison) { c.P = p })
		check(fmt.Sprint("margin ", p), func(c *assay.Comparison) { c.Margin = p })
	}
	got, err := db.Comparisons(ctx, "s")
	must(t, err)
	same(t, "nothing is kept", got, []assay.Comparison(nil))
	judgments, err := db.Judgments(ctx, "s")
	must(t, err)
	same(t, "nor a judgment", judgments, []assay.Judgment(nil))
}

// A comparison whose row is refused leaves no judgment behind, whenever its
// context ends.
func TestComparisonIsWhole(t *testing.T) {
	db := openSQLite(t)
	fill(t, db, "s", 2)
	for k := range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		if k%2 == 0 {
			cancel()
		}
		c := comparison("s", 1, 2)
		db.PutComparison(ctx, c)
		cancel()
	}
	cs, err := db.Comparisons(t.Context(), "s")
	must(t, err)
	js, err := db.Judgments(t.Context(), "s")
	must(t, err)
	if len(cs) != len(js) || len(cs) != 50 {
		t.Errorf("%d comparisons with %d judgments, want 50 of each", len(cs), len(js))
	}
}

func note(series string, image int, kind string) assay.Note {
	n := assay.Note{Series: series, Judge: qwen, Kind: kind, Body: json.RawMessage(`{"text": "a cat"}`), Created: epoch}
	if image > 0 {
		n.Image = pictureID(image)
	}
	return n
}

func testNotes(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 2)
	fill(t, db, "other", 2)
	var want []assay.Note
	for _, n := range []assay.Note{note("s", 1, "summary"), note("s", 0, "audit"), note("s", 2, "summary"), note("s", 1, "critique"), note("s", 1, "summary")} {
		var err error
		n.ID, err = db.PutNote(ctx, n)
		must(t, err)
		want = append(want, n)
	}
	_, err := db.PutNote(ctx, note("other", 1, "summary"))
	must(t, err)
	check := func(name string, image assay.Digest, kind string, of ...int) {
		t.Helper()
		got, err := db.Notes(ctx, "s", image, kind)
		must(t, err)
		var some []assay.Note
		for _, i := range of {
			some = append(some, want[i])
		}
		same(t, name, got, some)
	}
	check("all", assay.Digest{}, "", 0, 1, 2, 3, 4)
	check("of an image", pictureID(1), "", 0, 3, 4)
	check("of a kind", assay.Digest{}, "summary", 0, 2, 4)
	check("of both", pictureID(1), "summary", 0, 4)
	check("of a stranger", pictureID(9), "")
	refuse := func(name string, change func(*assay.Note)) {
		t.Helper()
		n := note("s", 1, "summary")
		change(&n)
		_, err := db.PutNote(ctx, n)
		is(t, name, err, assay.ErrInvalid)
	}
	refuse("kind", func(n *assay.Note) { n.Kind = "" })
	refuse("no body", func(n *assay.Note) { n.Body = nil })
	refuse("body", func(n *assay.Note) { n.Body = json.RawMessage(`{`) })
	refuse("image", func(n *assay.Note) { n.Image = pictureID(9) })
	refuse("judge", func(n *assay.Note) { n.Judge = assay.Judge{} })
	check("nothing else is kept", assay.Digest{}, "", 0, 1, 2, 3, 4)
}

func testCapabilities(t *testing.T, db *DB) {
	ctx := t.Context()
	for _, body := range []string{`{"logprobs": false}`, `{"logprobs": true}`} {
		must(t, db.PutCapabilities(ctx, qwen, json.RawMessage(body)))
	}
	other := qwen
	other.Endpoint = "http://localhost:8001/v1/"
	must(t, db.PutCapabilities(ctx, other, json.RawMessage(`{}`)))
	got, err := db.Capabilities(ctx, qwen)
	must(t, err)
	same(t, "newest", string(got), `{"logprobs": true}`)
	for _, bad := range []string{"", "[]", "{", "1", "  "} {
		is(t, "body "+bad, db.PutCapabilities(ctx, qwen, json.RawMessage(bad)), assay.ErrInvalid)
	}
	is(t, "judge", db.PutCapabilities(ctx, assay.Judge{}, json.RawMessage(`{}`)), assay.ErrInvalid)
	other.Protocol++
	_, err = db.Capabilities(ctx, other)
	is(t, "another protocol", err, assay.ErrNotFound)
}
