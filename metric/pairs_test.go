package metric

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/weights"
)

// plain is a picture of random pixels.
func plain(w, h int, seed uint32) *Picture {
	gen, img := newMT19937(seed), &pixel.Image{Mode: pixel.RGB, Width: w, Height: h, Pix: make([]uint8, 3*w*h)}
	for i := range img.Pix {
		img.Pix[i] = uint8(gen.uint32())
	}
	return NewPicture(img)
}

// TestSmallWeights holds the real files to what is known of them: the digest of the
// manifest, how many values there are, their sums, and the first ones.
func TestSmallWeights(t *testing.T) {
	type known struct {
		sums  map[string]float64
		first map[string][]float64
		zeros map[string]int
	}
	for model, want := range map[string]known{
		"lpips-alex-heads": {sums: map[string]float64{headName(0): 2.349532, headName(1): 16.143027, headName(2): 39.268439, headName(3): 27.197178, headName(4): 20.317177},
			first: map[string][]float64{headName(0): {3.788e-06, 0.147501, 4.03849e-06}}},
		"lpips-vgg-heads": {sums: map[string]float64{headName(0): 6.925992, headName(1): 8.858334, headName(2): 17.515006, headName(3): 51.521323, headName(4): 47.034854}},
		distsModel: {sums: map[string]float64{"alpha": 0.876050, "beta": 0.123950}, zeros: map[string]int{"alpha": 0, "beta": 1063},
			first: map[string][]float64{"alpha": {0.0210666, 0.0210648, 0.0210683}, "beta": {0.0205388, 0.0205385, 0.0205383}}},
	} {
		path, data := smallWeights(t, model)
		for _, m := range weights.Manifest() {
			if m.Name == model && (m.Files[0].SHA256 != sha256Of(data) || m.Files[0].Size != int64(len(data))) {
				t.Errorf("%s has %d bytes of SHA-256 %s", path, len(data), sha256Of(data))
			}
		}
		c, err := weights.Open(path, weights.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if c.Container() != weights.TorchLegacy || len(c.Names()) != len(want.sums) {
			t.Errorf("%s: %s with %q", model, c.Container(), c.Names())
		}
		for name, sum := range want.sums {
			v, err := c.Float64(name)
			if err != nil {
				t.Fatal(err)
			}
			total, zeros := 0.0, 0
			for _, x := range v {
				total += x
				if x == 0 {
					zeros++
				}
			}
			if math.Abs(total-sum) > 1e-5 || slices.Min(v) < 0 {
				t.Errorf("%s, %s: sum %.6f, smallest %g; want a sum of %.6f", model, name, total, slices.Min(v), sum)
			}
			if n, ok := want.zeros[name]; ok && zeros != n {
				t.Errorf("%s, %s: %d values are zero, want %d", model, name, zeros, n)
			}
			for i, x := range want.first[name] {
				if math.Abs(v[i]-x) > max(5e-6*x, 1e-9) { // as many digits as are known
					t.Errorf("%s, %s: value %d is %g, want %g", model, name, i, v[i], x)
				}
			}
		}
	}
}

// TestInventoriesOfSmallWeights: made-up weights have the official names and shapes,
// and are never negative.
func TestInventoriesOfSmallWeights(t *testing.T) {
	rows := map[string][]weights.TensorSpec{distsModel: distsInventory()}
	for _, n := range lpipsNets() {
		rows[n.heads] = n.headsInventory()
	}
	for model, specs := range rows {
		path, _ := smallWeights(t, model)
		c, err := weights.Open(path, weights.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, s := range specs {
			if shape, ok := c.Shape(s.Name); !ok || !s.SameShape(shape) {
				t.Errorf("%s: %s is %v in the official file, %v made up", model, s.Name, shape, s.Shape)
			}
			if s.Init.Mean < 3.47*s.Init.Scale {
				t.Errorf("%s: %s may be negative", model, s.Name)
			}
		}
		if len(specs) != len(c.Names()) {
			t.Errorf("%s: %d tensors, want %d", model, len(specs), len(c.Names()))
		}
	}
}

// TestDISTSWeightsRefused: what is no set of DISTS' weights is said by name.
func TestDISTSWeightsRefused(t *testing.T) {
	set := func(alpha, beta float32) inline {
		return inline{"alpha": {[]int{1}, weights.Float32Bytes([]float32{alpha})}, "beta": {[]int{1}, weights.Float32Bytes([]float32{beta})}}
	}
	for _, c := range []struct {
		w    inline
		says string
	}{{set(-1, 1), `"alpha"`}, {set(1, float32(math.NaN())), `"beta"`}, {set(1, float32(math.Inf(1))), `"beta"`}, {set(0, 0), "zero"}} {
		if _, _, err := distsWeights(c.w); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: error %v, want one that says %s", c.w, err, c.says)
		}
	}
	if a, b, err := distsWeights(set(3, 1)); err != nil || a[0] != 0.75 || b[0] != 0.25 {
		t.Errorf("3 and 1 become %v and %v (%v)", a, b, err)
	}
}

// TestDISTSCombine compares the form that does not cancel with the paper's.
func TestDISTSCombine(t *testing.T) {
	gen := newMT19937(3)
	for range 200 {
		mu, nu, u, v := gen.float32(), gen.float32(), gen.float32(), gen.float32()
		cov := float64(2*gen.float32()-1) * math.Sqrt(float64(u)*float64(v))
		apart := float64(u) + float64(v) - 2*cov
		d := dists{alpha: []float64{0.6}, beta: []float64{0.4}}
		got, err := d.combine([]float32{mu, nu}, []float32{u, v}, []float32{float32(apart)})
		if err != nil {
			t.Fatal(err)
		}
		m, n := float64(mu), float64(nu)
		l := (2*m*n + distsC1) / (m*m + n*n + distsC1)
		s := (2*cov + distsC2) / (float64(u) + float64(v) + distsC2)
		if want := 1 - (0.6*l + 0.4*s); math.Abs(got-want) > 1e-6 {
			t.Errorf("means %g %g, variances %g %g, covariance %g: %g, want %g", mu, nu, u, v, cov, got, want)
		}
	}
	if _, err := (dists{alpha: []float64{1}, beta: []float64{0}}).combine(nil, nil, nil); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("no statistics: %v", err)
	}
}

// TestUpsampled compares with PyTorch's interpolation, which package pixel has held
// to PyTorch.
func TestUpsampled(t *testing.T) {
	gen := newMT19937(9)
	for _, c := range [][4]int{{3, 5, 17, 31}, {1, 1, 8, 9}, {7, 2, 7, 2}, {40, 30, 13, 11}, {13, 20, 224, 300}} {
		a, b := make([]float32, c[0]*c[1]), make([]float32, 2*2)
		for i := range a {
			a[i] = gen.float32()
		}
		for i := range b {
			b[i] = gen.float32()
		}
		m, err := upsampled(c[3], c[2], []onnx.Tensor{{Shape: []int{1, 1, c[0], c[1]}, Data: a}, {Shape: []int{1, 1, 2, 2}, Data: b}})
		if err != nil {
			t.Fatal(err)
		}
		wantA, err := pixel.TorchBilinear(a, c[1], c[0], 1, c[3], c[2])
		if err != nil {
			t.Fatal(err)
		}
		wantB, err := pixel.TorchBilinear(b, 2, 2, 1, c[3], c[2])
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range m.Values {
			if math.Abs(float64(v)-float64(wantA[i])-float64(wantB[i])) > 2e-5 {
				t.Fatalf("%v: value %d is %g, want %g", c, i, v, wantA[i]+wantB[i])
			}
		}
	}
	if _, err := upsampled(4, 4, []onnx.Tensor{{Shape: []int{1, 4}, Data: make([]float32, 4)}}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("a layer of two dimensions: %v", err)
	}
}

// TestHeat holds the colours to growing lighter step by step, and maps to what is
// said of their ends.
func TestHeat(t *testing.T) {
	last := -1.0
	for i, c := range heatColours() {
		linear := func(v uint8) float64 {
			x := float64(v) / 255
			if x <= 0.04045 {
				return x / 12.92
			}
			return math.Pow((x+0.055)/1.055, 2.4)
		}
		y := 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
		lightness := 116*math.Cbrt(y) - 16
		if y < 0.008856 {
			lightness = 903.3 * y
		}
		if lightness < last || lightness > last+2 && i > 0 {
			t.Errorf("colour %d, %v, has lightness %.2f after %.2f", i, c, lightness, last)
		}
		last = lightness
	}
	if last < 90 {
		t.Errorf("the brightest colour has lightness %.1f", last)
	}
	m := PairMap{Width: 2, Height: 2, Values: []float32{0, 1, 2, 8}}
	if m.Max() != 8 {
		t.Errorf("largest value %g", m.Max())
	}
	img := m.Heat(2)
	if c := heatColours(); !slices.Equal(img.Pix, slices.Concat(c[0][:], c[128][:], c[255][:], c[255][:])) {
		t.Errorf("drawn as %v", img.Pix)
	}
	over := m.Overlay(2)
	if over.Pix[3] != 0 || over.Pix[7] < 225 || over.Pix[15] != over.Pix[11] || over.Pix[11] < 225 {
		t.Errorf("laid over with alpha %d %d %d %d", over.Pix[3], over.Pix[7], over.Pix[11], over.Pix[15])
	}
	for _, most := range []float32{0, -1, float32(math.NaN())} {
		if img := m.Heat(most); slices.ContainsFunc(img.Pix[3:], func(v uint8) bool { return v > 80 }) {
			t.Errorf("with a largest value of %v something is drawn", most)
		}
	}
}

// recorder is a distance that says what it was given.
func recorder(spec Spec) (*Instrument, *[2]*Picture) {
	var got [2]*Picture
	in := &Instrument{Spec: spec, Runtime: goRuntime}
	in.distance = func(_ context.Context, a, b *Picture) (float64, []string, error) {
		got = [2]*Picture{a, b}
		return 0, nil, sameSize(a.Image, b.Image)
	}
	in.chart = func(_ context.Context, a, b *Picture) (float64, PairMap, error) {
		got = [2]*Picture{a, b}
		return 0, PairMap{Width: a.Width, Height: a.Height, Values: make([]float32, a.Width*a.Height)}, nil
	}
	return in, &got
}

func TestResizing(t *testing.T) {
	spec := Spec{Name: "recorder", Kind: OfPair, Hi: 1, MinSide: 16, MaxPixels: 400 * 400, SameSize: true, Preparation: "as it is"}
	in, got := recorder(spec)
	a, b := plain(100, 60, 1), plain(300, 200, 2)
	if _, err := in.Distance(t.Context(), a, b); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), string(SecondToFirst)) {
		t.Errorf("of two sizes: %v", err)
	}
	sizes := func() string {
		return fmt.Sprintf("%d×%d %d×%d", got[0].Width, got[0].Height, got[1].Width, got[1].Height)
	}
	identities := map[assay.Identity]bool{in.Identity(): true}
	for _, c := range []struct {
		rule ResizeRule
		a, b *Picture
		want string
		says string
	}{
		{SecondToFirst, a, b, "100×60 100×60", ""},
		{SecondToFirst, b, a, "300×200 300×200", ""},
		{Square256, a, b, "256×256 256×256", ""},
		{ShortSide256, plain(301, 200, 3), plain(602, 400, 4), "385×256 385×256", ""},
		{ShortSide256, a, b, "", "426×256 and 384×256"},
		{SecondToFirst, plain(10, 60, 5), b, "", "at least 16"},
		{SecondToFirst, plain(401, 400, 6), b, "", "160000"},
		{SecondToFirst, plain(100, 60, 7), plain(2, 900, 8), "100×60 100×60", ""}, // what counts is what comes of it
	} {
		under, err := in.Resizing(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		identities[under.Identity()] = true
		_, err = under.Distance(t.Context(), c.a, c.b)
		if c.says != "" {
			if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: error %v, want one that says %q", c.rule, err, c.says)
			}
			continue
		}
		if err != nil || sizes() != c.want {
			t.Errorf("%s: %s (%v), want %s", c.rule, sizes(), err, c.want)
		}
		if _, m, err := under.Map(t.Context(), c.a, c.b); err != nil || m.Width != got[0].Width || sizes() != c.want {
			t.Errorf("%s: a map of %d×%d from %s (%v)", c.rule, m.Width, m.Height, sizes(), err)
		}
	}
	if len(identities) != 1+len(ResizeRules()) {
		t.Errorf("%d identities for %d rules and none", len(identities), len(ResizeRules()))
	}
	under, err := in.Resizing(SecondToFirst)
	if err != nil {
		t.Fatal(err)
	}
	want, err := b.Image.Resize(100, 60, pixel.Bicubic)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := under.Distance(t.Context(), a, b); err != nil || got[0] != a || !slices.Equal(got[1].Pix, want.Pix) {
		t.Errorf("the second picture is not Pillow's bicubic of it (%v)", err)
	}
	if _, err := in.Resizing("larger"); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), string(Square256)) {
		t.Errorf("an unknown rule: %v", err)
	}
	free, _ := recorder(Spec{Name: "free", Kind: OfPair})
	for _, in := range []*Instrument{under, free} {
		if _, err := in.Resizing(Square256); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s under a rule it has no use for: %v", in.Name, err)
		}
	}
}

// TestMaxPixels: a picture that is too large is refused before anything is made of it.
func TestMaxPixels(t *testing.T) {
	in, _ := recorder(Spec{Name: "recorder", Kind: OfPair, Hi: 1, MaxPixels: 100, SameSize: true})
	fits, large := plain(20, 5, 1), plain(21, 5, 1)
	if _, err := in.Distance(t.Context(), fits, fits); err != nil {
		t.Error(err)
	}
	for _, p := range [][2]*Picture{{large, fits}, {fits, large}} {
		if _, err := in.Distance(t.Context(), p[0], p[1]); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "--resize") || !strings.Contains(err.Error(), "21×5") {
			t.Errorf("too large: %v", err)
		}
		if _, _, err := in.Map(t.Context(), p[0], p[1]); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("map of what is too large: %v", err)
		}
	}
}

// TestNoMap: instruments without maps say which have them.
func TestNoMap(t *testing.T) {
	in, err := OpenFormula("layout")
	if err != nil {
		t.Fatal(err)
	}
	p := plain(20, 20, 1)
	if _, _, err := in.Map(t.Context(), p, p); in.Maps() || !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "LPIPS") {
		t.Errorf("layout: %v", err)
	}
}
