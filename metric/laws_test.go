package metric

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay/pixel"
)

// read measures img with a formula, which must succeed.
func read(t testing.TB, name string, img *pixel.Image) float64 {
	t.Helper()
	in, err := OpenFormula(name)
	if err != nil {
		t.Fatal(err)
	}
	r, err := in.Measure(t.Context(), NewPicture(img))
	if err != nil {
		t.Fatal(err)
	}
	return r.Value
}

// apart measures the layout distance of two images.
func apart(t testing.TB, a, b *pixel.Image) float64 {
	t.Helper()
	r, err := openLayout().Distance(t.Context(), NewPicture(a), NewPicture(b))
	if err != nil {
		t.Fatal(err)
	}
	return r.Value
}

// must unwraps an edited image.
func must(t testing.TB) func(*pixel.Image, error) *pixel.Image {
	return func(img *pixel.Image, err error) *pixel.Image {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
}

// grey returns an image in mode L with the given levels.
func grey(w, h int, level func(x, y int) uint8) *pixel.Image {
	img := &pixel.Image{Mode: pixel.Gray, Width: w, Height: h, Pix: make([]uint8, w*h)}
	for i := range img.Pix {
		img.Pix[i] = level(i%w, i/w)
	}
	return img
}

// colour returns an image of one colour.
func colour(w, h int, r, g, b uint8) *pixel.Image {
	return &pixel.Image{Mode: pixel.RGB, Width: w, Height: h, Pix: slices.Repeat([]uint8{r, g, b}, w*h)}
}

// mirrored exchanges left and right of an RGB image, or top and bottom.
func mirrored(img *pixel.Image, upDown bool) *pixel.Image {
	out := &pixel.Image{Mode: pixel.RGB, Width: img.Width, Height: img.Height, Pix: make([]uint8, len(img.Pix))}
	for y := range img.Height {
		for x := range img.Width {
			sx, sy := img.Width-1-x, y
			if upDown {
				sx, sy = x, img.Height-1-y
			}
			copy(out.Pix[3*(y*img.Width+x):][:3], img.Pix[3*(sy*img.Width+sx):][:3])
		}
	}
	return out
}

// Whole blocks keep their places, and sums are of integers or in the other
// order, so that mirroring changes at most rounding.
func TestMirrorInvariance(t *testing.T) {
	img := scene(128, 96, 11, 15)
	for _, f := range formulas() {
		want := read(t, f.spec.Name, img)
		for _, upDown := range []bool{false, true} {
			got := read(t, f.spec.Name, mirrored(img, upDown))
			tol := 1e-9
			if f.spec.Name == "sharpness" {
				tol = 5e-3 // the first two rows and the last are left out, not the same at both ends
			}
			near(t, fmt.Sprintf("%s, mirrored (up-down %v)", f.spec.Name, upDown), got, want, tol)
		}
	}
	if d := apart(t, img, mirrored(img, false)); d < 0.2 {
		t.Errorf("layout distance to the mirror image is %.3f: composition has sides", d)
	}
}

func TestMonotoneUnderDamage(t *testing.T) {
	clean := must(t)(scene(192, 160, 12, 1).Blur(0.6))
	rising := func(name string, sign float64, values ...float64) {
		t.Helper()
		for i := 1; i < len(values); i++ {
			if !(sign*values[i] > sign*values[i-1]) {
				t.Errorf("%s: %.4g is not monotone at %d", name, values, i)
			}
		}
	}
	var noises, sharps, clips, blocks []float64
	for _, sigma := range []float64{2, 5, 10, 20} {
		noises = append(noises, read(t, "noise", must(t)(clean.Noise(sigma, 7))))
	}
	rising("noise under noise", 1, noises...)
	for _, sigma := range []float64{0.5, 1, 2, 4} {
		sharps = append(sharps, read(t, "sharpness", must(t)(clean.Blur(sigma))))
	}
	rising("sharpness under blur", -1, sharps...)
	for _, gain := range []float64{1, 1.3, 1.6, 2} {
		clips = append(clips, read(t, "clipping", must(t)(clean.Brightness(gain))))
	}
	rising("clipping under gain", 1, clips...)
	for _, quality := range []int{90, 50, 20, 5} {
		blocks = append(blocks, read(t, "blockiness", must(t)(clean.JPEG(t.Context(), quality))))
	}
	rising("blockiness under JPEG", 1, blocks...)
}

// Immerkær's estimate finds the noise that was put in: one channel of σ = 10
// that goes equally to all three is σ = 10 of luma.
func TestNoiseFindsItsSigma(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	flat := grey(256, 256, func(x, y int) uint8 {
		return uint8(math.Round(min(max(128+10*rng.NormFloat64(), 0), 255)))
	})
	near(t, "noise", read(t, "noise", flat), 10, 0.2) // 3 standard errors of 65536 dependent samples
}

func TestKnownValues(t *testing.T) {
	halves := grey(64, 64, func(x, y int) uint8 { return uint8(x / 32 * 255) })
	ramp := grey(256, 16, func(x, y int) uint8 { return uint8(x) })
	checker := grey(64, 64, func(x, y int) uint8 { return uint8((x/8 + y/8) % 2 * 100) })
	for _, c := range []struct {
		name string
		img  *pixel.Image
		want float64
	}{
		{"lightness", colour(4, 4, 0, 0, 0), 0},
		{"lightness", colour(4, 4, 255, 255, 255), 100},
		{"contrast", halves, 50},
		{"contrast", colour(9, 9, 10, 200, 30), 0},
		{"warmth", colour(4, 4, 128, 128, 128), 0},
		{"warmth", colour(4, 4, 255, 0, 0), 102.962}, // a* 80.09, b* 67.20
		{"colourfulness", colour(4, 4, 77, 77, 77), 0},
		{"colourfulness", colour(4, 4, 255, 0, 0), 0.3 * math.Hypot(255, 127.5)},
		{"entropy", colour(5, 5, 9, 9, 9), 0},
		{"entropy", halves, 1},
		{"entropy", ramp, 8},
		{"clipping", ramp, 6.0 / 256},
		{"clipping", halves, 1},
		{"symmetry-lr", halves, -1},
		{"symmetry-ud", halves, 1},
		{"symmetry-lr", colour(7, 3, 9, 8, 7), 1},
		{"flatness", halves, 1},
		{"flatness", ramp, 0}, // 8 steps of 1 level: standard deviation 2.29
		{"edge-density", halves, 2.0 / 62},
		{"blockiness", checker, 1},
		{"blockiness", colour(32, 32, 5, 5, 5), 0},
		{"noise", ramp, 0},
		{"sharpness", colour(32, 32, 5, 5, 5), 0},
	} {
		near(t, c.name, read(t, c.name, c.img), c.want, 2e-3) // grey is not quite a* = b* = 0: the matrix has six digits
	}
}

// A share of pixels clipped on purpose is read exactly.
func TestClippedShareExact(t *testing.T) {
	for _, n := range []int{0, 1, 100, 4096} {
		img := grey(64, 64, func(x, y int) uint8 {
			if i := y*64 + x; i < n {
				return [2]uint8{0, 255}[i%2]
			}
			return 128
		})
		if got, want := read(t, "clipping", img), float64(n)/4096; got != want {
			t.Errorf("%d clipped pixels of 4096 read as %v, want %v", n, got, want)
		}
	}
}

// A picture and its copy, made another way, are much nearer than two pictures.
func TestLayoutOrdersPairs(t *testing.T) {
	pic := sharedPicture(t, "reference/iqa_calibra/ref_dir/I06.bmp").Image
	other := sharedPicture(t, "reference/iqa_calibra/ref_dir/I08.bmp").Image
	if d := apart(t, pic, pic); d != 0 {
		t.Errorf("distance to itself is %v", d)
	}
	if ab, ba := apart(t, pic, other), apart(t, other, pic); ab != ba {
		t.Errorf("distance is %v one way and %v the other", ab, ba)
	}
	unrelated := apart(t, pic, other)
	for name, c := range map[string]struct {
		img  *pixel.Image
		most float64
	}{
		"jpeg 85":     {must(t)(pic.JPEG(t.Context(), 85)), 0.01},
		"1 % crop":    {must(t)(pic.CropSides(0.01)), 0.06},
		"2 % crop":    {must(t)(pic.CropSides(0.02)), 0.1},
		"10 % more":   {must(t)(pic.Brightness(1.1)), 0.08},
		"half size":   {must(t)(pic.Resize(pic.Width/2, pic.Height/2, pixel.Bicubic)), 0.05},
		"a bit noisy": {must(t)(pic.Noise(5, 1)), 0.05},
	} {
		d := apart(t, pic, c.img)
		if !(d <= c.most && d < unrelated/3) {
			t.Errorf("%s: %.4f, want at most %.2f (an unrelated picture is at %.3f)", name, d, c.most, unrelated)
		}
		t.Logf("%-12s %.4f", name, d)
	}
}

// Colour alone and strokes alone can tell pictures apart.
func TestLayoutSeesColourAndStrokes(t *testing.T) {
	if d := apart(t, colour(64, 64, 200, 40, 40), colour(64, 64, 40, 40, 200)); d < 0.5 {
		t.Errorf("red and blue are %.3f apart", d)
	}
	bars := func(turned bool) *pixel.Image {
		return grey(96, 96, func(x, y int) uint8 {
			if turned {
				x, y = y, x
			}
			return uint8(x / 12 % 2 * 255)
		})
	}
	if d := apart(t, bars(false), bars(true)); d < 0.5 {
		t.Errorf("bars across and down are %.3f apart", d)
	}
	// Colour part: ΔE/100 of two flat fields; strokes: none.
	near(t, "black and white", apart(t, colour(9, 7, 0, 0, 0), colour(40, 50, 255, 255, 255)), 1, 1e-4)
}

// modes makes a w×h image of random samples in every mode.
func modes(rng *rand.Rand, w, h int) []*pixel.Image {
	var all []*pixel.Image
	for _, m := range []pixel.Mode{pixel.Bilevel, pixel.Gray, pixel.GrayA, pixel.Indexed, pixel.RGB, pixel.RGBA, pixel.CMYK, pixel.I16} {
		img := &pixel.Image{Mode: m, Width: w, Height: h}
		if m == pixel.I16 {
			img.Pix16 = make([]uint16, w*h)
			for i := range img.Pix16 {
				img.Pix16[i] = uint16(rng.Uint32())
			}
			all = append(all, img)
			continue
		}
		img.Pix = make([]uint8, w*h*m.Channels())
		for i := range img.Pix {
			img.Pix[i] = uint8(rng.Uint32())
			if m == pixel.Bilevel {
				img.Pix[i] = uint8(rng.Uint32N(2) * 255)
			}
		}
		if m == pixel.Indexed {
			img.Palette = make([]uint8, 4*17)
			for i := range img.Palette {
				img.Palette[i] = uint8(rng.Uint32())
			}
		}
		all = append(all, img)
	}
	return all
}

// Any image gives a number within the bounds or a sentence, whatever its size
// and mode, and never a panic; only the stated smallest side refuses.
func TestTinyImagesOfEveryMode(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	sizes := [][2]int{{1, 1}, {1, 9}, {9, 1}, {2, 2}, {3, 3}, {3, 40}, {8, 8}, {15, 16}, {16, 16}, {17, 33}, {32, 32}, {40, 3}, {1, 300}}
	for _, size := range sizes {
		images := append(modes(rng, size[0], size[1]), colour(size[0], size[1], 0, 0, 0), colour(size[0], size[1], 255, 255, 255),
			colour(size[0], size[1], 90, 91, 92))
		for _, img := range images {
			for _, f := range formulas() {
				in, _ := OpenFormula(f.spec.Name)
				r, err := in.Measure(t.Context(), NewPicture(img))
				small := min(img.Width, img.Height) < f.spec.MinSide
				if small != (err != nil) {
					t.Errorf("%s of %s %v: %v, %v", f.spec.Name, img.Mode, size, r.Value, err)
				}
				if small && !strings.Contains(err.Error(), fmt.Sprintf("%d×%d", img.Width, img.Height)) {
					t.Errorf("%s of %v: error does not say the size: %v", f.spec.Name, size, err)
				}
			}
			if d := apart(t, img, scene(24, 24, 1, 9)); !(d >= 0) {
				t.Errorf("layout of %s %v: %v", img.Mode, size, d)
			}
		}
	}
}

// The bounds of a Spec are reached or nearly so by some image, and hold for
// random ones of few colours, which are the extreme ones.
func TestBoundsHold(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	corners := func() uint8 { return uint8(rng.Uint32N(2) * 255) }
	for range 200 {
		img := colour(16, 16, corners(), corners(), corners())
		for i := range img.Pix[:rng.IntN(len(img.Pix))] {
			img.Pix[i] = corners()
		}
		for _, f := range formulas() {
			v := read(t, f.spec.Name, img) // fails if outside the bounds
			if math.IsNaN(v) {
				t.Errorf("%s is NaN", f.spec.Name)
			}
		}
	}
}
