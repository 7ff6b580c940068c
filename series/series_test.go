package series_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
)

// formulas opens every instrument that needs no model.
func formulas(t *testing.T) series.Tools {
	t.Helper()
	tools := series.Tools{Missing: map[string]error{}}
	for _, spec := range metric.Catalogue() {
		if len(spec.Models) > 0 {
			tools.Missing[spec.Name] = fmt.Errorf("%s: left out of this test: %w", spec.Name, assay.ErrUnavailable)
			continue
		}
		in, err := metric.OpenFormula(spec.Name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Close() })
		tools.Instruments = append(tools.Instruments, in)
	}
	return tools
}

func openStore(t *testing.T) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func openSeries(t *testing.T, db *store.DB, opt series.Options) *series.Series {
	t.Helper()
	s, err := series.Open(t.Context(), "test", db, formulas(t), opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// picture draws a textured picture of a seed: a few gratings over a colour ramp.
func picture(t *testing.T, seed uint64) []byte {
	t.Helper()
	return pictureOf(t, seed, 96)
}

func pictureOf(t testing.TB, seed uint64, side int) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	var k, a, p [4]float64
	for i := range k {
		k[i], a[i], p[i] = 0.05+0.9*r.Float64(), 2*math.Pi*r.Float64(), 6*r.Float64()
	}
	base := [3]float64{255 * r.Float64(), 255 * r.Float64(), 255 * r.Float64()}
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			v := 0.0
			for i := range k {
				v += 22 * math.Sin(k[i]*(float64(x)*math.Cos(a[i])+float64(y)*math.Sin(a[i]))+p[i])
			}
			level := func(c int) uint8 { return uint8(min(max(base[c]+v+float64(x)/4*float64(c-1), 0), 255)) }
			img.SetNRGBA(x, y, color.NRGBA{level(0), level(1), level(2), 255})
		}
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func input(path string, data []byte) series.Input {
	return series.Input{Path: path, Read: func() ([]byte, error) { return data, nil }}
}

// gallery returns n pictures; from the 30th on every tenth repeats the one
// before it with other bytes.
func gallery(t *testing.T, n int) []series.Input {
	t.Helper()
	var out []series.Input
	for i := range n {
		data := picture(t, uint64(i+1))
		if i >= 30 && i%10 == 0 { // the same pixels in another file
			data = append(picture(t, uint64(i)), "again"...)
		}
		out = append(out, input(fmt.Sprintf("%02d.png", i), data))
	}
	return out
}

func add(t *testing.T, s *series.Series, list []series.Input) []series.Result {
	t.Helper()
	var out []series.Result
	err := s.Add(t.Context(), slices.Values(list), func(r series.Result) error { out = append(out, r); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// comparable forgets what differs between two runs of the same facts.
var sameRun = []cmp.Option{cmpopts.IgnoreTypes(assay.Identity{}), cmpopts.IgnoreFields(series.Result{}, "Known", "Err"), cmpopts.EquateEmpty()}

func TestAddPlacesEverything(t *testing.T) {
	s := openSeries(t, openStore(t), series.Options{})
	list := gallery(t, 50)
	list[40].Prompt = "a repeat"
	bad := input("not-an-image.png", []byte("<html>"))
	list = slices.Insert(list, 10, bad)
	results := add(t, s, list)
	if len(results) != len(list) {
		t.Fatalf("%d results for %d inputs", len(results), len(list))
	}
	for i, r := range results {
		if r.Path != list[i].Path {
			t.Fatalf("result %d is of %s, want %s: order is lost", i, r.Path, list[i].Path)
		}
		if i == 10 {
			if r.Outcome != "error" || !errors.Is(r.Err, assay.ErrInvalid) {
				t.Errorf("%s: outcome %s, error %v; want an error that wraps ErrInvalid", r.Path, r.Outcome, r.Err)
			}
			continue
		}
		if len(r.Gates) != len(series.Gates()) {
			t.Errorf("%s: %d gates, want %d", r.Path, len(r.Gates), len(series.Gates()))
		}
	}
	for _, i := range []int{31, 41} { // the repeats, one later for the bad input
		r := results[i]
		g := gateOf(t, r.Gates, "diversity")
		if g.Gate != "diversity" || g.Verdict != assay.Fail || r.Outcome != string(assay.Refused) {
			t.Errorf("%s repeats the picture before it: %s, diversity %s (%s)", r.Path, r.Outcome, g.Verdict, g.Reason)
		}
		if g.Reading == nil || g.Reading.Ref != results[i-1].Digest || g.Reading.Value != 0 {
			t.Errorf("%s: nearest %+v, want %s at distance 0", r.Path, g.Reading, results[i-1].Digest.Short())
		}
	}
}

func gateOf(t *testing.T, gates []assay.GateResult, name string) assay.GateResult {
	t.Helper()
	i := slices.IndexFunc(gates, func(g assay.GateResult) bool { return g.Gate == name })
	if i < 0 {
		t.Fatalf("no gate %s among %+v", name, gates)
	}
	return gates[i]
}

// The archive is a function of the inputs' order: not of the number of workers,
// nor of where a run was cut and taken up again.
func TestAddIsDeterministic(t *testing.T) {
	list := gallery(t, 45)
	want := add(t, openSeries(t, openStore(t), series.Options{Workers: 1}), list)
	check := func(name string, run func(s *series.Series) []series.Result) {
		t.Run(name, func(t *testing.T) {
			s := openSeries(t, openStore(t), series.Options{Workers: 4})
			if diff := cmp.Diff(want, run(s), sameRun...); diff != "" {
				t.Errorf("-alone +%s:\n%s", name, diff)
			}
		})
	}
	check("four workers", func(s *series.Series) []series.Result { return add(t, s, list) })
	check("twice", func(s *series.Series) []series.Result { add(t, s, list); return add(t, s, list) })
	check("cut in the warm-up", func(s *series.Series) []series.Result { cut(t, s, list, 7); return add(t, s, list) })
	check("cut after it", func(s *series.Series) []series.Result { cut(t, s, list, 33); return add(t, s, list) })
	check("one by one", func(s *series.Series) []series.Result {
		for _, in := range list {
			add(t, s, []series.Input{in})
		}
		return add(t, s, list)
	})
}

// cut stops a run when the n-th image is being read.
func cut(t *testing.T, s *series.Series, list []series.Input, n int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := slices.Clone(list)
	read := stopped[n].Read
	stopped[n].Read = func() ([]byte, error) { cancel(); return read() }
	err := s.Add(ctx, slices.Values(stopped), func(series.Result) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("a cancelled run ended with %v", err)
	}
}

func TestKnownImage(t *testing.T) {
	s := openSeries(t, openStore(t), series.Options{})
	list := gallery(t, 26)
	add(t, s, list)
	again := add(t, s, []series.Input{input("elsewhere.png", must(list[3].Read()))})
	if r := again[0]; !r.Known || r.Seq != 4 || r.Outcome == "error" || r.Cell == nil && r.Outcome != string(assay.Refused) {
		t.Errorf("a known image: %+v", r)
	}
}

// The same file twice in one run, among the first images, is told as known and
// does not keep the thresholds from being computed.
func TestTwiceInOneRun(t *testing.T) {
	s := openSeries(t, openStore(t), series.Options{Workers: 4})
	list := gallery(t, 26)
	list = slices.Insert(list, 5, list[4], list[4])
	results := add(t, s, list)
	for _, i := range []int{5, 6} {
		if !results[i].Known || results[i].Seq != 5 || results[i].Outcome != results[4].Outcome {
			t.Errorf("result %d: %+v, want what is told of its first copy", i, results[i])
		}
	}
	view, err := s.View(t.Context())
	if err != nil || !view.Calibrated() || view.Images() != 26 {
		t.Errorf("%d images, calibrated %v, %v", view.Images(), view.Calibrated(), err)
	}
}

func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}

// Thresholds and their evidence are stored, and what they say holds for the
// controls they came from.
func TestCalibrate(t *testing.T) {
	db := openStore(t)
	s := openSeries(t, db, series.Options{})
	add(t, s, gallery(t, 30))
	thresholds, err := db.Thresholds(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]assay.Threshold{}
	for _, th := range thresholds {
		found[th.Gate] = th
		if th.Source != "controls" || len(th.Evidence) < 10 || th.Reason == "" {
			t.Errorf("%s: source %q, evidence %s, reason %q", th.Gate, th.Source, th.Evidence, th.Reason)
		}
	}
	for _, name := range series.Gates() {
		if _, ok := found[name]; ok == (name == "adherence" || name == "style") { // no network is at hand for those two
			t.Errorf("threshold for %s: %v", name, ok)
		}
	}
	div := found["diversity"]
	controls, err := db.Controls(t.Context(), "test", div.Instrument)
	if err != nil {
		t.Fatal(err)
	}
	within := 0
	for _, c := range controls {
		if c.Value <= div.Value {
			within++
		}
	}
	if share := float64(within) / float64(len(controls)); share < 0.94 || share > 0.97 {
		t.Errorf("%d of %d controls lie within the diversity threshold, want 95 %%", within, len(controls))
	}
	if noise := found["technical-noise"]; noise.Mode != assay.Enforced {
		t.Errorf("the noise gate is %s on pictures that have none: %s", noise.Mode, noise.Reason)
	}
	// With nothing stored, a dry run gives the same again.
	dry, err := s.Calibrate(t.Context(), series.CalibrateOptions{First: 24, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	opts := []cmp.Option{cmpopts.IgnoreFields(assay.Threshold{}, "ID", "Created"), cmpopts.SortSlices(func(a, b assay.Threshold) bool { return a.Gate < b.Gate })}
	if diff := cmp.Diff(thresholds, dry, opts...); diff != "" {
		t.Errorf("-stored +again:\n%s", diff)
	}
}
