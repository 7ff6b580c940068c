package metric

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/weights"
)

func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Catalogue() {
		if seen[s.Name] {
			t.Errorf("%s is listed twice", s.Name)
		}
		seen[s.Name] = true
		if s.Name != strings.ToLower(s.Name) || s.Version < 1 || s.Preparation == "" || s.Source == "" || s.Agreement == "" ||
			!strings.HasSuffix(s.Doc, ".") || !(s.Lo < s.Hi) || s.Better == "" || s.Kind == "" || s.Graph && len(s.Models) == 0 {
			t.Errorf("%s does not say what it is: %+v", s.Name, s)
		}
		got, ok := Find(s.Name)
		if !ok || got.Name != s.Name {
			t.Errorf("Find(%q) = %v, %v", s.Name, got.Name, ok)
		}
		in, err := OpenFormula(s.Name)
		switch {
		case len(s.Models) == 0 && err != nil:
			t.Errorf("OpenFormula: %v", err)
		case len(s.Models) > 0 && !errors.Is(err, assay.ErrInvalid):
			t.Errorf("OpenFormula(%q) of a model: %v", s.Name, err)
		case len(s.Models) == 0:
			id := in.Identity()
			want := assay.Identity{Instrument: s.Name, Version: s.Version, Preparation: s.Preparation, Runtime: "go"}
			if id != want {
				t.Errorf("identity %+v, want %+v", id, want)
			}
		}
	}
	if _, ok := Find("beauty"); ok {
		t.Error("Find invents instruments")
	}
}

func TestSuggest(t *testing.T) {
	for wrong, want := range map[string]string{
		"sharpnes": "sharpness", "nqie": "niqe", "brisqe": "brisque", "SYMMETRY_LR": "symmetry-lr", "edge": "edge-density",
		"colorfulness": "colourfulness", "blockyness": "blockiness",
	} {
		got := Suggest(wrong)
		if len(got) == 0 || got[0] != want {
			t.Errorf("Suggest(%q) = %q, want %q first", wrong, got, want)
		}
		_, err := Open(t.Context(), wrong, nil, nil)
		if !errors.Is(err, assay.ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q): %v", wrong, err)
		}
	}
	for _, wrong := range []string{"", "   ", "inception-score-of-a-kind", strings.Repeat("x", 5000)} {
		if got := Suggest(wrong); len(got) != 0 {
			t.Errorf("Suggest(%.20q) = %q, want nothing", wrong, got)
		}
	}
}

func TestWrongKind(t *testing.T) {
	p := NewPicture(scene(20, 20, 1, 1))
	in, err := OpenFormula("entropy")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Distance(t.Context(), p, p); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("distance by entropy: %v", err)
	}
	if _, err := in.Embed(t.Context(), p); !errors.Is(err, assay.ErrInvalid) || in.Embeds() {
		t.Errorf("embedding by entropy: %v", err)
	}
	layout := openLayout()
	if _, err := layout.Measure(t.Context(), p); !errors.Is(err, assay.ErrInvalid) || !layout.Embeds() {
		t.Errorf("layout of one picture: %v", err)
	}
	if err := errors.Join(in.Close(), layout.Close()); err != nil {
		t.Error(err)
	}
}

// A number that is none, or outside what the Spec promises, is not a reading.
func TestUnfitNumbersAreErrors(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -0.5, 1.5} {
		in := &Instrument{Spec: Spec{Name: "made-up", Kind: OfImage, Lo: 0, Hi: 1},
			measure: func(context.Context, *Picture) (float64, []string, error) { return v, nil, nil }}
		if r, err := in.Measure(t.Context(), NewPicture(scene(8, 8, 1, 1))); err == nil {
			t.Errorf("%v became a reading: %+v", v, r)
		}
	}
	in := &Instrument{Spec: Spec{Name: "made-up", Kind: OfPair},
		embed: func(context.Context, *Picture) ([]float32, error) { return []float32{1, float32(math.NaN())}, nil }}
	if _, err := in.Embed(t.Context(), NewPicture(scene(8, 8, 1, 1))); err == nil {
		t.Error("NaN became an embedding")
	}
}

func TestCancelledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := NewPicture(scene(20, 20, 1, 1))
	in, _ := OpenFormula("entropy")
	layout := openLayout()
	_, first := in.Measure(ctx, p)
	_, second := layout.Distance(ctx, p, p)
	_, third := layout.Embed(ctx, p)
	for _, err := range []error{first, second, third} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after cancelling: %v", err)
		}
	}
}

// The caller owns what Embed returns.
func TestEmbeddingIsACopy(t *testing.T) {
	p := NewPicture(scene(20, 20, 1, 1))
	v, err := openLayout().Embed(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	clear(v)
	again, _ := openLayout().Embed(t.Context(), p)
	if slices.Equal(v, again) {
		t.Error("changing an embedding changed the picture's")
	}
}

// What a picture derives is shared by goroutines; run with -race.
func TestConcurrentMeasuring(t *testing.T) {
	p := NewPicture(scene(96, 80, 1, 30))
	var wg sync.WaitGroup
	for range 4 {
		for _, f := range formulas() {
			wg.Go(func() {
				in, _ := OpenFormula(f.spec.Name)
				a, err := in.Measure(t.Context(), p)
				b, _ := in.Measure(t.Context(), NewPicture(p.Image))
				if err != nil || a.Value != b.Value {
					t.Errorf("%s: %v together, %v alone, %v", f.spec.Name, a.Value, b.Value, err)
				}
			})
		}
		wg.Go(func() {
			if _, err := openLayout().Embed(t.Context(), p); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// files is a Models with one file for every model.
type files map[string]string

func (f files) Files(model string) (map[string]string, error) {
	if len(f) == 0 {
		return nil, assay.ErrUnavailable
	}
	return f, nil
}

func (files) Prepare(context.Context, []string, string, int, func(map[string]map[string]string) ([]weights.Piece, error)) (weights.Prepared, error) {
	return weights.Prepared{}, errors.New("no formula or small model is prepared")
}

func (files) Synthetic(string) bool { return false }

func TestOpenRefusesWrongModels(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	narrow := "svm_type epsilon_svr\nkernel_type rbf\ngamma 0.05\nnr_class 2\ntotal_sv 1\nrho 1\nSV\n1 1:1 2:1\n"
	for _, c := range []struct {
		name   string
		models Models
		want   error
	}{
		{"niqe", nil, assay.ErrUnavailable},
		{"niqe", files{}, assay.ErrUnavailable},
		{"niqe", files{"a": write("a", "x"), "b": write("b", "y")}, assay.ErrInvalid},
		{"niqe", files{"a": write("text", "not a checkpoint")}, assay.ErrInvalid},
		{"niqe", files{"a": filepath.Join(dir, "missing")}, assay.ErrNotFound},
		{"brisque", files{"a": write("text", "not a checkpoint")}, assay.ErrInvalid},
		{"brisque", files{"a": write("narrow", narrow)}, assay.ErrInvalid},
		{"brisque", files{"a": filepath.Join(dir, "missing")}, os.ErrNotExist},
	} {
		in, err := Open(t.Context(), c.name, c.models, nil)
		if !errors.Is(err, c.want) {
			t.Errorf("%s from %v: %v, %v; want %v", c.name, c.models, in, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), c.name) {
			t.Errorf("error does not name the instrument: %v", err)
		}
	}
	for _, name := range []string{"lpips-squeeze", "lpips-squeeze-64"} {
		if _, err := Open(t.Context(), name, files{"a": "never read"}, nil); !errors.Is(err, assay.ErrUnavailable) {
			t.Errorf("%s without an engine: %v", name, err)
		}
	}
	in, err := Open(t.Context(), "entropy", nil, nil)
	if err != nil || in.Name != "entropy" {
		t.Errorf("a formula needs no model: %v", err)
	}
}

func unitNIQE() NIQEModel {
	m := NIQEModel{Checkpoint: "made up", Synthetic: true}
	for i := range niqeFeatures {
		m.Covariance[i*niqeFeatures+i] = 1
	}
	return m
}

func TestNIQEModelIsChecked(t *testing.T) {
	if _, err := OpenNIQE(unitNIQE()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*NIQEModel){
		"mean not a number":     func(m *NIQEModel) { m.Mean[3] = math.NaN() },
		"covariance infinite":   func(m *NIQEModel) { m.Covariance[0] = math.Inf(1) },
		"not a number":          func(m *NIQEModel) { m.Covariance[5*niqeFeatures+5] = math.NaN() },
		"not symmetric":         func(m *NIQEModel) { m.Covariance[1] = 0.5 },
		"not positive definite": func(m *NIQEModel) { m.Covariance[7*niqeFeatures+7] = 0 },
	} {
		m := unitNIQE()
		spoil(&m)
		if _, err := OpenNIQE(m); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestQuadratic(t *testing.T) {
	m := unitNIQE()
	for i := range niqeFeatures { // I + 1·1ᵀ, whose inverse is I − 1·1ᵀ/(n + 1)
		for j := range niqeFeatures {
			m.Covariance[i*niqeFeatures+j]++
		}
	}
	var d [niqeFeatures]float64
	sum, squares := 0.0, 0.0
	for i := range d {
		d[i] = float64(i)
		sum += d[i]
		squares += d[i] * d[i]
	}
	got, ok := quadratic(m.Covariance, d)
	if !ok {
		t.Fatal("not positive definite")
	}
	near(t, "quadratic", got, squares-sum*sum/(niqeFeatures+1), 1e-9)
}

// NIQE and BRISQUE refuse what has no statistics, say why, and warn when some
// of the image has none.
func TestNoStatistics(t *testing.T) {
	niqe, err := OpenNIQE(unitNIQE())
	if err != nil {
		t.Fatal(err)
	}
	brisque, err := OpenBRISQUE(&weights.SVR{Gamma: 1, Coef: []float64{1}, SV: [][]float64{make([]float64, brisqueFeatures)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in   *Instrument
		p    *Picture
		want string
	}{
		{niqe, NewPicture(scene(191, 96, 1, 9)), "holds 1 blocks"},
		{niqe, NewPicture(scene(95, 400, 1, 9)), "at least 96"},
		{niqe, NewPicture(colour(300, 300, 120, 90, 80)), "0 of 9 blocks have texture"},
		{brisque, NewPicture(scene(31, 400, 1, 9)), "at least 32"},
		{brisque, NewPicture(colour(64, 64, 0, 0, 0)), "black"},
	} {
		r, err := c.in.Measure(t.Context(), c.p)
		if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want %q", c.in.Name, r.Value, err, c.want)
		}
	}
	half := scene(96, 288, 1, 60)
	clear(half.Pix[:3*96*96])
	r, err := niqe.Measure(t.Context(), NewPicture(half))
	if all := strings.Join(r.Warnings, "\n"); err != nil || len(r.Warnings) != 2 ||
		!strings.Contains(all, "1 of 3 blocks") || !strings.Contains(all, "read from 2 blocks") {
		t.Errorf("a third black: %v, %q, %v", r.Value, r.Warnings, err)
	}
	if r, err := niqe.Measure(t.Context(), NewPicture(scene(4*96, 4*96, 1, 60))); err != nil || len(r.Warnings) != 0 {
		t.Errorf("16 blocks: %q, %v", r.Warnings, err)
	}
	if !r.Synthetic || r.Checkpoint != "made up" {
		t.Errorf("identity is %+v", r.Identity)
	}
}

// Random images of all modes and sizes give a number or a sentence.
func TestStatisticsOfEveryMode(t *testing.T) {
	niqe, err := OpenNIQE(unitNIQE())
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range [][2]int{{32, 32}, {33, 47}, {96, 192}, {193, 97}} {
		for _, img := range modes(newRand(9), size[0], size[1]) {
			p := NewPicture(img)
			x, _, err := brisqueStatistics(t.Context(), p)
			for i, v := range x {
				if err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
					t.Errorf("%s %v: statistic %d is %v", img.Mode, size, i, v)
				}
			}
			if _, err := niqe.Measure(t.Context(), p); (err == nil) != (size[0] > 47) {
				t.Errorf("niqe of %s %v: %v", img.Mode, size, err)
			}
		}
	}
}
