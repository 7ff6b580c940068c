package series_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
	"github.com/gen-emerge/assay/taste"
)

// liking is a series with pictures, and their readings by one instrument.
type liking struct {
	db   *store.DB
	s    *series.Series
	ids  []assay.Digest
	read map[assay.Digest]float64
	now  time.Time
	rng  *rand.Rand
}

func newLiking(t *testing.T, n int, instrument string) *liking {
	t.Helper()
	l := &liking{db: openStore(t), read: map[assay.Digest]float64{}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), rng: rand.New(rand.NewPCG(7, 7))}
	l.s = openSeries(t, l.db, series.Options{Now: func() time.Time { return l.now }})
	add(t, l.s, gallery(t, n))
	err := l.db.SeriesReadings(t.Context(), "test", instrument, func(_ int64, r assay.Reading) error {
		if _, again := l.read[r.Image]; !again {
			l.ids = append(l.ids, r.Image)
		}
		l.read[r.Image] = r.Value
		return nil
	})
	if err != nil || len(l.ids) < n/2 {
		t.Fatalf("%d readings of %s, %v", len(l.ids), instrument, err)
	}
	return l
}

// judge has a rater decide n pairs in rounds of five, an hour apart, with
// log-odds of want for each unit of the reading.
func (l *liking) judge(t *testing.T, rater string, n int, want float64) {
	t.Helper()
	for k := 0; k < n; k += 5 {
		l.now = l.now.Add(time.Hour)
		round := assay.Round{Series: "test", Rater: rater, Created: l.now}
		for range min(5, n-k) {
			p := l.rng.Perm(len(l.ids))
			round.Pairs = append(round.Pairs, assay.Pair{Left: l.ids[p[0]], Right: l.ids[p[1]], Reason: "a test", Propensity: 0.1})
		}
		var err error
		if round.ID, err = l.db.PutRound(t.Context(), round); err != nil {
			t.Fatal(err)
		}
		for _, p := range round.Pairs {
			d := want * (l.read[p.Left] - l.read[p.Right])
			j := assay.Judgment{Series: "test", Round: round.ID, Rater: rater, Source: "human", Left: p.Left, Right: p.Right, Outcome: assay.Right, Grade: 1, Created: l.now}
			if l.rng.Float64() < 1/(1+math.Exp(-d)) {
				j.Outcome, j.Grade = assay.Left, -1
			}
			if _, err := l.db.PutJudgment(t.Context(), j); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Who likes warm colours gets a reward that says so of images they never saw, and
// a compass that points there.
func TestTasteIsFound(t *testing.T) {
	l := newLiking(t, 14, "warmth")
	l.judge(t, "ada", 40, 0.8)
	p, err := l.s.Personal(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if !p.Check.Accepted || p.Check.N != 40 || p.Check.Population != nil {
		t.Fatalf("check %+v", p.Check)
	}
	if !slices.Contains(p.Features, "warmth") || p.Features[0] != "layout" {
		t.Errorf("features %v", p.Features)
	}
	if len(p.Warnings) == 0 || !strings.Contains(p.Warnings[0], "not what a picture shows") {
		t.Errorf("warnings %q", p.Warnings)
	}
	// The best three are warmer than the worst.
	if len(p.Items) != len(l.ids) {
		t.Fatalf("%d items of %d images", len(p.Items), len(l.ids))
	}
	best, worst := 0.0, 0.0
	for k := range 3 {
		best, worst = best+l.read[p.Items[k].Image]/3, worst+l.read[p.Items[len(p.Items)-1-k].Image]/3
		if !(p.Items[k].SE > 0) {
			t.Errorf("item %d: %+v", k, p.Items[k])
		}
	}
	if best < worst+5 {
		t.Errorf("warmth of the best %.1f, of the worst %.1f", best, worst)
	}
	c, err := l.s.Compass(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(c.Directions, func(d taste.Direction) bool { return d.Name == "warmth" })
	if i < 0 {
		t.Fatal("the compass knows no warmth")
	}
	d := c.Directions[i]
	if d.Toward != taste.More || d.Low <= 0 || d.N != 40 || d.Before == nil || d.Before.N != 35 || len(d.Preferred) != 4 || len(d.Avoided) != 4 {
		t.Errorf("warmth: %+v", d)
	}
	if d.Preferred[0].Value <= d.Avoided[0].Value || l.read[d.Preferred[0].Image] != d.Preferred[0].Value {
		t.Errorf("exemplars %v and %v", d.Preferred, d.Avoided)
	}
	if e := c.Directions[0]; e.Kind != taste.OfEmbedding || e.Identity == nil || e.Identity.Instrument != "layout" || len(e.Vector) == 0 || e.Low <= 0 {
		t.Errorf("the direction in the embedding: %+v", e)
	}
	if c.Evidence.Judgments != 40 || c.Evidence.Rounds != 8 || c.Evidence.Decided != 40 || c.Evidence.ImagesNew != 0 ||
		!c.Evidence.Newest.Equal(l.now) || c.Evidence.Newest.Sub(c.Evidence.Oldest) != 7*time.Hour || c.Evidence.Newest.Sub(c.Evidence.Previous) != time.Hour {
		t.Errorf("evidence %+v", c.Evidence)
	}
	again, err := l.s.Compass(t.Context(), "ada")
	if err != nil || cmp.Diff(c, again) != "" {
		t.Errorf("the same facts, another compass: %v", err)
	}
}

// Who clicks at random gets no reward, and the reason; nobody's taste is made up.
func TestTasteIsRefused(t *testing.T) {
	l := newLiking(t, 14, "warmth")
	l.judge(t, "eve", 40, 0)
	p, err := l.s.Personal(t.Context(), "eve")
	if err != nil {
		t.Fatal(err)
	}
	if p.Check.Accepted || len(p.Items) != 0 || !strings.Contains(p.Check.Reason, "coin") {
		t.Errorf("%d items of a random clicker; %+v", len(p.Items), p.Check)
	}
	c, err := l.s.Compass(t.Context(), "eve")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range c.Directions {
		if d.Toward != taste.Undecided || d.Kind == taste.OfEmbedding {
			t.Errorf("a random clicker wants %s of %s: %+v", d.Toward, d.Name, d)
		}
	}
	if !strings.Contains(c.Reason, "chance") {
		t.Errorf("reason %q", c.Reason)
	}
}

// A person is compared with what all others prefer; where these are alike, the
// others are no worse, and that is said.
func TestTasteAmongOthers(t *testing.T) {
	l := newLiking(t, 14, "warmth")
	for _, rater := range []string{"ben"} {
		l.judge(t, rater, 40, 0.5)
	}
	l.judge(t, "eve", 40, -0.5)
	p, err := l.s.Personal(t.Context(), "eve")
	if err != nil {
		t.Fatal(err)
	}
	c := p.Check
	if c.Population == nil || c.BeatsPopulation == nil || *c.Population < math.Ln2 || c.BeatsPopulation.Mean <= 0 {
		t.Errorf("eve likes what the others do not; %+v", c)
	}
	if !c.Accepted {
		t.Errorf("refused: %s", c.Reason)
	}
}

// A round moves the compass, and what moved it is told.
func TestCompassTellsChanges(t *testing.T) {
	l := newLiking(t, 14, "warmth")
	l.judge(t, "ada", 10, 5)
	l.judge(t, "ada", 5, 5)
	c, err := l.s.Compass(t.Context(), "ada")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(c.Changed, func(s string) bool { return strings.Contains(s, "warmth is now told from chance") }) {
		i := slices.IndexFunc(c.Directions, func(d taste.Direction) bool { return d.Name == "warmth" })
		t.Errorf("changed: %q; warmth %+v, before %+v", c.Changed, c.Directions[i], c.Directions[i].Before)
	}
	l.now = l.now.Add(48 * time.Hour)
	add(t, l.s, []series.Input{input("new.png", picture(t, 1000))})
	if c, err = l.s.Compass(t.Context(), "ada"); err != nil || c.Evidence.ImagesNew != 1 || c.Evidence.AgeDays < 2 {
		t.Errorf("evidence %+v, %v", c.Evidence, err)
	}
}

// Nobody's judgments are no error for a compass, and one for a ranking.
func TestTasteOfNobody(t *testing.T) {
	l := newLiking(t, 4, "warmth")
	if _, err := l.s.Personal(t.Context(), "ada"); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("a ranking without judgments: %v", err)
	}
	c, err := l.s.Compass(t.Context(), "ada")
	if err != nil || c.Reward.Accepted || !strings.Contains(c.Reason, "compared nothing") {
		t.Errorf("%+v, %v", c, err)
	}
	text, err := json.Marshal(c)
	if err != nil || !strings.Contains(string(text), `"directions":[]`) || !strings.Contains(string(text), `"changed":[]`) {
		t.Errorf("%s, %v", text, err)
	}
}
