package series_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
)

var errBudget = errors.New("the budget is spent")

// Everything that passed is asked everything once, and stored; repeating asks
// nothing.
func TestDeliberate(t *testing.T) {
	db := openStore(t)
	s := jury(t, db, 14, series.Options{})
	f, g := newFake("f"), newFake("g")
	g.better = func(a, b series.Shown) float64 { return math.NaN() }
	f.others = func(others []assay.Digest) {
		different := map[assay.Digest]bool{}
		for _, id := range others {
			different[id] = true
		}
		if len(others) != series.MaxOthers || len(different) != series.MaxOthers {
			t.Errorf("shown beside: %v", others)
		}
	}
	opt := series.DeliberateOptions{Write: []string{"summary", "critique"}}
	told, err := deliberate(t, s, opt, f, g)
	if err != nil {
		t.Fatal(err)
	}
	f.once(t)
	g.once(t)
	questions := len(checklist())
	if n := f.count("warm "); n != 14 || f.count("summary") != 14 || f.count("critique") != 14 {
		t.Errorf("%d images were asked, %d summaries and %d critiques written, want 14 of each", n, f.count("summary"), f.count("critique"))
	}
	contested := 0
	for _, c := range cells(viewOf(t, s)) {
		contested += len(c.Challengers)
	}
	if n := f.count("compare"); n != contested || n == 0 || g.count("compare") != n {
		t.Errorf("%d and %d pairs were compared, want the %d of challengers with elites", n, g.count("compare"), contested)
	}
	seen := map[string]int{}
	for _, d := range told {
		switch {
		case d.Note != nil:
			seen["note "+d.Note.Kind]++
		case d.Comparison != nil:
			seen["comparison "+string(d.Comparison.Outcome)]++
			if d.Comparison.ID == 0 || d.Comparison.Reason == "" {
				t.Errorf("a comparison was told before it was stored: %+v", d.Comparison)
			}
		default:
			seen["answers"] += len(d.Answers)
			if d.Propensity != 1 {
				t.Errorf("propensity %g of an image that passed", d.Propensity)
			}
		}
		if d.Error != "" || d.Done > d.Total {
			t.Errorf("told %+v", d)
		}
	}
	skips := seen["comparison skip"]
	if seen["answers"] != 2*14*questions || seen["note summary"] != 28 || skips != contested {
		t.Errorf("told of %v", seen)
	}
	for i := range 14 {
		e, err := db.Entries(t.Context(), "test", int64(i), 1)
		if err != nil {
			t.Fatal(err)
		}
		p, err := s.Profile(t.Context(), e[0].Image)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Answers) != 2*questions || len(p.Notes) != 4 || len(p.Trusts) != 0 {
			t.Errorf("the profile has %d answers, %d notes, %d trusts", len(p.Answers), len(p.Notes), len(p.Trusts))
		}
	}
	if _, err := deliberate(t, s, opt, f, g); err != nil {
		t.Fatal(err)
	}
	f.once(t)
	g.once(t)
	if problems := db.Check(t.Context()); len(problems) > 0 {
		t.Errorf("the store is not whole: %v", problems)
	}
}

// A run that a spent budget ends has kept what was paid for, and repeating it
// asks the rest: each thing once, and the same comes of it as of one run.
func TestDeliberateResumes(t *testing.T) {
	opt := series.DeliberateOptions{Write: []string{"summary"}, Parallel: 3}
	whole, cut := openStore(t), openStore(t)
	a, b := jury(t, whole, 12, series.Options{}), jury(t, cut, 12, series.Options{})
	f, g := newFake("f"), newFake("f")
	for _, db := range []*store.DB{whole, cut} {
		audit(t, db, fit(f.judge, 0.8))
	}
	if _, err := deliberate(t, a, opt, f); err != nil {
		t.Fatal(err)
	}
	runs := 0
	for budget := 1; ; budget = budget%7 + 1 {
		g.budget = budget
		runs++
		told, err := deliberate(t, b, opt, g)
		if err == nil {
			break
		}
		if !errors.Is(err, errBudget) || runs > 200 {
			t.Fatalf("run %d ended with %v", runs, err)
		}
		for _, d := range told {
			if d.Error != "" {
				t.Errorf("a spent budget was told of an image: %+v", d)
			}
		}
	}
	g.once(t)
	if diff := cmp.Diff(f.asked, g.asked); diff != "" {
		t.Errorf("in %d runs other things were asked than in one:\n%s", runs, diff)
	}
	if diff := cmp.Diff(cells(viewOf(t, a)), cells(viewOf(t, b)), sameCells...); diff != "" {
		t.Errorf("%d runs made another archive than one:\n%s", runs, diff)
	}
	if runs < 10 {
		t.Errorf("%d runs: the budget cut too little", runs)
	}
}

// Who is quicker decides nothing.
func TestDeliberateInParallel(t *testing.T) {
	var want []archive.Cell
	var stats archive.Stats
	for _, parallel := range []int{1, 6} {
		db := openStore(t)
		s := jury(t, db, 16, series.Options{})
		f, g := newFake("f"), newFake("g")
		f.slow, g.slow = true, true
		g.better = func(a, b series.Shown) float64 {
			return float64(a.Entry.Image[3]) / (float64(a.Entry.Image[3]) + float64(b.Entry.Image[3]))
		}
		audit(t, db, fit(f.judge, 0.7))
		audit(t, db, fit(g.judge, 0.8))
		if _, err := deliberate(t, s, series.DeliberateOptions{Parallel: parallel}, f, g); err != nil {
			t.Fatal(err)
		}
		v := viewOf(t, s)
		if parallel == 1 {
			want, stats = cells(v), v.Archive.Stats()
			if stats.Replacements == 0 {
				t.Error("the jurors replaced nothing")
			}
			continue
		}
		if diff := cmp.Diff(want, cells(v), sameCells...); diff != "" {
			t.Errorf("%d at once (-one +%d):\n%s", parallel, parallel, diff)
		}
		if diff := cmp.Diff(stats, v.Archive.Stats()); diff != "" {
			t.Errorf("%d at once (-one +%d):\n%s", parallel, parallel, diff)
		}
	}
}

// What was refused is judged only if it is drawn, by a seed, with the probability
// on record.
func TestDeliberateAudits(t *testing.T) {
	db := openStore(t)
	s := jury(t, db, 26, series.Options{Warmup: 24})
	var repeats []series.Input
	for i := range 12 {
		repeats = append(repeats, input(fmt.Sprint("again ", i), append(pictureOf(t, uint64(i+1), 48), "again"...)))
	}
	var refused []assay.Digest
	for _, r := range add(t, s, repeats) {
		if r.Outcome == string(assay.Refused) {
			refused = append(refused, r.Digest)
		}
	}
	if len(refused) != 12 {
		t.Fatalf("%d of 12 repeats were refused", len(refused))
	}
	asked := func(f *fake) (n int) {
		for _, id := range refused {
			n += f.count("warm " + id.String())
		}
		return n
	}
	draw := func(opt series.DeliberateOptions) (*fake, []series.Deliberation) {
		t.Helper()
		f := newFake(fmt.Sprint("f", opt.Audit, opt.Seed))
		opt.NoPairs = true
		told, err := deliberate(t, s, opt, f)
		if err != nil {
			t.Fatal(err)
		}
		return f, told
	}
	if f, _ := draw(series.DeliberateOptions{Audit: -1}); asked(f) != 0 || f.count("warm") != 26 {
		t.Errorf("without an audit %d refused images were judged, and %d that passed", asked(f), f.count("warm")-asked(f))
	}
	half, told := draw(series.DeliberateOptions{Audit: 0.5, Seed: 3})
	if n := asked(half); n == 0 || n == 12 {
		t.Errorf("%d of 12 refused images were drawn, want about half", n)
	}
	for _, d := range told {
		i := slices.Index(refused, d.Image)
		if want := map[bool]float64{true: 0.5, false: 1}[i >= 0]; d.Propensity != want {
			t.Errorf("propensity %g, want %g", d.Propensity, want)
		}
		notes, err := db.Notes(t.Context(), "test", d.Image, series.DrawnNote)
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Propensity float64
			Seed       uint64
			Gates      []string
		}
		if i < 0 {
			if len(notes) != 0 {
				t.Error("an image that passed was drawn")
			}
			continue
		}
		if err := json.Unmarshal(notes[0].Body, &body); err != nil || len(notes) != 1 || body.Propensity != 0.5 || body.Seed != 3 || !slices.Equal(body.Gates, []string{"diversity"}) {
			t.Errorf("on record: %s, %v", notes[0].Body, err)
		}
	}
	other, _ := draw(series.DeliberateOptions{Audit: 0.5, Seed: 4})
	same := 0
	for _, id := range refused {
		same += half.count("warm "+id.String()) * other.count("warm "+id.String())
	}
	if same == asked(half) && same == asked(other) {
		t.Error("another seed draws the same images")
	}
	if f, _ := draw(series.DeliberateOptions{Audit: 1}); asked(f) != 12 {
		t.Errorf("of all, %d of 12 were drawn", asked(f))
	}
	f := newFake("named")
	told, err := deliberate(t, s, series.DeliberateOptions{Audit: -1, Images: refused[:1]}, f)
	if err != nil || len(told) != 1 || !strings.Contains(told[0].Error, "refused by diversity") || len(f.asked) != 0 {
		t.Errorf("a refused image asked for by name: %+v, %v", told, err)
	}
}

// A picture that a juror cannot read is told; a failing juror, store or listener
// ends the run.
func TestDeliberateFails(t *testing.T) {
	db := openStore(t)
	s := jury(t, db, 8, series.Options{})
	bad := cells(viewOf(t, s))[0].Elite.Image
	f := newFake("f")
	f.fail = func(img series.Shown) error {
		if img.Entry.Image == bad {
			return fmt.Errorf("too large: %w", assay.ErrInvalid)
		}
		return nil
	}
	told, err := deliberate(t, s, series.DeliberateOptions{}, f)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, d := range told {
		if d.Error != "" {
			failed++
			if d.Image != bad && d.Other != bad || d.Error != "too large" && !strings.HasPrefix(d.Error, "too large") {
				t.Errorf("told %+v", d)
			}
		}
	}
	if failed == 0 || f.count("warm") != 7 {
		t.Errorf("%d failures told, %d images judged", failed, f.count("warm"))
	}
	want := errors.New("the server is gone")
	g := newFake("g")
	g.fail = func(series.Shown) error { return want }
	if _, err := deliberate(t, s, series.DeliberateOptions{}, g); !errors.Is(err, want) {
		t.Errorf("a failing juror: %v", err)
	}
	h := newFake("h")
	if err := s.Deliberate(t.Context(), []series.Juror{h}, series.DeliberateOptions{}, func(series.Deliberation) error { return want }); !errors.Is(err, want) {
		t.Errorf("a failing listener: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	i := newFake("i")
	i.fail = func(series.Shown) error { cancel(); return nil }
	if err := s.Deliberate(ctx, []series.Juror{i}, series.DeliberateOptions{Parallel: 1}, func(series.Deliberation) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	liar := newFake("liar")
	liar.said = func(assay.Question, float64) assay.Belief { return assay.Belief{} }
	if _, err := deliberate(t, s, series.DeliberateOptions{}, liar); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("answers that say nothing: %v", err)
	}
	for name, opt := range map[string]series.DeliberateOptions{"share": {Audit: 1.5}, "share that is no number": {Audit: math.NaN()}} {
		if _, err := deliberate(t, s, opt, f); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := deliberate(t, s, series.DeliberateOptions{}, f, newFake("f")); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("one juror twice: %v", err)
	}
	if _, err := deliberate(t, s, series.DeliberateOptions{}); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("no juror: %v", err)
	}
	if _, err := deliberate(t, s, series.DeliberateOptions{Images: []assay.Digest{{1}}}, f); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("an unknown image: %v", err)
	}
}

// On request the elites meet the best of the series, which people's ranking names.
func TestDeliberateWithTheBest(t *testing.T) {
	db := openStore(t)
	s := jury(t, db, 10, series.Options{})
	f := newFake("f")
	if _, err := deliberate(t, s, series.DeliberateOptions{Best: true}, f); !errors.Is(err, assay.ErrUnavailable) || f.count("compare") == 0 {
		t.Errorf("without a ranking: %v after %d pairs", err, f.count("compare"))
	}
	elites := viewOf(t, s).Archive.Elites()
	best := elites[len(elites)-1].Image
	for _, m := range elites[:len(elites)-1] {
		if _, err := db.PutJudgment(t.Context(), assay.Judgment{Series: "test", Rater: "ada", Source: "human", Left: m.Image, Right: best, Outcome: assay.Right, Grade: 1}); err != nil {
			t.Fatal(err)
		}
	}
	before := f.count("compare")
	if _, err := deliberate(t, s, series.DeliberateOptions{Best: true}, f); err != nil || f.count("compare") != before {
		t.Errorf("pairs that a person decided were compared again: %d, %v", f.count("compare")-before, err)
	}
	if err := db.Withdraw(t.Context(), lastJudgment(t, db).ID); err != nil {
		t.Fatal(err)
	}
	told, err := deliberate(t, s, series.DeliberateOptions{Best: true}, f)
	if err != nil || f.count("compare") != before+1 {
		t.Errorf("%d pairs with the best, %v; want the one that was taken back", f.count("compare")-before, err)
	}
	if last := told[len(told)-1]; last.Image != best || !strings.Contains(last.Comparison.Reason, "best of the series") {
		t.Errorf("told %+v", last)
	}
}

func lastJudgment(t *testing.T, db *store.DB) assay.Judgment {
	t.Helper()
	all, err := db.Judgments(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	return all[len(all)-1]
}
