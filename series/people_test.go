package series_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/rank"
	"github.com/gen-emerge/assay/series"
)

// crowded opens a series on a map of few cells, so that challengers abound.
func crowded(t *testing.T) *series.Series {
	t.Helper()
	s := openSeries(t, openStore(t), series.Options{Axes: []assay.Axis{
		{Descriptor: "lightness", Lo: 0, Hi: 100, Cells: 2}, {Descriptor: "warmth", Lo: -30, Hi: 30, Cells: 2},
	}})
	add(t, s, gallery(t, 28))
	return s
}

func TestRound(t *testing.T) {
	s := crowded(t)
	round, answered, err := s.OpenRound(t.Context(), "ada", 5)
	if err != nil {
		t.Fatal(err)
	}
	if len(round.Pairs) != 5 || len(answered) != 5 {
		t.Fatalf("a round of %d pairs, %d answers; want 5 of each", len(round.Pairs), len(answered))
	}
	seen := map[[2]assay.Digest]bool{}
	random := 0
	for i, p := range round.Pairs {
		if p.Left == p.Right || seen[[2]assay.Digest{p.Left, p.Right}] || seen[[2]assay.Digest{p.Right, p.Left}] {
			t.Errorf("pair %d repeats", i)
		}
		seen[[2]assay.Digest{p.Left, p.Right}] = true
		if p.Reason == "" || !(p.Propensity > 0 && p.Propensity <= 1) {
			t.Errorf("pair %d: reason %q, propensity %g", i, p.Reason, p.Propensity)
		}
		if p.Propensity < 0.05 {
			random++
		}
	}
	if random == 0 {
		t.Error("no pair was drawn at random")
	}
	again, _, err := s.OpenRound(t.Context(), "ada", 5)
	if err != nil || again.ID != round.ID {
		t.Errorf("an unfinished round was not resumed: round %d, %v", again.ID, err)
	}
	other, _, err := s.OpenRound(t.Context(), "ben", 3)
	if err != nil || other.ID == round.ID || len(other.Pairs) != 3 {
		t.Errorf("another rater's round: %+v, %v", other, err)
	}
	if _, _, err := s.OpenRound(t.Context(), "ada", 9); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("a round of nine: %v", err)
	}
}

// One click for a challenger replaces the elite of its cell; taking it back
// restores the elite; both stay on record.
func TestJudgeAndUndo(t *testing.T) {
	s := crowded(t)
	ctx := t.Context()
	round, _, err := s.OpenRound(ctx, "ada", 5)
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.View(ctx)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(round.Pairs, func(p assay.Pair) bool { return p.Kind == assay.ArchivePair })
	p := round.Pairs[at]
	elite, challenger, outcome, grade := p.Left, p.Right, assay.Right, 2
	if d, _ := before.Decision(elite); d.Placement != assay.Added {
		elite, challenger, outcome, grade = p.Right, p.Left, assay.Left, -2
	}
	j, err := s.Judge(ctx, series.Answer{Round: round.ID, Pair: at, Rater: "ada", Outcome: outcome, Grade: grade})
	if err != nil {
		t.Fatal(err)
	}
	standing := func(id assay.Digest) assay.Placement {
		t.Helper()
		v, err := s.View(ctx)
		if err != nil {
			t.Fatal(err)
		}
		d, ok := v.Decision(id)
		if !ok {
			t.Fatalf("%s has no decision", id.Short())
		}
		return d.Placement
	}
	if a, b := standing(challenger), standing(elite); a != assay.Improved || b != assay.Challenger {
		t.Errorf("after the click the winner is %s and the loser %s", a, b)
	}
	if _, err := s.Judge(ctx, series.Answer{Round: round.ID, Pair: at, Rater: "ada", Outcome: assay.Tie}); !errors.Is(err, assay.ErrConflict) {
		t.Errorf("another answer to the same pair: %v, want ErrConflict", err)
	}
	back, err := s.Undo(ctx, round.ID, "ada")
	if err != nil || back.ID != j.ID {
		t.Fatalf("undo took back %d (%v), want %d", back.ID, err, j.ID)
	}
	if a, b := standing(challenger), standing(elite); a != assay.Challenger || b != assay.Added {
		t.Errorf("after undo the challenger is %s and the elite %s", a, b)
	}
	if _, err := s.Undo(ctx, round.ID, "ada"); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("nothing left to undo: %v", err)
	}
	profile, err := s.Profile(ctx, challenger)
	if err != nil || len(profile.Judgments) != 1 || !profile.Judgments[0].Withdrawn {
		t.Errorf("the judgment that was taken back is not on record: %+v, %v", profile.Judgments, err)
	}
	for _, bad := range []series.Answer{
		{Round: round.ID, Pair: 7, Rater: "ada", Outcome: assay.Tie},
		{Round: round.ID, Pair: 1, Rater: "eve", Outcome: assay.Tie},
		{Round: 999, Pair: 0, Rater: "ada", Outcome: assay.Tie},
		{Round: round.ID, Pair: 1, Rater: "ada", Outcome: assay.Tie, Grade: 2},
	} {
		if _, err := s.Judge(ctx, bad); err == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
}

// The ranking of a judge who always prefers the lighter picture orders them so.
func TestRanking(t *testing.T) {
	s := crowded(t)
	ctx := t.Context()
	if _, err := s.Votes(ctx); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("votes of an unjudged series: %v", err)
	}
	light := map[assay.Digest]float64{}
	view, err := s.View(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range view.Archive.Elites() {
		light[m.Image] = m.Descriptor[0]
	}
	for cell := range view.Archive.Cells() {
		for _, ch := range cell.Challengers {
			light[ch.Image] = ch.Descriptor[0]
		}
	}
	for range 12 {
		round, answered, err := s.OpenRound(ctx, "ada", 5)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range round.Pairs {
			if answered[i] {
				continue
			}
			a := series.Answer{Round: round.ID, Pair: i, Rater: "ada", Outcome: assay.Left, Grade: -1}
			if light[p.Right] > light[p.Left] {
				a.Outcome, a.Grade = assay.Right, 1
			}
			if _, err := s.Judge(ctx, a); err != nil {
				t.Fatal(err)
			}
		}
	}
	table, err := s.Votes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	fit, err := rank.Estimate(ctx, len(table.IDs()), table.Votes(), rank.Options{})
	if err != nil {
		t.Fatal(err)
	}
	right, pairs := 0, 0
	for i, a := range table.IDs() {
		for j, b := range table.IDs()[:i] {
			ia, errA := assay.ParseDigest(a)
			ib, errB := assay.ParseDigest(b)
			if errA != nil || errB != nil {
				t.Fatal(errA, errB)
			}
			pairs++
			if (fit.Strength[i] > fit.Strength[j]) == (light[ia] > light[ib]) {
				right++
			}
		}
	}
	if share := float64(right) / float64(pairs); share < 0.65 {
		t.Errorf("60 answers order %.2f of the pairs as the judge does, want 0.65 (chance is 0.5)", share)
	}
}

func TestRebin(t *testing.T) {
	s := crowded(t)
	ctx := t.Context()
	dry, err := s.Rebin(ctx, series.RebinOptions{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	view, err := s.View(ctx)
	if err != nil || view.Grid.Axes[0].Lo != 0 {
		t.Fatalf("a dry run changed the grid: %+v, %v", view.Grid.Axes, err)
	}
	done, err := s.Rebin(ctx, series.RebinOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if done.After != dry.After {
		t.Errorf("the dry run promised %+v, the real one gives %+v", dry.After, done.After)
	}
	if view, err = s.View(ctx); err != nil {
		t.Fatal(err)
	}
	if st := view.Archive.Stats(); st.NumElites != dry.After.Occupied {
		t.Errorf("%d cells are occupied, the report said %d", st.NumElites, dry.After.Occupied)
	}
	if _, err := s.Rebin(ctx, series.RebinOptions{Axes: []assay.Axis{
		{Descriptor: "nonsense", Lo: 0, Hi: 1, Cells: 2}, {Descriptor: "warmth", Lo: 0, Hi: 1, Cells: 2}}}); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("an axis nobody measures: %v", err)
	}
}
