package series_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/rank"
	"github.com/gen-emerge/assay/series"
)

// Interesting is free; the breakthrough is one, and moves only when that is said.
// Both lift an image above the bar.
func TestMarks(t *testing.T) {
	_, s, ids := duel(t, 4)
	ctx := t.Context()
	mark := func(id assay.Digest, kind assay.MarkKind, transfer bool) (assay.Mark, error) {
		return s.Mark(ctx, series.MarkRequest{Image: id, Rater: "ada", Kind: kind, Transfer: transfer})
	}
	for _, id := range ids[:3] {
		if _, err := mark(id, assay.Interesting, false); err != nil {
			t.Fatal(err)
		}
	}
	first, err := mark(ids[0], assay.Breakthrough, false)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := mark(ids[0], assay.Breakthrough, false); err != nil || again.ID != first.ID {
		t.Errorf("the same mark again: %+v, %v", again, err)
	}
	var held *series.HeldError
	if _, err := mark(ids[1], assay.Breakthrough, false); !errors.As(err, &held) || !errors.Is(err, assay.ErrConflict) || held.Mark.Image != ids[0] {
		t.Errorf("a second breakthrough: %v", err)
	}
	moved, err := mark(ids[1], assay.Breakthrough, true)
	if err != nil || moved.Image != ids[1] {
		t.Fatalf("%+v, %v", moved, err)
	}
	marks, err := s.Marks(ctx)
	if err != nil || len(marks) != 4 || slices.ContainsFunc(marks, func(m assay.Mark) bool { return m.ID == first.ID }) {
		t.Errorf("marks %+v, %v; want three interesting ones and one breakthrough", marks, err)
	}
	table, err := s.Votes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	bar, ok := table.Item(rank.BarID)
	if !ok || len(table.Votes()) != 4 {
		t.Fatalf("%d votes against the bar, want 4", len(table.Votes()))
	}
	for _, v := range table.Votes() {
		if v.Right != bar || v.Outcome != assay.Left || !v.Unordered {
			t.Errorf("vote %+v", v)
		}
	}
	if err := s.Unmark(ctx, moved.ID, "ben"); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("another rater takes it back: %v", err)
	}
	if err := s.Unmark(ctx, moved.ID, "ada"); err != nil {
		t.Error(err)
	}
	labels, err := s.Labels(ctx)
	if err != nil || len(labels) != 3 || !labels[ids[0]].Good || labels[ids[0]].Why != "marked as interesting" {
		t.Errorf("labels %+v, %v", labels, err)
	}
}

// A triplet and a ranking are asked once, whatever is reloaded, and answered once.
func TestTripletsAndRankings(t *testing.T) {
	s := crowded(t)
	ctx := t.Context()
	q, err := s.OpenTriplet(ctx, "ada")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.OpenTriplet(ctx, "ada"); err != nil || again.ID != q.ID || !(q.Propensity > 0 && q.Propensity < 0.01) {
		t.Errorf("asked again: %+v, %v", again, err)
	}
	if _, err := s.AnswerTriplet(ctx, q.ID, "ben", 1, 0); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("another's triplet: %v", err)
	}
	if _, err := s.AnswerTriplet(ctx, q.ID, "ada", 3, 0); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("a fourth image: %v", err)
	}
	if done, err := s.AnswerTriplet(ctx, q.ID, "ada", 1, 0); err != nil || done.Odd != 1 || done.Answered.IsZero() {
		t.Errorf("%+v, %v", done, err)
	}
	if next, err := s.OpenTriplet(ctx, "ada"); err != nil || next.ID == q.ID {
		t.Errorf("after the answer: %+v, %v", next, err)
	}

	r, err := s.OpenRanking(ctx, "ada", 0)
	if err != nil {
		t.Fatal(err)
	}
	contested := 0
	seen := map[assay.Digest]bool{}
	var order []assay.Digest
	for _, shown := range r.Shown {
		if shown.Contested {
			contested++
		}
		if seen[shown.Image] || !(shown.Propensity > 0 && shown.Propensity <= 1) {
			t.Errorf("shown %+v", shown)
		}
		seen[shown.Image] = true
		order = append(order, shown.Image)
	}
	if len(r.Shown) != 10 || contested != 5 {
		t.Errorf("%d images, %d from contested cells; want 10 and 5", len(r.Shown), contested)
	}
	slices.Reverse(order)
	if _, err := s.AnswerRanking(ctx, r.ID, "ada", order[1:]); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("an order of nine: %v", err)
	}
	if done, err := s.AnswerRanking(ctx, r.ID, "ada", order); err != nil || !slices.Equal(done.Order, order) {
		t.Errorf("%+v, %v", done, err)
	}
	table, err := s.Votes(ctx) // nobody has compared a pair: an order is something to rank by
	if err != nil {
		t.Fatal(err)
	}
	orders, err := s.Orders(ctx, table)
	if err != nil || len(orders) != 1 || len(orders[0].Items) != 10 || table.IDs()[orders[0].Items[0]] != order[0].String() || table.Raters()[orders[0].Rater] != "ada" {
		t.Errorf("%+v, %v", orders, err)
	}
	if _, err := s.OpenRanking(ctx, "ada", 2); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("a ranking of two: %v", err)
	}
}

// Every round has a random pair, and over many rounds each kind is asked: also a
// refused image, and an old pair with its sides swapped.
func TestPortfolio(t *testing.T) {
	s := openSeries(t, openStore(t), series.Options{Axes: []assay.Axis{
		{Descriptor: "lightness", Lo: 0, Hi: 100, Cells: 2}, {Descriptor: "warmth", Lo: -30, Hi: 30, Cells: 2}}})
	add(t, s, gallery(t, 26))
	ctx := t.Context()
	kinds := map[assay.PairKind]int{}
	told := map[[2]assay.Digest]assay.Judgment{}
	judged := 0
	for n := 0; n < 8 || kinds[assay.RepeatPair] == 0 && n < 80; n++ { // a repeat is drawn in one round of three
		round, _, err := s.OpenRound(ctx, "ada", 5)
		if err != nil {
			t.Fatal(err)
		}
		random := 0
		for k, p := range round.Pairs {
			kinds[p.Kind]++
			if p.Kind == assay.RandomPair {
				random++
			}
			if !(p.Propensity > 0 && p.Propensity <= 1) || p.Reason == "" {
				t.Errorf("%+v", p)
			}
			if old, before := told[[2]assay.Digest{p.Right, p.Left}]; (p.Kind == assay.RepeatPair) != before {
				t.Errorf("a %s pair, asked before with the sides swapped: %v (%v)", p.Kind, before, old.ID)
			}
			j, err := s.Judge(ctx, series.Answer{Round: round.ID, Pair: k, Rater: "ada", Outcome: assay.Left, Grade: -1})
			if err != nil {
				t.Fatal(err)
			}
			judged++
			told[[2]assay.Digest{p.Left, p.Right}] = j
		}
		if random == 0 {
			t.Errorf("round %d has no random pair: %+v", round.ID, round.Pairs)
		}
	}
	for _, kind := range []assay.PairKind{assay.ArchivePair, assay.InformationPair, assay.RandomPair, assay.RepeatPair} {
		if kinds[kind] == 0 {
			t.Errorf("no %s pair in the rounds: %v", kind, kinds)
		}
	}
	table, err := s.TrustTable(ctx, "ada")
	if err != nil {
		t.Fatal(err)
	}
	// Who always says left decides a swapped pair the other way each time.
	self := table.Rows[0]
	if self.Kind != series.TrustPerson || self.N != kinds[assay.RepeatPair] || self.Agreed != 0 || table.Judgments != judged {
		t.Errorf("the person against themselves: %+v, %d judgments", self, table.Judgments)
	}
}
