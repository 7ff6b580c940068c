package series_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
)

// repeating returns n pictures; from the 26th on every fifth has the pixels of
// the one three before it.
func repeating(t *testing.T, n int) []series.Input {
	t.Helper()
	var out []series.Input
	for i := range n {
		data := showing(t, i%8, uint64(i+1))
		if i >= 25 && i%5 == 0 {
			data = append(showing(t, (i-3)%8, uint64(i-2)), "again"...)
		}
		out = append(out, input(fmt.Sprintf("%02d.png", i), data))
	}
	return out
}

// nearestByHand returns the nearest earlier image of each place and its distance,
// by comparing every pair of stored vectors.
func nearestByHand(t *testing.T, l *lab, db *store.DB, name string) map[int64]assay.Neighbour {
	t.Helper()
	in, err := l.tools.Find("dreamsim-dino")
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		image  assay.Digest
		vector []float32
	}
	var rows []row
	out := map[int64]assay.Neighbour{}
	err = db.Embeddings(t.Context(), name, in.Identity(), func(seq int64, image assay.Digest, v []float32) error {
		n := assay.Neighbour{Value: math.Inf(1)}
		for _, r := range rows {
			d, err := in.Apart(r.vector, v)
			if err != nil {
				return err
			}
			if d < n.Value-1e-12 {
				n = assay.Neighbour{Nearest: r.image, Value: d}
			}
		}
		rows = append(rows, row{image, v})
		out[seq] = n
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// byDreamSim returns the neighbours that were recorded by that distance.
func byDreamSim(t *testing.T, db *store.DB, name string) map[int64]assay.Neighbour {
	t.Helper()
	out := map[int64]assay.Neighbour{}
	err := db.Neighbours(t.Context(), name, func(n assay.Neighbour) error {
		if n.Instrument == "dreamsim-dino" {
			out[n.Seq] = n
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sameNeighbours(t *testing.T, got, want map[int64]assay.Neighbour) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d neighbours, want %d", len(got), len(want))
	}
	for seq, w := range want {
		g := got[seq]
		if seq > 1 && (g.Nearest != w.Nearest || math.Abs(g.Value-w.Value) > 1e-9) || seq == 1 && !g.Nearest.IsZero() {
			t.Errorf("place %d: nearest %s at %g, want %s at %g", seq, g.Nearest.Short(), g.Value, w.Nearest.Short(), w.Value)
		}
	}
}

// A distance with vectors of its own finds the nearest image exactly, sets the
// diversity gate's threshold, and looks at each image once.
func TestDiversityByVectors(t *testing.T) {
	l := newLab(t, nn.Float32, nil, "dreamsim-dino")
	db := openStore(t)
	s := l.open(t, db, "test", series.Options{Workers: 3})
	list := repeating(t, 40)
	results := add(t, s, list)
	if runs, want := l.runs()["dreamsim-dino/vision"], 40+24*series.VariantsPerImage; runs != want {
		t.Errorf("the tower ran %d times for 40 images and the variants of 24, want %d", runs, want)
	}
	sameNeighbours(t, byDreamSim(t, db, "test"), nearestByHand(t, l, db, "test"))
	th, ok := thresholdOf(t, db, "test", "diversity")
	if !ok || th.Instrument != "dreamsim-dino" {
		t.Fatalf("threshold %+v", th)
	}
	for i, r := range results {
		g := gateOf(t, r.Gates, "diversity")
		repeats := i >= 25 && i%5 == 0
		if repeats && (g.Verdict != assay.Fail || g.Reading.Ref != results[i-3].Digest || math.Abs(g.Reading.Value) > 1e-9) {
			t.Errorf("%s repeats %s: %+v", r.Path, results[i-3].Path, g)
		}
		if i > 0 && g.Reading.Instrument != "dreamsim-dino" {
			t.Errorf("%s was compared by %s", r.Path, g.Reading.Instrument)
		}
	}
}

// A better distance that comes later knows the images that came before it: what
// repeats one of them is found, before and after the first thresholds.
func TestDistanceComesLater(t *testing.T) {
	l := newLab(t, nn.Float32, nil, "dreamsim-dino")
	db, list := openStore(t), repeating(t, 30)
	add(t, l.open(t, db, "test", series.Options{}, "dreamsim-dino"), list[:10])
	s := l.open(t, db, "test", series.Options{})
	again := input("again.png", append(must(list[2].Read()), "again"...))
	results := add(t, s, append([]series.Input{again}, list[10:]...))
	g := gateOf(t, results[0].Gates, "diversity")
	if g.Reading == nil || g.Reading.Instrument != "dreamsim-dino" || math.Abs(g.Reading.Value) > 1e-9 || g.Verdict != assay.Fail {
		t.Errorf("a repeat of an image from before: %+v", g)
	}
	sameNeighbours(t, byDreamSim(t, db, "test"), nearestByHand(t, l, db, "test"))
	if runs, want := l.runs()["dreamsim-dino/vision"], 31+24*series.VariantsPerImage; runs != want {
		t.Errorf("the tower ran %d times for 31 images and the variants of 24, want %d", runs, want)
	}
	// And it goes away again: the gate says so and passes nothing.
	poor := l.open(t, db, "test", series.Options{}, "dreamsim-dino")
	r := add(t, poor, []series.Input{input("new.png", showing(t, 3, 777))})[0]
	if g := gateOf(t, r.Gates, "diversity"); g.Verdict != assay.Abstain {
		t.Errorf("without the threshold's instrument: %+v", g)
	}
	if problems := db.Check(t.Context()); len(problems) > 0 {
		t.Errorf("the store is not whole: %v", problems)
	}
}

// Runs that are cut anywhere and taken up again end as one that was not, and no
// tower looks twice at what was recorded.
func TestTowersAreDeterministic(t *testing.T) {
	l := newLab(t, nn.Float32, nil, "clip-score", "style-openai", "style-artness-openai", "dreamsim-dino")
	list := l.prompted(t, 32, things(6)...)
	want := add(t, l.open(t, openStore(t), "test", series.Options{Workers: 1}), list)
	once := l.runs()
	for _, at := range []int{3, 25, 31} {
		db := openStore(t)
		s := l.open(t, db, "test", series.Options{Workers: 2})
		cut(t, s, list, at)
		if diff := cmp.Diff(want, add(t, s, list), sameRun...); diff != "" {
			t.Errorf("cut at %d: -alone +cut:\n%s", at, diff)
		}
		runs := l.runs()
		for _, tower := range []string{"clip-vit-l14/vision", "dreamsim-dino/vision"} {
			// At the cut, what was in work is lost, and controls may be half done.
			if lost := runs[tower] - once[tower]; lost < 0 || lost > 4+24*series.VariantsPerImage {
				t.Errorf("cut at %d: %s ran %d times, uncut %d", at, tower, runs[tower], once[tower])
			}
		}
		if lost := runs["clip-vit-l14/vision"] - once["clip-vit-l14/vision"]; lost > 4 {
			t.Errorf("cut at %d: the tower looked at %d images again", at, lost)
		}
		if diff := cmp.Diff(want, add(t, s, list), sameRun...); diff != "" {
			t.Errorf("cut at %d, twice: -alone +again:\n%s", at, diff)
		}
	}
}

// A store that cannot tell what towers saw ends the run; it is no fault of the
// image.
func TestEmbeddingsCannotBeRead(t *testing.T) {
	l := newLab(t, nn.Float32, nil, "clip-score")
	s, err := series.Open(t.Context(), "test", forgetful{openStore(t)}, l.tools, series.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Add(t.Context(), slices.Values(l.prompted(t, 2, "a cat")), func(r series.Result) error {
		t.Errorf("told %+v", r)
		return nil
	})
	if !errors.Is(err, errBroken) {
		t.Errorf("the run ended with %v, want the store's error", err)
	}
}

type forgetful struct{ *store.DB }

func (forgetful) ImageEmbeddings(context.Context, assay.Digest) ([]assay.Embedding, error) {
	return nil, errBroken
}
