package metric

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

// towersAlone are instruments on networks whose look at a picture is no vector by
// itself, because text takes part in it.
var towersAlone = []string{"imagereward"}

// TestFeatureCatalogue: every row says what it is, once, and models are in the
// manifest.
func TestFeatureCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range FeatureCatalogue() {
		if seen[s.Name] {
			t.Errorf("two rows %s", s.Name)
		}
		seen[s.Name] = true
		if s.Version < 1 || s.Dim < 1 || s.MinSide < 1 || s.Preparation == "" || s.Doc == "" || s.Source == "" || s.Agreement == "" {
			t.Errorf("%s is not described: %+v", s.Name, s)
		}
		if s.Space != Euclidean && s.Space != Cosine {
			t.Errorf("%s: space %q", s.Name, s.Space)
		}
		if s.Graph == (len(s.Models) == 0) {
			t.Errorf("%s: graph %v, models %v", s.Name, s.Graph, s.Models)
		}
		if in, ok := Find(s.Name); ok && in.Space != "" && in.Space != s.Space {
			t.Errorf("%s: space %s of the features, %s of the instrument", s.Name, s.Space, in.Space)
		}
	}
	for _, s := range Catalogue() { // an embedding is always a row
		if s.Space != "" && !seen[s.Name] {
			t.Errorf("%s has an embedding and no features", s.Name)
		}
	}
	for _, c := range towered() { // who stands on one tower says which
		if c.towers == nil && (c.spec.Kind == OfImage || c.spec.Kind == OfPrompt) && !slices.Contains(towersAlone, c.spec.Name) {
			t.Errorf("%s lists no towers, so they are no features: add towers: on(row), or a name to towersAlone", c.spec.Name)
		}
	}
	for name, dim := range map[string]int{"layout": 176, "dreamsim": 768 + 512 + 512, "dreamsim-dino-patch": 1536, "clip-score": 768, "clip-l14-336-square": 768} {
		if s, ok := FindFeatures(name); !ok || s.Dim != dim {
			t.Errorf("%s: %d numbers, want %d", name, s.Dim, dim)
		}
	}
	if _, ok := FindFeatures("niqe"); ok {
		t.Error("niqe has no features")
	}
}

// TestFeaturesOfAFormula: what OpenFeatures returns embeds and measures nothing.
func TestFeaturesOfAFormula(t *testing.T) {
	in, err := NewTowers(nil, nil, TowerOptions{}).OpenFeatures(t.Context(), "layout")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p := tinyPicture()
	v, err := in.Embed(t.Context(), p)
	if err != nil || len(v) != layoutDim {
		t.Fatalf("%d numbers, %v", len(v), err)
	}
	plain, err := OpenFormula("layout")
	if err != nil {
		t.Fatal(err)
	}
	want, err := plain.Embed(t.Context(), p)
	if err != nil || !slices.Equal(v, want) {
		t.Errorf("the features are not the instrument's embedding (%v)", err)
	}
	if in.Kind != OfFeatures || in.Identity().Instrument != "layout" || !in.Embeds() {
		t.Errorf("kind %s, identity %+v", in.Kind, in.Identity())
	}
	_, measured := in.Measure(t.Context(), p)
	_, compared := in.Distance(t.Context(), p, p)
	_, prompted := in.MeasurePrompt(t.Context(), p, "a cat")
	_, styled := in.Style(t.Context(), p)
	for _, err := range []error{measured, compared, prompted, styled} {
		if !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("features were read: %v", err)
		}
	}
}

// TestFeaturesThatAreNone: names that are no row are told from those that are
// near one, and missing models are told from missing rows.
func TestFeaturesThatAreNone(t *testing.T) {
	for _, c := range []struct {
		name, says string
		want       error
	}{
		{"niqe", "no embedding", assay.ErrNotFound},
		{"clip-l14-336-squar", `did you mean "clip-l14-336-square"`, assay.ErrNotFound},
		{"clip-l14-336-square", "nowhere to find models", assay.ErrUnavailable},
		{"clip-score", "nowhere to find models", assay.ErrUnavailable},
		{"dreamsim", "nowhere to find models", assay.ErrUnavailable},
	} {
		_, err := NewTowers(nil, nil, TowerOptions{}).OpenFeatures(t.Context(), c.name)
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
	if _, err := NewTowers(nil, nil, TowerOptions{}).Open(t.Context(), "inception-tf"); !errors.Is(err, assay.ErrNotFound) || !strings.Contains(fmt.Sprint(err), "row of features") {
		t.Errorf("features asked for as an instrument: %v", err)
	}
	_, err := NewTowers(tinyCache(t), nil, TowerOptions{}).OpenFeatures(t.Context(), "clip-score")
	if !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), "engine") {
		t.Errorf("without an engine: %v", err)
	}
}

// TestTowerFeatures: the features of a tower are its embedding, under the tower's
// preparation and checkpoint, and share its network with instruments.
func TestTowerFeatures(t *testing.T) {
	e := &countingEngine{t: t}
	towers := NewTowers(tinyCache(t, "tiny"), e, TowerOptions{})
	c := tinyInstrument("a", "tiny")
	scored := towers.mustOpen(t, c)
	spec := towerFeatures(c.spec, tinyRow("tiny"))
	in := towers.mustOpen(t, tinyRow("tiny").features(spec))
	p := tinyPicture()
	v, err := in.Embed(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	all, err := scored.Embeddings(t.Context(), p)
	if err != nil || !slices.Equal(v, all[0].Vector) || e.visionRuns.Load() != 1 {
		t.Errorf("%v; features %v, the tower's embedding %v, %d runs", err, v, all[0].Vector, e.visionRuns.Load())
	}
	v[0]++ // the caller's
	if again, _ := in.Embed(t.Context(), p); again[0] == v[0] {
		t.Error("the vector is not the caller's own")
	}
	id := in.Identity()
	if id.Instrument != "a" || id.Checkpoint != all[0].Checkpoint || id.Preparation != all[0].Preparation || !id.Synthetic {
		t.Errorf("identity %+v, the tower's %+v", id, all[0].Identity)
	}
	if err := errors.Join(in.Close(), scored.Close(), towers.Close()); err != nil || e.openNow.Load() != 0 {
		t.Errorf("closing: %v, %d open", err, e.openNow.Load())
	}
}
