package metric

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay/pixel"
)

// golden reads a file of testdata, made by a script of reference/.
func golden(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// sharedFile returns the path of a file of the test data that lives outside
// the repository, and skips the test if there is none.
func sharedFile(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("ASSAY_TEST_DATA")
	if root == "" {
		root = "../../shared/data"
	}
	path := filepath.Join(root, filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		if slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), "data") {
			t.Fatalf("test data is required: %v", err)
		}
		t.Skipf("no test data (set ASSAY_TEST_DATA): %v", err)
	}
	return path
}

// sharedPicture decodes a picture of the test data.
func sharedPicture(t testing.TB, name string) *Picture {
	t.Helper()
	data, err := os.ReadFile(sharedFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := pixel.Decode(context.Background(), data, pixel.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return NewPicture(img)
}

// scene repeats scene of reference/metric_formulas.py: ramps, a disc, bars and
// noise from a linear congruential generator.
func scene(w, h int, seed uint32, amp int) *pixel.Image {
	img := &pixel.Image{Mode: pixel.RGB, Width: w, Height: h, Pix: make([]uint8, 3*w*h)}
	r, i := min(w, h)/4, 0
	for y := range h {
		for x := range w {
			inside := (x-w/3)*(x-w/3)+(y-h/2)*(y-h/2) < r*r
			for _, v := range []int{x * 255 / w, y * 255 / h, (x + y) * 255 / (w + h)} {
				if inside {
					v = 255 - v
				}
				if x/9%3 == 0 && y > h/2 {
					v = v/2 + 60
				}
				seed = seed*1664525 + 1013904223
				img.Pix[i] = uint8(min(max(v+int(seed>>24)%amp-amp/2, 0), 255))
				i++
			}
		}
	}
	return img
}

// near fails t unless got is within tol of want.
func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if d := math.Abs(got - want); !(d <= tol) { // written so that NaN fails
		t.Errorf("%s is %.10g, want %.10g: off by %.2g, allowed %.2g", what, got, want, d, tol)
	}
}

// tolerances are absolute. Integers in, one rounding or a few out: 1e-9.
// CIELAB is tabulated, see rootSteps.
func formulaTolerance(name string) float64 {
	switch name {
	case "lightness", "contrast", "warmth":
		return 1e-4
	}
	return 1e-9
}

type formulaGolden struct {
	Values map[string]float64
	Layout []float64
}

func (want formulaGolden) check(t *testing.T, p *Picture, worst map[string]float64) {
	t.Helper()
	if len(want.Values) != len(formulas()) {
		t.Errorf("golden values of %d formulas, there are %d", len(want.Values), len(formulas()))
	}
	for name, v := range want.Values {
		in, err := OpenFormula(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := in.Measure(t.Context(), p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		near(t, name, r.Value, v, formulaTolerance(name))
		worst[name] = max(worst[name], math.Abs(r.Value-v))
	}
	got, err := openLayout().Embed(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want.Layout) {
		t.Fatalf("layout has %d components, want %d", len(got), len(want.Layout))
	}
	for i, v := range want.Layout {
		near(t, "layout component", float64(got[i]), v, 1e-6)
		worst["layout"] = max(worst["layout"], math.Abs(float64(got[i])-v))
	}
}

func TestFormulasAgainstReference(t *testing.T) {
	var want struct {
		Scenes []struct {
			formulaGolden
			Width, Height int
			Seed          uint32
			Amplitude     int
		}
		Files []struct {
			formulaGolden
			Path string
		}
	}
	golden(t, "formulas.json", &want)
	if len(want.Scenes) == 0 || len(want.Files) == 0 {
		t.Fatal("no golden values")
	}
	worst := map[string]float64{}
	for _, s := range want.Scenes {
		s.check(t, NewPicture(scene(s.Width, s.Height, s.Seed, s.Amplitude)), worst)
	}
	for _, f := range want.Files {
		t.Run(filepath.Base(f.Path), func(t *testing.T) { f.check(t, sharedPicture(t, f.Path), worst) })
	}
	for _, f := range formulas() {
		t.Logf("%-14s worst difference %.1e", f.spec.Name, worst[f.spec.Name])
	}
	t.Logf("%-14s worst difference %.1e", "layout", worst["layout"])
}

// The published values of entropy are MATLAB's, whose grey differs from
// Pillow's by a level in a few pixels, rounded to 4 decimals.
func TestEntropyAgainstPublished(t *testing.T) {
	for name, want := range map[string]float64{"I03": 6.9511, "I04": 6.9661, "I06": 7.5309, "I08": 7.5566, "I19": 5.7629} {
		v, _ := entropy.value(sharedPicture(t, "reference/iqa_calibra/dist_dir/"+name+".bmp"))
		near(t, name, v, want, 2e-4)
	}
}
