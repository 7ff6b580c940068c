package series_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
)

// duel opens a series with images in one cell: the first is its elite.
func duel(t *testing.T, n int) (*store.DB, *series.Series, []assay.Digest) {
	t.Helper()
	db := openStore(t)
	s := jury(t, db, n, series.Options{Axes: []assay.Axis{
		{Descriptor: "lightness", Lo: 0, Hi: 100, Cells: 1}, {Descriptor: "warmth", Lo: -30, Hi: 30, Cells: 1}}})
	entries, err := db.Entries(t.Context(), "test", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ids []assay.Digest
	for _, e := range entries {
		ids = append(ids, e.Image)
	}
	return db, s, ids
}

func eliteOf(t *testing.T, s *series.Series) assay.Digest {
	t.Helper()
	all := viewOf(t, s).Archive.Elites()
	if len(all) != 1 {
		t.Fatalf("%d elites, want one", len(all))
	}
	return all[0].Image
}

// prefers stores that a judge finds x better than y.
func prefers(t *testing.T, db *store.DB, j assay.Judge, x, y assay.Digest) assay.Comparison {
	t.Helper()
	b := assay.Belief{P: 0.9, Low: 0.9, High: 0.9, Method: assay.ByLogProbs, Coverage: 1}
	c := assay.Comparison{Series: "test", Judge: j, A: x, B: y, Criterion: "better@1", FirstOrder: b, SecondOrder: b,
		P: 0.9, Outcome: assay.Left, Reason: "who holds the cell"}
	id, err := db.PutComparison(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	all, err := db.Comparisons(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return all[slices.IndexFunc(all, func(c assay.Comparison) bool { return c.ID == id })]
}

// click stores that a person finds x better than y.
func click(t *testing.T, db *store.DB, x, y assay.Digest) int64 {
	t.Helper()
	id, err := db.PutJudgment(t.Context(), assay.Judgment{Series: "test", Rater: "ada", Source: "human", Left: x, Right: y, Outcome: assay.Left, Grade: -1})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// A judge decides once an examination says that it may, as long as the newest one
// does; a person's click against it undoes what it did, whoever spoke first.
func TestTrustDecides(t *testing.T) {
	db, s, ids := duel(t, 2)
	j := newFake("f").judge
	c := prefers(t, db, j, ids[1], ids[0])
	check := func(what string, elite assay.Digest, counts, decided bool, why string) {
		t.Helper()
		if got := eliteOf(t, s); got != elite {
			t.Errorf("%s: the elite is %s, want %s", what, got.Short(), elite.Short())
		}
		p, err := s.Profile(t.Context(), ids[1])
		if err != nil {
			t.Fatal(err)
		}
		w := p.Comparisons[0]
		if len(p.Comparisons) != 1 || w.ID != c.ID || w.Counts != counts || w.Decided != decided || !strings.Contains(w.Why, why) {
			t.Errorf("%s: the profile says %+v, want counts %v, decided %v, because %q", what, p.Comparisons, counts, decided, why)
		}
	}
	check("not examined", ids[0], false, false, "under test: f has not been examined in this series; `assay judge audit` does")
	audit(t, db, assay.Trust{Judge: j, Reasons: []string{"it always says the first"}, Accuracy: 0.9})
	check("unfit", ids[0], false, false, "not fit to decide: it always says the first")
	audit(t, db, assay.Trust{Judge: j, Fit: true})
	check("accuracy unknown", ids[0], false, false, "not known how often f decides as this creator would")
	audit(t, db, fit(j, 0.5))
	check("a coin", ids[0], false, false, "no better than a coin")
	audit(t, db, fit(j, 0.74))
	check("0.74", ids[0], true, false, "right with probability 0.74")
	audit(t, db, fit(j, 0.75))
	check("0.75", ids[1], true, true, "right with probability 0.75")
	controls := fit(j, 0.99)
	controls.Source = "controls"
	audit(t, db, controls)
	check("controls weigh one click", ids[1], true, true, "right with probability 0.75")

	undo := click(t, db, ids[0], ids[1])
	check("a person's click", ids[0], true, false, "right with probability 0.75")
	if err := db.Withdraw(t.Context(), undo); err != nil {
		t.Fatal(err)
	}
	check("the click is taken back", ids[1], true, true, "")
	audit(t, db, assay.Trust{Judge: j, Reasons: []string{"it drifts"}})
	check("examined again", ids[0], false, false, "it drifts")
	trusts, err := s.Trusts(t.Context())
	if err != nil || len(trusts) != 1 || trusts[0].Fit || trusts[0].Judge != j {
		t.Errorf("trusts %+v, %v", trusts, err)
	}
	other := j
	other.Protocol++
	audit(t, db, fit(other, 0.9))
	check("another protocol is another judge", ids[0], false, false, "it drifts")
	audit(t, db, fit(j, 0.9))
	check("fit at last", ids[1], true, true, "0.9")
	if err := db.Withdraw(t.Context(), c.Judgment); err != nil {
		t.Fatal(err)
	}
	check("taken back", ids[0], false, false, "its judgment was taken back")
}

// An examination that cannot be read trusts nobody and breaks nothing.
func TestTrustUnreadable(t *testing.T) {
	db, s, ids := duel(t, 2)
	j := newFake("f").judge
	prefers(t, db, j, ids[1], ids[0])
	audit(t, db, fit(j, 0.9))
	for i, body := range []string{`{"trust": 7}`, `[]`, `{"trust": {"fit": "yes"}}`} {
		if _, err := db.PutNote(t.Context(), assay.Note{Series: "test", Judge: j, Kind: series.AuditNote, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		trusts, err := s.Trusts(t.Context())
		if err != nil || len(trusts) != 1 || trusts[0].Fit || !strings.Contains(trusts[0].Reasons[0], fmt.Sprintf("note %d cannot be read", i+2)) {
			t.Errorf("%s: %+v, %v", body, trusts, err)
		}
		if eliteOf(t, s) != ids[0] {
			t.Errorf("%s decides", body)
		}
	}
	if _, err := db.PutNote(t.Context(), assay.Note{Series: "test", Judge: j, Kind: series.AuditNote, Body: []byte(`{"calls": 3}`)}); err != nil {
		t.Fatal(err)
	}
	if trusts, err := s.Trusts(t.Context()); err != nil || len(trusts) != 1 {
		t.Errorf("a note without a trust: %+v, %v", trusts, err)
	}
}

// Of one judge and one pair the newest answered comparison counts, and models'
// judgments that no comparison stands behind count for nothing.
func TestNewestComparisonCounts(t *testing.T) {
	db, s, ids := duel(t, 2)
	j := newFake("f").judge
	audit(t, db, fit(j, 0.8))
	prefers(t, db, j, ids[1], ids[0])
	prefers(t, db, j, ids[0], ids[1])
	skip := assay.Comparison{Series: "test", Judge: j, A: ids[1], B: ids[0], Criterion: "better@1", P: 0.5, Outcome: assay.Skip, Reason: "it refused"}
	if _, err := db.PutComparison(t.Context(), skip); err != nil {
		t.Fatal(err)
	}
	if _, err := db.PutJudgment(t.Context(), assay.Judgment{Series: "test", Rater: "f", Source: j.Source(), Left: ids[1], Right: ids[0], Outcome: assay.Left, Grade: -2}); err != nil {
		t.Fatal(err)
	}
	if eliteOf(t, s) != ids[0] {
		t.Error("a judge that changed its mind replaced the elite")
	}
	v := viewOf(t, s)
	var whys []string
	for _, w := range v.Comparisons {
		whys = append(whys, fmt.Sprint(w.Counts, " ", w.Why))
	}
	want := []string{"false f compared the two again later", "true it weighs as a judge who is right with probability 0.8", "false the judge abstained: it refused"}
	if diff := cmp.Diff(want, whys); diff != "" {
		t.Error(diff)
	}
	c, _ := v.Archive.Cell(0)
	if ch := c.Challengers[0]; ch.Trials != 0 || math.Abs(ch.Posterior-0.2) > 1e-12 {
		t.Errorf("the challenger has %+v, want a posterior of 0.2", ch)
	}
}

// Judges of one pair weigh less than so many independent ones.
func TestPanelIsDiscounted(t *testing.T) {
	db, s, ids := duel(t, 2)
	for _, name := range []string{"f", "g"} {
		j := newFake(name).judge
		audit(t, db, fit(j, 0.75))
		prefers(t, db, j, ids[1], ids[0])
	}
	c, _ := viewOf(t, s).Archive.Cell(0)
	e := c.History[len(c.History)-1]
	want := 2 * math.Log(3) / 1.43 // n·logit·n_eff/n, ρ̄ = 0.43
	if e.Kind != archive.KindImproved || math.Abs(e.Evidence-want) > 1e-12 || math.Abs(e.Posterior-1/(1+math.Exp(-want))) > 1e-12 {
		t.Errorf("two judges of 0.75 made %+v, want evidence of %.4f", e, want)
	}
	w := viewOf(t, s).Comparisons
	if w[0].Decided || !w[1].Decided || !strings.Contains(w[0].Why, "2 judges of the pair err alike and count as 1.4") {
		t.Errorf("the first by itself is below Tau, the second decides: %+v", w)
	}
}

// The ranking, the rounds and the pairs a person has seen are people's alone.
func TestRankIsPeoples(t *testing.T) {
	db, s, ids := duel(t, 4)
	j := newFake("ada").judge // of the person's name
	audit(t, db, fit(j, 0.9))
	for _, x := range ids[1:] {
		prefers(t, db, j, x, ids[0])
	}
	if _, err := s.Votes(t.Context()); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("a model's word is in the ranking: %v", err)
	}
	click(t, db, ids[0], ids[3])
	table, err := s.Votes(t.Context())
	if err != nil || len(table.Votes()) != 1 {
		t.Errorf("%d votes, %v; want the person's", len(table.Votes()), err)
	}
	round, _, err := s.OpenRound(t.Context(), "ada", 5)
	if err != nil || len(round.Pairs) != 5 {
		t.Errorf("of six pairs five were not put to the person, who has seen one: %d, %v", len(round.Pairs), err)
	}
}

// Descriptors that stand on answers place images once fit judges, or people, have
// told.
func TestAnswerAxes(t *testing.T) {
	db := openStore(t)
	axes := []assay.Axis{{Descriptor: "checklist:composition", Lo: 0, Hi: 1, Cells: 4}, {Descriptor: "answer:there", Lo: 0, Hi: 1, Cells: 4}}
	s := jury(t, db, 10, series.Options{Axes: axes})
	f, g := newFake("f"), newFake("g")
	g.said = func(q assay.Question, p float64) assay.Belief {
		if q.ID == "blurred" {
			return assay.Belief{Method: assay.ByLogProbs, Abstained: "cannot tell"}
		}
		return assay.Belief{P: 0.5, Low: 0.5, High: 0.5, Method: assay.ByLogProbs, Coverage: 1}
	}
	if _, err := deliberate(t, s, series.DeliberateOptions{}, f, g); err != nil {
		t.Fatal(err)
	}
	if n := viewOf(t, s).Archive.Stats().Images; n != 0 {
		t.Errorf("%d images were placed by judges that nobody examined", n)
	}
	if _, err := s.Rebin(t.Context(), series.RebinOptions{}); !errors.Is(err, assay.ErrNotFound) || !strings.Contains(err.Error(), "examined and found fit") {
		t.Errorf("bounds of no answers: %v", err)
	}
	values := func(id assay.Digest) []float64 {
		t.Helper()
		for _, c := range cells(viewOf(t, s)) {
			for _, m := range append([]archive.Member{c.Elite}, members(c)...) {
				if m.Image == id {
					return m.Descriptor
				}
			}
		}
		return nil
	}
	check := func(what string, id assay.Digest, composition, there float64) {
		t.Helper()
		if diff := cmp.Diff([]float64{composition, there}, values(id), cmpopts.EquateApprox(0, 1e-12)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	entries, err := db.Entries(t.Context(), "test", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	id := entries[3].Image
	warm, blurred, there := share(id, "warm"), share(id, "blurred"), share(id, "there")
	audit(t, db, fit(f.judge, 0.7))
	check("one judge", id, (warm+1-blurred)/2, there)
	if n := viewOf(t, s).Archive.Stats().Images; n != 10 {
		t.Errorf("%d images are placed, want all ten", n)
	}
	audit(t, db, fit(g.judge, 0.7))
	mid := func(p, q float64) float64 { // the mean of log-odds
		return 1 / (1 + math.Sqrt((1-p)/p*(1-q)/q))
	}
	check("two judges", id, (mid(warm, 0.5)+1-blurred)/2, mid(there, 0.5))
	weak := fit(f.judge, 0.7)
	weak.Unfit = map[string]string{"warm@1": "it says yes to all"}
	audit(t, db, weak)
	check("an unfit question", id, (0.5+1-blurred)/2, mid(there, 0.5))
	for _, said := range []string{series.SaidNo, series.SaidYes} { // she changes her mind
		if _, err := s.AnswerQuestion(t.Context(), "ada", id, "blurred", said); err != nil {
			t.Fatal(err)
		}
	}
	surely := 1 / (1 + math.Exp(-6))
	check("a person", id, (0.5+1-surely)/2, mid(there, 0.5))
	if _, err := s.AnswerQuestion(t.Context(), "ada", id, "blurred", series.SaidCannotTell); err != nil {
		t.Fatal(err)
	}
	check("who cannot tell", id, (0.5+1-blurred)/2, mid(there, 0.5))

	newer := checklist()[1]
	newer.Version, newer.Text = "2", "Is it warm indeed?"
	void := assay.Answer{Series: "test", Image: id, Judge: f.judge, Question: newer, Belief: assay.Belief{P: 0.9, Low: 0.9, High: 0.9, Method: assay.ByLogProbs, Coverage: 1}, Void: "a control failed"}
	again := void
	again.Void, again.Repeat = "", 1
	if err := db.PutAnswers(t.Context(), []assay.Answer{void, again}); err != nil {
		t.Fatal(err)
	}
	check("void answers and repetitions", id, (0.5+1-blurred)/2, mid(there, 0.5))
	void.Void, void.Judge = "", g.judge
	if err := db.PutAnswers(t.Context(), []assay.Answer{void}); err != nil {
		t.Fatal(err)
	}
	check("a new version of a question", id, (0.9+1-blurred)/2, mid(there, 0.5))

	r, err := s.Rebin(t.Context(), series.RebinOptions{})
	if err != nil || r.Axes[0].Lo < 0 || r.Axes[1].Hi > 1 || len(r.Unplaced) != 0 {
		t.Errorf("rebinned to %+v, %d without a place, %v", r.Axes, len(r.Unplaced), err)
	}
	r, err = s.Rebin(t.Context(), series.RebinOptions{Axes: []assay.Axis{{Descriptor: "checklist:originality", Hi: 1, Cells: 3}, {Descriptor: "warmth", Lo: -30, Hi: 30, Cells: 3}}})
	if err != nil || len(r.Unplaced) != 0 || viewOf(t, s).Grid.Axes[0].Descriptor != "checklist:originality" {
		t.Errorf("rebinned to other axes: %+v, %v", r, err)
	}
	consistent(t, db, s)
}

func members(c archive.Cell) (out []archive.Member) {
	for _, ch := range c.Challengers {
		out = append(out, ch.Member)
	}
	return out
}

func TestAnswerAxesRefused(t *testing.T) {
	good := assay.Axis{Descriptor: "warmth", Lo: -30, Hi: 30, Cells: 2}
	s := jury(t, openStore(t), 2, series.Options{})
	for name, bad := range map[string]assay.Axis{
		"no dimension": {Descriptor: "checklist:", Hi: 1, Cells: 2},
		"no question":  {Descriptor: "answer:", Hi: 1, Cells: 2},
		"above":        {Descriptor: "checklist:composition", Lo: 1, Hi: 5, Cells: 2},
		"below":        {Descriptor: "answer:x", Lo: -1, Hi: 0, Cells: 2},
	} {
		axes := []assay.Axis{bad, good}
		fresh := openSeries(t, openStore(t), series.Options{Axes: axes})
		if err := fresh.Add(t.Context(), slices.Values(gallery(t, 1)), func(series.Result) error { return nil }); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s in a new series: %v", name, err)
		}
		if _, err := s.Rebin(t.Context(), series.RebinOptions{Axes: axes}); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s in an old one: %v", name, err)
		}
	}
	_, err := s.Rebin(t.Context(), series.RebinOptions{Axes: []assay.Axis{{Descriptor: "answer:x", Hi: 1, Cells: 2}, good}})
	if !errors.Is(err, assay.ErrNotFound) || !strings.Contains(err.Error(), "axis answer:x: no image") {
		t.Errorf("a question nobody answered: %v", err)
	}
	if doc, ok := series.AskedAxis("checklist:composition"); !ok || !strings.Contains(doc, "composition") {
		t.Errorf("what an axis reads: %q", doc)
	}
	if doc, ok := series.AskedAxis("warmth"); ok {
		t.Errorf("warmth is said to be asked: %q", doc)
	}
}

// What a person says of a question is kept: once, unless they change their mind.
func TestAnswerQuestion(t *testing.T) {
	db := openStore(t)
	s := jury(t, db, 2, series.Options{})
	entries, err := db.Entries(t.Context(), "test", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	id := entries[0].Image
	ctx := t.Context()
	if _, err := s.AnswerQuestion(ctx, "ada", id, "warm", series.SaidYes); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("a question nobody was asked: %v", err)
	}
	if _, err := deliberate(t, s, series.DeliberateOptions{Images: []assay.Digest{entries[1].Image}, NoPairs: true}, newFake("f")); err != nil {
		t.Fatal(err)
	}
	say := func(rater, said string, repeat int) assay.Answer {
		t.Helper()
		a, err := s.AnswerQuestion(ctx, rater, id, "warm", said)
		if err != nil || a.Repeat != repeat || !a.Judge.IsPerson() || a.Judge.Name != rater || a.ID == 0 || a.Question.Text != "Is it warm?" {
			t.Errorf("%s said %s: %+v, %v; want repeat %d", rater, said, a, err, repeat)
		}
		return a
	}
	first := say("ada", series.SaidNo, 0)
	if first.Belief != (assay.Belief{Method: assay.ByWord, Coverage: 1}) {
		t.Errorf("no is kept as %+v", first.Belief)
	}
	if again := say("ada", series.SaidNo, 0); again.ID != first.ID {
		t.Error("a second click is another answer")
	}
	say("ben", series.SaidYes, 0)
	say("ada", series.SaidYes, 1)
	say("ada", series.SaidCannotTell, 2)
	say("ada", series.SaidNo, 3)
	all, err := db.Answers(ctx, "test", id)
	if err != nil || len(all) != 5 {
		t.Errorf("%d answers are kept, %v; want 5", len(all), err)
	}
	if _, err := s.AnswerQuestion(ctx, "ada", id, "warm", "maybe"); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("maybe: %v", err)
	}
	if _, err := s.AnswerQuestion(ctx, "", id, "warm", series.SaidYes); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := s.AnswerQuestion(ctx, "ada", assay.Digest{1}, "warm", series.SaidYes); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("a stranger: %v", err)
	}
	own := assay.Question{ID: "own", Version: "1", Dimension: "mine", Text: "Do I like it?", Scope: "image"}
	if a, err := s.AnswerAsked(ctx, "ada", id, own, series.SaidYes); err != nil || a.Question.ID != "own" {
		t.Errorf("a question of her own: %+v, %v", a, err)
	}
}

// consistent compares the view at hand with one that is computed from nothing.
func consistent(t *testing.T, db *store.DB, s *series.Series) {
	t.Helper()
	fresh, err := series.Open(t.Context(), s.Name(), db, some(t, "layout", "lightness", "warmth"), series.Options{Warmup: 1000})
	if err != nil {
		t.Fatal(err)
	}
	a, b := viewOf(t, s), viewOf(t, fresh)
	if diff := cmp.Diff(cells(a), cells(b)); diff != "" {
		t.Errorf("cells at hand and computed anew differ:\n%s", diff)
	}
	if diff := cmp.Diff(a.Archive.Stats(), b.Archive.Stats()); diff != "" {
		t.Errorf("stats differ:\n%s", diff)
	}
	if diff := cmp.Diff(a.Comparisons, b.Comparisons); diff != "" {
		t.Errorf("comparisons differ:\n%s", diff)
	}
	if diff := cmp.Diff(a.Trusts, b.Trusts); diff != "" {
		t.Errorf("trusts differ:\n%s", diff)
	}
}

// Whatever facts arrive in whatever order, between views or not, the view is the
// one that is computed from all of them.
func TestViewIsConsistent(t *testing.T) {
	db := openStore(t)
	s := jury(t, db, 9, series.Options{})
	f, g := newFake("f"), newFake("g")
	audit(t, db, fit(f.judge, 0.8))
	told := 0
	err := s.Deliberate(t.Context(), []series.Juror{f, g}, series.DeliberateOptions{Parallel: 1}, func(d series.Deliberation) error {
		if told++; told%7 == 0 { // looked at in the middle
			consistent(t, db, s)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	audit(t, db, fit(g.judge, 0.7))
	consistent(t, db, s)
	for _, c := range cells(viewOf(t, s)) {
		if len(c.Challengers) > 0 {
			click(t, db, c.Challengers[0].Image, c.Elite.Image)
			consistent(t, db, s)
		}
	}
	results := add(t, s, []series.Input{input("late.png", pictureOf(t, 77, 48)), input("later.png", pictureOf(t, 78, 48))})
	consistent(t, db, s)
	v := viewOf(t, s)
	for _, r := range results { // told while they were added, and computed anew
		d, ok := v.Decision(r.Digest)
		if !ok || string(d.Placement) != r.Outcome || !slices.Equal(d.Cell, r.Cell) || d.Incumbent != r.Incumbent {
			t.Errorf("%s was told as %s in %v and stands as %s in %v", r.Path, r.Outcome, r.Cell, d.Placement, d.Cell)
		}
	}
	if _, err := deliberate(t, s, series.DeliberateOptions{}, f, g); err != nil {
		t.Fatal(err)
	}
	f.once(t)
	g.once(t)
	consistent(t, db, s)
}
