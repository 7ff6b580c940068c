package series_test

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
)

// says stores that a person prefers x to y.
func says(t *testing.T, s *series.Series, put func(assay.Judgment) error, rater string, x, y assay.Digest) {
	t.Helper()
	if err := put(assay.Judgment{Series: "test", Rater: rater, Source: "human", Left: x, Right: y, Outcome: assay.Left, Grade: -1}); err != nil {
		t.Fatal(err)
	}
}

// The table counts what goes a person's way, and the detectors tell which of
// person and judge moved.
func TestTrustTable(t *testing.T) {
	db, s, ids := duel(t, 3)
	ctx := t.Context()
	put := func(j assay.Judgment) error { _, err := db.PutJudgment(ctx, j); return err }
	j := assay.Judge{Name: "eye", API: "openai", Endpoint: "http://localhost", Model: "m"}
	audit(t, db, fit(j, 0.8))
	prefers(t, db, j, ids[0], ids[1])
	prefers(t, db, j, ids[2], ids[1])
	prefers(t, db, j, ids[2], ids[0])
	says(t, s, put, "me", ids[0], ids[1])
	says(t, s, put, "me", ids[1], ids[2])
	says(t, s, put, "ben", ids[1], ids[0])
	table, err := s.TrustTable(ctx, "me")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]series.TrustRow{}
	for _, r := range table.Rows {
		rows[r.Kind+" "+r.Name] = r
	}
	eye := rows["judge eye"]
	if eye.N != 2 || eye.Agreed != 1 || eye.Agreement == nil || *eye.Agreement != 0.5 || math.Abs(eye.Low-0.0945) > 1e-3 || len(eye.Decides) != 1 || !strings.Contains(eye.Decides[0], "0.80") {
		t.Errorf("the judge: %+v", eye)
	}
	if self := rows["person yourself"]; self.N != 0 || self.Agreement != nil || self.Reason == "" {
		t.Errorf("the person: %+v", self)
	}
	if w := rows["instrument warmth"]; w.Agreement != nil || !strings.Contains(w.Measure, "what an image is") {
		t.Errorf("a descriptor: %+v", w)
	}
	if table.Judgments != 2 || !strings.Contains(table.Verdict, "Too little is known") {
		t.Errorf("%d judgments, %q", table.Judgments, table.Verdict)
	}
	// Forty times the same, then forty times the opposite and back: taste moves.
	for k := range 80 {
		a, b := ids[0], ids[1]
		if k >= 40 && k%2 == 0 {
			a, b = b, a
		}
		says(t, s, put, "me", a, b)
	}
	if table, err = s.TrustTable(ctx, "me"); err != nil {
		t.Fatal(err)
	}
	if self := table.Rows[0]; !self.Drifted || self.N != 80 || !strings.Contains(table.Verdict, "Your taste moved") {
		t.Errorf("%+v; %q", self, table.Verdict)
	}
	if stream := table.Streams[0]; !stream.Alarm || stream.About != series.AboutTaste || stream.Since.IsZero() || stream.Value < stream.Limit {
		t.Errorf("%+v", stream)
	}
}

// A gate's threshold from people is proposed, applied, and taken back.
func TestProposals(t *testing.T) {
	db := openStore(t)
	s := openSeries(t, db, series.Options{})
	add(t, s, gallery(t, 28))
	ctx := t.Context()
	proposals, err := s.Proposals(ctx, series.ProposeOptions{})
	if err != nil || len(proposals) == 0 {
		t.Fatalf("%+v, %v", proposals, err)
	}
	for _, p := range proposals {
		if p.Proposed != nil || p.Good != 0 {
			t.Errorf("nobody has judged, and %s: %+v", p.Gate, p)
		}
	}
	view := viewOf(t, s)
	for _, e := range view.Archive.Elites() {
		if _, err := s.Mark(ctx, series.MarkRequest{Image: e.Image, Rater: "me", Kind: assay.Interesting}); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range view.Refused() {
		if _, err := s.Mark(ctx, series.MarkRequest{Image: id, Rater: "me", Kind: assay.Interesting}); err != nil {
			t.Fatal(err)
		}
	}
	// With few images a promise of 40 % can be made.
	proposals, err = s.Proposals(ctx, series.ProposeOptions{Alpha: 0.4, Delta: 0.3})
	if err != nil {
		t.Fatal(err)
	}
	k := -1
	for i, p := range proposals {
		if p.Proposed != nil {
			k = i
		}
	}
	if k < 0 {
		t.Fatalf("nothing is proposed: %+v", proposals)
	}
	p := proposals[k]
	if p.Proposed.Mode != assay.Calibrated || p.Proposed.Source != "people" || p.Proposed.Identity != p.InForce.Identity || !p.Automatic {
		t.Errorf("%+v", p.Proposed)
	}
	th, err := s.Apply(ctx, p)
	if err != nil || th.ID == 0 {
		t.Fatal(err)
	}
	if _, err := s.Apply(ctx, p); err == nil {
		t.Error("a proposal that is in force was applied again")
	}
	back, err := s.UndoThreshold(ctx, p.Gate)
	if err != nil || back.Value != p.InForce.Value || back.Mode != p.InForce.Mode || back.ID == p.InForce.ID {
		t.Errorf("taken back: %+v, %v", back, err)
	}
	if _, err := s.UndoThreshold(ctx, "no such gate"); err == nil {
		t.Error("a gate that is none was taken back")
	}
}

// Orders by an instrument's own readings are its own: τ is 1; reversed, −1.
func TestTrustOrders(t *testing.T) {
	s := crowded(t)
	ctx := t.Context()
	for k := range 3 {
		r, err := s.OpenRanking(ctx, "ada", 6)
		if err != nil {
			t.Fatal(err)
		}
		var order []assay.Digest
		value := map[assay.Digest]float64{}
		for _, shown := range r.Shown {
			p, err := s.Profile(ctx, shown.Image)
			if err != nil {
				t.Fatal(err)
			}
			for _, reading := range p.Readings {
				if reading.Instrument == "noise" {
					value[shown.Image] = reading.Value
				}
			}
			order = append(order, shown.Image)
		}
		slices.SortFunc(order, func(a, b assay.Digest) int { return cmp.Compare(value[a], value[b]) }) // lower is better
		if _, err := s.AnswerRanking(ctx, r.ID, "ada", order); err != nil {
			t.Fatal(err)
		}
		table, err := s.TrustTable(ctx, "ada")
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(table.Orders, func(o series.OrderRow) bool { return o.Name == "noise" })
		if i < 0 {
			t.Fatalf("no row of noise: %+v", table.Orders)
		}
		switch o := table.Orders[i]; {
		case k == 0 && (o.Tau != nil || o.Rounds != 1 || o.Reason == ""):
			t.Errorf("one round: %+v", o)
		case k > 0 && (o.Tau == nil || *o.Tau < 0.999 || o.Rounds != k+1):
			t.Errorf("%d rounds: %+v", k+1, o)
		}
	}
}
