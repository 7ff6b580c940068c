package series_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
	"github.com/gen-emerge/assay/taste"
)

// A version that is kept gives axes: the map is cut along its coordinates, and
// images that come later have their place at once.
func TestLearnedAxes(t *testing.T) {
	db := openStore(t)
	s := openSeries(t, db, series.Options{})
	all := gallery(t, 26)
	add(t, s, all[:24])
	ctx := t.Context()
	if _, err := s.LearnAxes(ctx, "me", false); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("without answers: %v", err)
	}
	if _, err := s.Rebin(ctx, series.RebinOptions{Learned: 1}); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("a version that is none: %v", err)
	}
	id, first := embeddingOf(t, s, db)
	weights := make([][]float64, 2)
	for k := range weights {
		weights[k] = make([]float64, len(first))
		weights[k][k] = 1
	}
	body, err := json.Marshal(series.LearnedAxes{Rater: "me", Identity: id, Map: &taste.Map{Weights: weights, Offset: []float64{0, 0}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.PutNote(ctx, assay.Note{Series: "test", Judge: assay.Judge{Name: "me"}, Kind: series.AxesNote, Body: body}); err != nil {
		t.Fatal(err)
	}
	dry, err := s.Rebin(ctx, series.RebinOptions{Learned: 1, DryRun: true})
	if err != nil || len(dry.Axes) != 2 || dry.Axes[1].Descriptor != "learned@1/2" || dry.Moved == 0 {
		t.Fatalf("%+v, %v", dry, err)
	}
	if viewOf(t, s).Grid.Axes[0].Descriptor != "warmth" {
		t.Error("a dry run changed the map")
	}
	if _, err := s.Rebin(ctx, series.RebinOptions{Learned: 1}); err != nil {
		t.Fatal(err)
	}
	add(t, s, all[24:])
	view := viewOf(t, s)
	if view.Grid.Axes[0].Descriptor != "learned@1/1" || len(view.Unplaced()) != 0 || view.Images() != 26 {
		t.Errorf("axes %+v, %d unplaced of %d", view.Grid.Axes, len(view.Unplaced()), view.Images())
	}
	again := openSeries(t, db, series.Options{})
	if v := viewOf(t, again); !slices.EqualFunc(v.Archive.Elites(), view.Archive.Elites(), func(a, b archive.Member) bool { return a.Image == b.Image }) {
		t.Error("a view of its own has other elites than one that images were added to")
	}
	if doc := series.AxisDoc("learned@3/1"); doc == "" || series.AxisDoc("learned@0/1") != "" || series.AxisDoc("warmth") != "" {
		t.Errorf("learned@3/1 is told as %q", doc)
	}
}

// Answers by somebody who sees what the untrained embedding does not weigh are
// learned from; answers at random are not, and nothing is kept.
func TestLearnAxes(t *testing.T) {
	db := openStore(t)
	s := openSeries(t, db, series.Options{})
	add(t, s, gallery(t, 26))
	ctx := t.Context()
	var ids []assay.Digest
	entries, err := db.Entries(ctx, "test", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		ids = append(ids, e.Image)
	}
	rng := rand.New(rand.NewPCG(4, 4))
	at := time.Now()
	for range 45 {
		p := rng.Perm(len(ids))
		q := assay.Triplet{Series: "test", Rater: "coin", Images: [3]assay.Digest{ids[p[0]], ids[p[1]], ids[p[2]]}, Odd: rng.IntN(3), Asked: at, Answered: at}
		if _, err := db.PutTriplet(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.LearnAxes(ctx, "coin", false)
	if err != nil || got.Version != 0 || got.Trial.Accepted || got.Trial.Reason == "" || got.Triplets != 45 {
		t.Errorf("a coin: %+v, %v", got, err)
	}
	if versions, err := s.LearnedVersions(ctx); err != nil || len(versions) != 0 {
		t.Errorf("kept: %+v, %v", versions, err)
	}
}

// embeddingOf returns the identity and one vector of the embedding that axes are
// learned over.
func embeddingOf(t *testing.T, s *series.Series, db *store.DB) (id assay.Identity, first []float32) {
	t.Helper()
	d, err := s.Diagnose(t.Context(), series.DiagnoseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Embeddings(t.Context(), "test", d.By, func(_ int64, _ assay.Digest, v []float32) error {
		first = slices.Clone(v)
		return nil
	})
	if err != nil || first == nil {
		t.Fatalf("no embedding by %s: %v", d.By.Instrument, err)
	}
	return d.By, first
}
