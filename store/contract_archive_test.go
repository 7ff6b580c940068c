package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

func grid(series string) assay.GridSpec {
	return assay.GridSpec{Series: series, Reason: "quantiles", Created: epoch, Axes: []assay.Axis{
		{Descriptor: "warmth", Lo: -1, Hi: 1, Cells: 8}, {Descriptor: "entropy", Lo: 0, Hi: 7.5, Cells: 1}}}
}

func testGrids(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 0)
	fill(t, db, "other", 0)
	first, second := grid("s"), grid("s")
	second.Axes = append(second.Axes, assay.Axis{Descriptor: "symmetry", Lo: 0, Hi: 1, Cells: 3})
	for _, g := range []*assay.GridSpec{&first, &second} {
		var err error
		g.ID, err = db.PutGrid(ctx, *g)
		must(t, err)
	}
	_, err := db.PutGrid(ctx, grid("other"))
	must(t, err)
	got, err := db.Grid(ctx, "s")
	must(t, err)
	same(t, "newest grid", got, second)
	all, err := db.Grids(ctx, "s")
	must(t, err)
	same(t, "all grids", all, []assay.GridSpec{first, second})

	check := func(name string, change func(*assay.GridSpec)) {
		t.Helper()
		g := grid("s")
		change(&g)
		_, err := db.PutGrid(ctx, g)
		is(t, name, err, assay.ErrInvalid)
	}
	check("one axis", func(g *assay.GridSpec) { g.Axes = g.Axes[:1] })
	check("five axes", func(g *assay.GridSpec) {
		for i := range 3 {
			g.Axes = append(g.Axes, assay.Axis{Descriptor: fmt.Sprint(i), Hi: 1, Cells: 1})
		}
	})
	check("unnamed", func(g *assay.GridSpec) { g.Axes[0].Descriptor = "" })
	check("twice", func(g *assay.GridSpec) { g.Axes[0].Descriptor = "entropy" })
	check("no cells", func(g *assay.GridSpec) { g.Axes[0].Cells = 0 })
	check("empty range", func(g *assay.GridSpec) { g.Axes[0].Lo = 1 })
	check("not finite", func(g *assay.GridSpec) { g.Axes[0].Hi = math.Inf(1) })
	check("not a number", func(g *assay.GridSpec) { g.Axes[0].Lo = math.NaN() })
}

func testDecisions(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 3)
	limit := 7.0
	full := assay.Decision{Series: "s", Seq: 3, Image: pictureID(3), Placement: assay.Challenger, Cell: []int{0, 5},
		Incumbent: pictureID(1), Basis: "t1 g1", Created: epoch, Gates: []assay.GateResult{{
			Gate: "floor", Verdict: assay.Pass, Mode: assay.Enforced, Threshold: &limit, Reason: "7 is not above 7",
			Reading: &assay.Reading{Identity: niqe, Image: pictureID(3), Value: 7, Warnings: []string{"w"}, Created: epoch},
		}}}
	bare := assay.Decision{Series: "s", Seq: 3, Image: pictureID(3), Placement: assay.Unplaced, Created: epoch}
	must(t, db.PutDecisions(ctx, []assay.Decision{full, bare}))
	twice := full
	twice.Placement = assay.Refused
	must(t, db.PutDecisions(ctx, []assay.Decision{twice}))
	got, err := db.Decisions(ctx, "s", pictureID(3))
	must(t, err)
	same(t, "decisions", got, []assay.Decision{full, bare})
	got, err = db.Decisions(ctx, "s", pictureID(2))
	must(t, err)
	same(t, "no decisions", got, []assay.Decision(nil))

	check := func(name string, change func(*assay.Decision)) {
		t.Helper()
		d := full
		d.Basis = "new"
		change(&d)
		is(t, name, db.PutDecisions(ctx, []assay.Decision{d}), assay.ErrInvalid)
	}
	check("placement", func(d *assay.Decision) { d.Placement = "nowhere" })
	check("place of another image", func(d *assay.Decision) { d.Seq = 2 })
	check("image not in the series", func(d *assay.Decision) { d.Image = pictureID(9) })
	check("incumbent not in the series", func(d *assay.Decision) { d.Incumbent = pictureID(9) })
	check("not finite", func(d *assay.Decision) {
		bad := math.NaN()
		d.Gates = []assay.GateResult{{Gate: "floor", Threshold: &bad}}
	})
}

func judgment(series string, left, right int) assay.Judgment {
	return assay.Judgment{Series: series, Rater: "me", Source: "human", Left: pictureID(left), Right: pictureID(right),
		Outcome: assay.Left, Grade: -1, Created: epoch}
}

func testJudgments(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 3)
	fill(t, db, "other", 3)
	var want []assay.Judgment
	put := func(change func(*assay.Judgment)) {
		t.Helper()
		j := judgment("s", 1, 2)
		change(&j)
		id, err := db.PutJudgment(ctx, j)
		must(t, err)
		j.ID = id
		want = append(want, j)
	}
	put(func(j *assay.Judgment) {})
	put(func(j *assay.Judgment) { j.Grade = -2; j.Propensity = 1 })
	put(func(j *assay.Judgment) { j.Outcome, j.Grade, j.Source = assay.Right, 2, "vlm:qwen" })
	put(func(j *assay.Judgment) { j.Outcome, j.Grade = assay.Right, 1; j.Latency = 1500*time.Millisecond + 7 })
	put(func(j *assay.Judgment) { j.Outcome, j.Grade = assay.Tie, 0 })
	put(func(j *assay.Judgment) { j.Outcome, j.Grade = assay.BothBad, 0; j.Left = pictureID(3) })
	put(func(j *assay.Judgment) { j.Outcome, j.Grade = assay.Skip, 0 })
	_, err := db.PutJudgment(ctx, judgment("other", 2, 3))
	must(t, err)
	for range 2 {
		must(t, db.Withdraw(ctx, want[1].ID))
	}
	want[1].Withdrawn = true
	got, err := db.Judgments(ctx, "s")
	must(t, err)
	same(t, "judgments", got, want)
	is(t, "unknown judgment", db.Withdraw(ctx, 1e6), assay.ErrNotFound)
}

func testJudgmentRefused(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 2)
	fill(t, db, "other", 5)
	r, err := db.PutRound(ctx, round("other", 1, 2))
	must(t, err)
	check := func(name string, change func(*assay.Judgment)) {
		t.Helper()
		j := judgment("s", 1, 2)
		change(&j)
		_, err := db.PutJudgment(ctx, j)
		is(t, name, err, assay.ErrInvalid)
	}
	check("itself", func(j *assay.Judgment) { j.Right = j.Left })
	check("left of another series", func(j *assay.Judgment) { j.Left = pictureID(5) })
	check("right unknown", func(j *assay.Judgment) { j.Right = pictureID(9) })
	check("no rater", func(j *assay.Judgment) { j.Rater = "" })
	check("no source", func(j *assay.Judgment) { j.Source = "" })
	check("no model", func(j *assay.Judgment) { j.Source = "vlm:" })
	check("outcome", func(j *assay.Judgment) { j.Outcome, j.Grade = "draw", 0 })
	check("latency", func(j *assay.Judgment) { j.Latency = -1 })
	check("round of another series", func(j *assay.Judgment) { j.Round = r })
	check("unknown round", func(j *assay.Judgment) { j.Round = r + 1 })
	for _, p := range []float64{-0.1, 1.1, math.NaN(), math.Inf(1)} {
		check(fmt.Sprint("propensity ", p), func(j *assay.Judgment) { j.Propensity = p })
	}
	allowed := map[assay.Outcome]map[int]bool{
		assay.Left: {-2: true, -1: true}, assay.Right: {1: true, 2: true}, assay.Tie: {0: true}, assay.BothBad: {0: true}, assay.Skip: {0: true}}
	for outcome, grades := range allowed {
		for g := -3; g <= 3; g++ {
			if !grades[g] {
				check(fmt.Sprint(outcome, " with grade ", g), func(j *assay.Judgment) { j.Outcome, j.Grade = outcome, g })
			}
		}
	}
	got, err := db.Judgments(ctx, "s")
	must(t, err)
	same(t, "nothing is kept", got, []assay.Judgment(nil))
}

// round asks "me" for the pairs of pictures (a, b), (b, a).
func round(series string, a, b int) assay.Round {
	return assay.Round{Series: series, Rater: "me", Created: epoch, Pairs: []assay.Pair{
		{Left: pictureID(a), Right: pictureID(b), Reason: "close", Propensity: 0.5},
		{Left: pictureID(b), Right: pictureID(a), Reason: "order", Propensity: 0},
	}}
}

// answerPair answers a pair of r as "me": left, unless changed.
func answerPair(ctx context.Context, db *DB, r assay.Round, pair int, change func(*assay.Judgment)) (int64, error) {
	j := judgment(r.Series, 1, 2)
	j.Round, j.Left, j.Right = r.ID, r.Pairs[pair].Left, r.Pairs[pair].Right
	change(&j)
	return db.PutJudgment(ctx, j)
}

func testPutJudgments(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 3)
	fill(t, db, "other", 4)
	about := note("s", 0, "import")
	a, b := judgment("s", 1, 2), judgment("s", 3, 2)
	refused := func(name string, want string, bad assay.Judgment) {
		t.Helper()
		is(t, name, db.PutJudgments(ctx, []assay.Judgment{a, bad}, about), assay.ErrInvalid, "judgment 2", want)
	}
	bad := b
	bad.Grade = 1
	refused("grade", "grade 1", bad)
	bad = b
	bad.Right = pictureID(4)
	refused("an image of another series", "not in series", bad)
	bad = judgment("other", 1, 2)
	refused("a judgment of another series", "other", bad)
	anonymous := about
	anonymous.Kind = ""
	is(t, "note", db.PutJudgments(ctx, []assay.Judgment{a}, anonymous), assay.ErrInvalid)
	got, err := db.Judgments(ctx, "s")
	must(t, err)
	same(t, "judgments after refusals", got, []assay.Judgment(nil))

	must(t, db.PutJudgments(ctx, []assay.Judgment{a, b, a}, about))
	got, err = db.Judgments(ctx, "s")
	must(t, err)
	third := a
	a.ID, b.ID, third.ID = 1, 2, 3
	same(t, "judgments", got, []assay.Judgment{a, b, third})
	notes, err := db.Notes(ctx, "s", assay.Digest{}, "import")
	must(t, err)
	about.ID = 1
	same(t, "notes", notes, []assay.Note{about})
}

func testRounds(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 6)
	put := func(r assay.Round) assay.Round {
		t.Helper()
		var err error
		r.ID, err = db.PutRound(ctx, r)
		must(t, err)
		return r
	}
	old, recent := put(round("s", 1, 2)), put(round("s", 3, 4))
	theirs := round("s", 5, 6)
	theirs.Rater = "them"
	put(theirs)
	got, err := db.Round(ctx, old.ID)
	must(t, err)
	same(t, "round", got, old)
	open := func(name string, want assay.Round, answered ...bool) {
		t.Helper()
		got, done, err := db.OpenRound(ctx, "s", "me")
		must(t, err)
		same(t, name, got, want)
		same(t, name+": answered", done, answered)
	}
	answer := func(r assay.Round, pair int, change func(*assay.Judgment)) (int64, error) {
		return answerPair(ctx, db, r, pair, change)
	}
	plain := func(*assay.Judgment) {}
	open("newest first", recent, false, false)
	id, err := answer(recent, 1, plain)
	must(t, err)
	open("one answered", recent, false, true)
	again, err := answer(recent, 1, plain)
	must(t, err)
	same(t, "a second click", again, id)
	_, err = answer(recent, 1, func(j *assay.Judgment) { j.Outcome, j.Grade = assay.Tie, 0 })
	is(t, "another answer", err, assay.ErrConflict, fmt.Sprint("judgment ", id))
	_, err = answer(recent, 0, func(j *assay.Judgment) { j.Rater = "them" })
	must(t, err)
	open("another's answer does not count", recent, false, true)
	_, err = answer(recent, 0, func(j *assay.Judgment) { j.Outcome, j.Grade = assay.Skip, 0 })
	must(t, err)
	open("next round", old, false, false)
	must(t, db.Withdraw(ctx, id))
	open("withdrawn", recent, true, false)
	second, err := answer(recent, 1, func(j *assay.Judgment) { j.Outcome, j.Grade = assay.Tie, 0 })
	must(t, err)
	if second == id {
		t.Error("an answer after a withdrawal got the withdrawn one's number")
	}
	for i := range old.Pairs {
		_, err := answer(old, i, plain)
		must(t, err)
	}
	_, _, err = db.OpenRound(ctx, "s", "me")
	is(t, "all answered", err, assay.ErrNotFound)
	_, err = answer(old, 0, func(j *assay.Judgment) { j.Right = pictureID(6) })
	is(t, "a pair not asked", err, assay.ErrInvalid)
}

func testRoundRefused(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 2)
	check := func(name string, change func(*assay.Round)) {
		t.Helper()
		r := round("s", 1, 2)
		change(&r)
		_, err := db.PutRound(ctx, r)
		is(t, name, err, assay.ErrInvalid)
	}
	check("no rater", func(r *assay.Round) { r.Rater = "" })
	check("no pairs", func(r *assay.Round) { r.Pairs = nil })
	check("six pairs", func(r *assay.Round) { r.Pairs = make([]assay.Pair, 6) })
	check("itself", func(r *assay.Round) { r.Pairs[1].Left = r.Pairs[1].Right })
	check("twice", func(r *assay.Round) { r.Pairs[1] = r.Pairs[0] })
	check("propensity", func(r *assay.Round) { r.Pairs[1].Propensity = math.NaN() })
	check("not in the series", func(r *assay.Round) { r.Pairs[1].Left = pictureID(9) })
}

func testVersion(t *testing.T, db *DB) {
	ctx := t.Context()
	fill(t, db, "s", 2)
	fill(t, db, "other", 2)
	version := func() string {
		t.Helper()
		v, err := db.Version(ctx, "s")
		must(t, err)
		return v
	}
	seen := map[string]string{version(): "the start"}
	changes := func(what string, err error) {
		t.Helper()
		must(t, err)
		v := version()
		if before, ok := seen[v]; ok {
			t.Errorf("%s: the version is the same as after %s", what, before)
		}
		if v != version() {
			t.Errorf("%s: the version changes by itself", what)
		}
		seen[v] = what
	}
	id := pictureID(2)
	img, data := picture(3)
	_, _, err := db.Enter(ctx, img, data, assay.Entry{Series: "s"})
	changes("entry", err)
	r := Measurement{Series: "s", Seq: 2, Readings: []assay.Reading{{Identity: niqe, Image: id}}}
	changes("reading", db.Record(ctx, r))
	changes("embedding", db.Record(ctx, Measurement{Series: "s", Seq: 2, Embeddings: []assay.Embedding{{Identity: niqe, Image: id, Vector: []float32{1}}}}))
	changes("neighbour", db.Record(ctx, Measurement{Series: "s", Seq: 2, Neighbours: []assay.Neighbour{{Identity: niqe, Nearest: pictureID(1)}}}))
	changes("control", db.PutControls(ctx, []assay.Control{{Identity: niqe, Series: "s", Image: id, Transform: "none"}}))
	_, err = db.PutThreshold(ctx, assay.Threshold{Identity: niqe, Series: "s", Gate: "g", Fails: "above", Mode: assay.Shadow, Source: "controls"})
	changes("threshold", err)
	_, err = db.PutGrid(ctx, grid("s"))
	changes("grid", err)
	d := []assay.Decision{{Series: "s", Seq: 2, Image: id, Placement: assay.Added}}
	changes("decision", db.PutDecisions(ctx, d))
	_, err = db.PutRound(ctx, round("s", 1, 2))
	changes("round", err)
	j, err := db.PutJudgment(ctx, judgment("s", 1, 2))
	changes("judgment", err)
	changes("withdrawal", db.Withdraw(ctx, j))
	changes("answer", db.PutAnswers(ctx, []assay.Answer{answer("s", 1)}))
	skip := comparison("s", 1, 2)
	skip.Outcome = assay.Skip // no judgment comes with it
	_, err = db.PutComparison(ctx, skip)
	changes("comparison", err)
	_, err = db.PutNote(ctx, note("s", 0, "audit"))
	changes("audit", err)
	m, err := db.PutMark(ctx, mark("s", 1, assay.Interesting))
	changes("mark", err)
	changes("mark withdrawn", db.WithdrawMark(ctx, m))
	tr, err := db.PutTriplet(ctx, triplet("s", 1, 2, 3))
	changes("triplet", err)
	changes("triplet answered", db.AnswerTriplet(ctx, tr, 1, 0))
	rk, err := db.PutRanking(ctx, ranking("s", 1, 2, 3))
	changes("ranking", err)
	changes("ranking answered", db.AnswerRanking(ctx, rk, []assay.Digest{id, pictureID(1), pictureID(3)}))

	before := version()
	must(t, db.Record(ctx, r))
	must(t, db.PutDecisions(ctx, d))
	must(t, db.Withdraw(ctx, j))
	must(t, db.WithdrawMark(ctx, m))
	must(t, db.AnswerTriplet(ctx, tr, 1, 5))
	_, _, err = db.Enter(ctx, img, data, assay.Entry{Series: "s"})
	must(t, err)
	_, _, err = db.Enter(ctx, img, data, assay.Entry{Series: "other"})
	must(t, err)
	_, err = db.PutJudgment(ctx, judgment("other", 1, 2))
	must(t, err)
	must(t, db.PutAnswers(ctx, []assay.Answer{answer("s", 1)}))
	_, err = db.PutNote(ctx, note("s", 1, "summary")) // no view is computed from it
	must(t, err)
	_, err = db.PutNote(ctx, note("other", 0, "audit"))
	must(t, err)
	must(t, db.PutCapabilities(ctx, qwen, json.RawMessage(`{}`)))
	must(t, db.BeginCalls(ctx, []assay.Call{call(1)})) // no view is computed from calls
	must(t, db.EndCalls(ctx, []assay.CallEnd{callEnd(1)}))
	same(t, "version after repeats, another series' facts and calls", version(), before)
}

// A caller's function may use the database, however many callers there are.
func testCallbacks(t *testing.T, db *DB) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	fill(t, db, "s", 20)
	var ms []Measurement
	for i := 1; i <= 20; i++ {
		ms = append(ms, Measurement{Series: "s", Seq: int64(i), Readings: []assay.Reading{{Identity: niqe, Image: pictureID(i), Value: float64(i)}}})
	}
	must(t, db.RecordAll(ctx, ms))
	var wg sync.WaitGroup
	for range 3 * readers {
		wg.Go(func() {
			err := db.SeriesReadings(ctx, "s", "niqe", func(seq int64, r assay.Reading) error {
				if _, err := db.Entry(ctx, "s", r.Image); err != nil {
					return err
				}
				return db.Record(ctx, Measurement{Series: "s", Seq: seq, Readings: []assay.Reading{{Identity: lpips, Image: r.Image, Value: 1}}})
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func testCancelled(t *testing.T, db *DB) {
	fill(t, db, "s", 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	img, data := picture(2)
	_, _, err := db.Enter(ctx, img, data, assay.Entry{Series: "s"})
	is(t, "Enter", err, context.Canceled)
	is(t, "Record", db.Record(ctx, Measurement{Series: "s", Seq: 1}), context.Canceled)
	_, err = db.Entries(ctx, "s", 0, 0)
	is(t, "Entries", err, context.Canceled)
	_, err = db.Blob(ctx, pictureID(1))
	is(t, "Blob", err, context.Canceled)
	if errs := db.Check(ctx); len(errs) == 0 || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("Check: %v", errs)
	}
	n, err := db.Count(t.Context(), "s")
	must(t, err)
	same(t, "count", n, int64(1))
}
