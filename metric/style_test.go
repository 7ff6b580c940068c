package metric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/weights"
)

// TestStyleClasses: the 27 styles of the WikiArt split, each with captions of
// its own.
func TestStyleClasses(t *testing.T) {
	classes := styleClasses()
	if len(classes) != 27 || len(StyleNames()) != 27 {
		t.Fatalf("%d styles, want 27", len(classes))
	}
	seen, merged := map[string]string{}, map[string]bool{}
	for _, c := range classes {
		merged[c.merged] = true
		if len(c.prompts()) < 6 {
			t.Errorf("%s has %d captions", c.name, len(c.prompts()))
		}
		for _, p := range append(c.prompts(), c.name) {
			if seen[p] != "" {
				t.Errorf("%q says both %s and %s", p, seen[p], c.name)
			}
			seen[p] = c.name
		}
	}
	if len(merged) != 19 {
		t.Errorf("%d merged classes, want 19: 27 less two Cubisms, three Renaissances, two Realisms and Action painting", len(merged))
	}
}

// TestStyleMaths: posteriors, entropies and margins whose values are known in
// closed form.
func TestStyleMaths(t *testing.T) {
	const n = 27
	same := styleOf(make([]float64, n), styleTemperature)
	if same.Entropy != 1 || same.Merged >= 1 || same.Margin != 0 {
		t.Errorf("all alike: %+v", same)
	}
	near(t, "effective styles, all alike", same.Effective, n, 1e-9)

	one := make([]float64, n)
	one[4] = 1e6
	sure := styleOf(one, styleTemperature)
	if sure.Entropy != 0 || sure.Effective != 1 || sure.Margin != 1 || sure.Posterior[4] != 1 || sure.Merged != 0 {
		t.Errorf("one style: %+v", sure)
	}

	// Two styles at odds 3:1, the others out of reach.
	two := slices.Repeat([]float64{-1000}, n)
	two[0], two[26] = 0, -styleTemperature*math.Log(3)
	s := styleOf(two, styleTemperature)
	h := -(0.75*math.Log(0.75) + 0.25*math.Log(0.25))
	near(t, "entropy of 3:1", s.Entropy, h/math.Log(n), 1e-12)
	near(t, "effective styles of 3:1", s.Effective, math.Exp(h), 1e-12)
	near(t, "margin of 3:1", s.Margin, 0.5, 1e-12)
	near(t, "merged entropy of 3:1", s.Merged, h/math.Log(19), 1e-12)
	top := s.Top(2)
	if len(top) != 2 || top[0].Name != StyleNames()[0] || top[1].Name != StyleNames()[26] || math.Abs(top[0].Share-0.75) > 1e-12 {
		t.Errorf("top two: %+v", top)
	}
	if len(s.Top(100)) != n || len(s.Top(-1)) != 0 {
		t.Error("Top does not keep within the styles")
	}

	// The three Cubisms alike are one style once merged.
	cubes := slices.Repeat([]float64{-1000}, n)
	cubes[2], cubes[7], cubes[25] = 0, 0, 0
	c := styleOf(cubes, styleTemperature)
	near(t, "three Cubisms", c.Entropy, math.Log(3)/math.Log(n), 1e-12)
	near(t, "three Cubisms, merged", c.Merged, 0, 1e-12)

	// Neither a constant added to all scores nor their order changes the
	// entropy; a temperature is a scale.
	scores := make([]float64, n)
	for i := range scores {
		scores[i] = 0.2 + 0.03*math.Sin(float64(i)*2.1)
	}
	a := styleOf(scores, styleTemperature)
	moved := slices.Clone(scores)
	slices.Reverse(moved)
	for i := range moved {
		moved[i] = (moved[i] + 0.5) * 3
	}
	near(t, "shifted, reversed, scaled with the temperature", styleOf(moved, 3*styleTemperature).Entropy, a.Entropy, 1e-12)
	if hot := styleOf(scores, 1); !(hot.Entropy > a.Entropy && a.Entropy > styleOf(scores, 1e-4).Entropy) {
		t.Error("entropy does not rise with the temperature")
	}
	total := 0.0
	for _, p := range a.Posterior {
		total += p
	}
	near(t, "sum of the posterior", total, 1, 1e-12)
	if math.Abs(math.Exp(a.Entropy*math.Log(n))-a.Effective) > 1e-9 {
		t.Errorf("effective styles %v do not follow from the entropy %v", a.Effective, a.Entropy)
	}
}

// TestStyleBank: taking the neutral direction out is projecting the classes.
func TestStyleBank(t *testing.T) {
	direction := func(x ...float64) []float64 {
		size := math.Sqrt(dot(x, x))
		for i := range x {
			x[i] /= size
		}
		return x
	}
	b := &styleBank{neutral: direction(1, 1, 0, 0), art: direction(1, 0, 0, 0), other: direction(0, 0, 0, 1),
		classes: [][]float64{direction(1, 1, 1, 0), direction(3, 1, 0, 1), direction(1, 1, 0, 0)}}
	for _, c := range b.classes {
		b.bias = append(b.bias, dot(c, b.neutral))
	}
	v := direction(0.4, 0.1, 0.7, -0.2)
	got := b.scores(v)
	for k, c := range b.classes {
		want := 0.0
		for i := range v {
			want += v[i] * (c[i] - dot(c, b.neutral)*b.neutral[i])
		}
		near(t, fmt.Sprint("class ", k), got[k], want, 1e-12)
	}
	near(t, "a class that is neutral itself", got[2], 0, 1e-12)
	near(t, "artness", b.artness(v), 1/(1+math.Exp(-100*(v[0]-v[3]))), 1e-12)
	near(t, "artness between the two", b.artness(direction(1, 0, 0, 1)), 0.5, 1e-12)
	if low := b.artness(direction(0, 0, 0, 1)); !(low >= 0 && low < 1e-40) {
		t.Errorf("artness of what is no art: %v", low)
	}
}

// tinyStyles are the four style instruments' two kinds on a tiny tower.
func tinyStyles() (style, art towerInstrument) {
	row := tinyRow("tiny")
	style = styleEntropy("style", "laion-h14")
	style.spec.Models = []string{"tiny", vocabularyModel}
	style.open = func(ctx context.Context, s *stand) error { return s.styleEntropy(ctx, row) }
	art = artnessOn("style-artness", "laion-h14", row)
	art.spec.Models = style.spec.Models
	return style, art
}

// TestStyleInstruments: both read the captions once, and what they give fits
// together.
func TestStyleInstruments(t *testing.T) {
	e := &countingEngine{t: t}
	towers := NewTowers(tinyCache(t, "tiny"), e, TowerOptions{})
	s, a := tinyStyles()
	style, art := towers.mustOpen(t, s), towers.mustOpen(t, a)
	defer style.Close()
	defer art.Close()
	p := tinyPicture()
	r, err := style.Measure(t.Context(), p)
	if err != nil || r.Value <= 0 || r.Value >= 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	read := e.textRuns.Load()
	captions := map[string]bool{}
	for _, c := range slices.Concat(neutralPrompts(), artPrompts(), otherPrompts()) {
		captions[c] = true
	}
	if want := int64(len(captions) + 27*8); read != want {
		t.Errorf("%d captions read, want %d", read, want)
	}
	all, err := style.Style(t.Context(), p)
	if err != nil || all.Entropy != r.Value || len(all.Posterior) != 27 {
		t.Errorf("%+v, %v; measured %v", all, err, r.Value)
	}
	g, err := art.Measure(t.Context(), p)
	if err != nil || g.Value < 0 || g.Value > 1 {
		t.Errorf("%+v, %v", g, err)
	}
	if e.textRuns.Load() != read || e.visionRuns.Load() != 1 {
		t.Errorf("%d captions and %d pictures were read again", e.textRuns.Load()-read, e.visionRuns.Load()-1)
	}
	if _, err := art.Style(t.Context(), p); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("styles of the guard: %v", err)
	}
}

// writeProbe writes a linear probe for the tiny tower.
func writeProbe(t *testing.T, meta map[string]string, f func(n, i int) float32, shape ...int) string {
	t.Helper()
	return writeTensors(t, meta, f, weights.TensorSpec{Name: "bias", Shape: shape[:1]}, weights.TensorSpec{Name: "weight", Shape: shape})
}

// TestStyleProbe: a probe's posterior is the softmax of W·v/|v| + b; any
// mismatch is refused.
func TestStyleProbe(t *testing.T) {
	e, cache := &countingEngine{t: t}, tinyCache(t, "tiny")
	s, _ := tinyStyles()
	zeroShot := NewTowers(cache, e, TowerOptions{}).mustOpen(t, s)
	defer zeroShot.Close()
	tower := zeroShot.TowerIdentities()[0]
	classes, _ := json.Marshal(StyleNames())
	meta := func(changes ...string) map[string]string {
		m := map[string]string{"classes": string(classes), "temperature": "0.5", "embedding_model_sha256": tower.Checkpoint, "data_licence": "made up"}
		for i := 0; i < len(changes); i += 2 {
			m[changes[i]] = changes[i+1]
		}
		return m
	}
	open := func(path string) (*Instrument, error) {
		return NewTowers(cache, e, TowerOptions{StyleProbe: path}).openTowered(t.Context(), s)
	}
	in, err := open(writeProbe(t, meta(), wave, 27, tinyDim))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if id := in.Identity(); id.Checkpoint == zeroShot.Checkpoint || id.Preparation == zeroShot.Preparation || !strings.Contains(id.Preparation, "probe") {
		t.Errorf("the probe does not show in the identity %+v", id)
	}
	p := tinyPicture()
	got, err := in.Style(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := in.Embeddings(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	v, sum := unit(raw[0].Vector), 0.0
	odds := make([]float64, 27)
	for k := range odds {
		x := float64(wave(0, k))
		for i := range v {
			x += float64(wave(1, k*tinyDim+i)) * v[i]
		}
		odds[k] = math.Exp(x / 0.5)
		sum += odds[k]
	}
	for k := range odds {
		near(t, "probability of "+StyleNames()[k], got.Posterior[k], odds[k]/sum, 1e-12)
	}

	swapped := StyleNames()
	swapped[0], swapped[1] = swapped[1], swapped[0]
	order, _ := json.Marshal(swapped)
	inf := func(int, int) float32 { return float32(math.Inf(1)) }
	for name, path := range map[string]string{
		"26 styles":        writeProbe(t, meta(), wave, 26, tinyDim),
		"another width":    writeProbe(t, meta(), wave, 27, tinyDim+1),
		"another order":    writeProbe(t, meta("classes", string(order)), wave, 27, tinyDim),
		"no classes":       writeProbe(t, meta("classes", ""), wave, 27, tinyDim),
		"no temperature":   writeProbe(t, meta("temperature", "0"), wave, 27, tinyDim),
		"a word":           writeProbe(t, meta("temperature", "warm"), wave, 27, tinyDim),
		"NaN temperature":  writeProbe(t, meta("temperature", "NaN"), wave, 27, tinyDim),
		"another tower's":  writeProbe(t, meta("embedding_model_sha256", strconv.Itoa(1)), wave, 27, tinyDim),
		"infinite weights": writeProbe(t, meta(), inf, 27, tinyDim),
		"another file":     writeTensors(t, meta(), wave, weights.TensorSpec{Name: "head", Shape: []int{27, tinyDim}}),
	} {
		if _, err := open(path); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "probe") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := open("missing.safetensors"); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("a missing probe: %v", err)
	}
}

// FuzzProbe: whatever the metadata says, a probe is usable or refused.
func FuzzProbe(f *testing.F) {
	classes, _ := json.Marshal(StyleNames())
	f.Add(string(classes), "0.5", "abc")
	f.Add("[]", "-1", "")
	f.Add(string(classes), "1e-320", "abc")
	f.Fuzz(func(t *testing.T, classes, temperature, model string) {
		if !utf8.ValidString(classes + temperature + model) {
			return // safetensors headers are JSON
		}
		meta := map[string]string{"classes": classes, "temperature": temperature, "embedding_model_sha256": model}
		c := tensorsFile(t, meta, wave, weights.TensorSpec{Name: "bias", Shape: []int{27}}, weights.TensorSpec{Name: "weight", Shape: []int{27, 3}})
		p, err := probeOf(c, "abc", 3)
		if err != nil {
			if !errors.Is(err, assay.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		if s := styleOf(p.scores([]float64{1, 0, 0}), p.temperature); !(s.Entropy >= 0 && s.Entropy <= 1) {
			t.Fatalf("entropy %v at temperature %v", s.Entropy, p.temperature)
		}
	})
}
