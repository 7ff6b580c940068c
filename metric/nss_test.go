package metric

import (
	"math"
	"testing"

	"github.com/gen-emerge/assay/pixel"
)

type nssGolden struct {
	Images []struct {
		Width, Height int
		Seed          uint32
		Amplitude     int
		Brisque       []float64
		Blocks        [][]float64
		Niqe          float64
	}
}

// The statistics are sums of some 1e5 products, and shapes are looked up in
// steps of 0.001, so that agreement is to rounding or off by whole steps.
func TestSceneStatisticsAgainstReference(t *testing.T) {
	var want nssGolden
	golden(t, "nss.json", &want)
	blocks, worst := 0, 0.0
	for _, g := range want.Images {
		p := NewPicture(scene(g.Width, g.Height, g.Seed, g.Amplitude))
		got, warnings, err := brisqueStatistics(t.Context(), p)
		if err != nil || len(warnings) > 0 {
			t.Fatalf("brisque: %v, warnings %q", err, warnings)
		}
		for i, v := range g.Brisque {
			near(t, "brisque statistic", got[i], v, 1e-9)
			worst = max(worst, math.Abs(got[i]-v))
		}
		rows := niqeBlocks(p, g.Height/niqeBlock, g.Width/niqeBlock)
		if len(g.Blocks) == 0 {
			continue
		}
		if len(rows) != len(g.Blocks) {
			t.Fatalf("%d blocks, want %d", len(rows), len(g.Blocks))
		}
		for i, row := range g.Blocks {
			for j, v := range row {
				near(t, "niqe statistic", rows[i][j], v, 1e-9)
				worst = max(worst, math.Abs(rows[i][j]-v))
			}
			blocks++
		}
	}
	if blocks == 0 {
		t.Error("no block was compared")
	}
	t.Logf("worst difference %.1e", worst)
}

func open(t testing.TB, name string) *Instrument {
	t.Helper()
	in, err := Open(t.Context(), name, sharedModels{t: t}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in
}

// sharedModels finds models in the test data.
type sharedModels struct {
	files // prepares nothing
	t     testing.TB
}

func (m sharedModels) Files(model string) (map[string]string, error) {
	name := map[string]string{
		"niqe":    "weights/niqe_pris/niqe_pris_params.npz",
		"brisque": "weights/brisque_svm/official_774sv_allmodel",
	}[model]
	return map[string]string{"model": sharedFile(m.t, name)}, nil
}

func TestNIQEAgainstReference(t *testing.T) {
	in := open(t, "niqe")
	var want nssGolden
	golden(t, "nss.json", &want)
	for _, g := range want.Images {
		if len(g.Blocks) == 0 {
			continue
		}
		r, err := in.Measure(t.Context(), NewPicture(scene(g.Width, g.Height, g.Seed, g.Amplitude)))
		if err != nil {
			t.Fatal(err)
		}
		near(t, "niqe", r.Value, g.Niqe, 1e-6*g.Niqe) // the covariance's condition number is 1e6
	}
}

// published are the distorted images of IQA-PyTorch's ResultsCalibra and the
// values that the LIVE releases give, which results_official.csv lists.
var published = []struct {
	file          string
	niqe, brisque float64
}{
	{"I03.bmp", 15.7536293917814, 94.6421},
	{"I04.bmp", 3.65492152353770, -0.107618},
	{"I06.bmp", 3.23547743716998, 0.992889},
	{"I08.bmp", 3.18403333858339, 5.35827},
	{"I19.bmp", 8.63519663862637, 72.2617},
}

// NIQE must be within 1 %. What is left is flat areas, where the release reads
// the sign of rounding errors.
func TestNIQEAgainstPublished(t *testing.T) {
	in := open(t, "niqe")
	for _, want := range published {
		r, err := in.Measure(t.Context(), sharedPicture(t, "reference/iqa_calibra/dist_dir/"+want.file))
		if err != nil {
			t.Fatal(err)
		}
		near(t, want.file, r.Value, want.niqe, 0.006*want.niqe)
		t.Logf("%s: %.4f, published %.4f (%+.2f %%)", want.file, r.Value, want.niqe, 100*(r.Value/want.niqe-1))
	}
}

// BRISQUE must be within 0.5.
func TestBRISQUEAgainstPublished(t *testing.T) {
	in := open(t, "brisque")
	check := func(file string, want, tol float64) {
		r, err := in.Measure(t.Context(), sharedPicture(t, file))
		if err != nil {
			t.Fatal(err)
		}
		near(t, file, r.Value, want, tol)
		t.Logf("%s: %.4f, published %.4f (%+.4f) %q", file, r.Value, want, r.Value-want, r.Warnings)
	}
	for _, want := range published {
		check("reference/iqa_calibra/dist_dir/"+want.file, want.brisque, 0.25)
	}
	check("reference/published_pairs/piq/I01.BMP", 10.259409019043119, 0.001)
	check("reference/published_pairs/piq/goldhill.gif", 8.425548118925917, 0.001)
}

// BRISQUE says when rounding decides part of its value.
func TestBRISQUEWarnsOfFlatAreas(t *testing.T) {
	in := open(t, "brisque")
	for file, flat := range map[string]bool{"I04.bmp": false, "I19.bmp": true} {
		r, err := in.Measure(t.Context(), sharedPicture(t, "reference/iqa_calibra/dist_dir/"+file))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(r.Warnings) > 0; got != flat {
			t.Errorf("%s: warnings %q", file, r.Warnings)
		}
	}
}

// More noise and more blur are worse by both measures.
func TestQualityFallsWithDamage(t *testing.T) {
	pic := sharedPicture(t, "reference/iqa_calibra/ref_dir/I06.bmp")
	for _, name := range []string{"niqe", "brisque"} {
		in := open(t, name)
		read := func(img *pixel.Image, err error) float64 {
			if err != nil {
				t.Fatal(err)
			}
			r, err := in.Measure(t.Context(), NewPicture(img))
			if err != nil {
				t.Fatal(err)
			}
			return r.Value
		}
		clean := read(pic.Image, nil)
		noisy, noisier := read(pic.Noise(10, 1)), read(pic.Noise(30, 1))
		soft, softer := read(pic.Blur(1.5)), read(pic.Blur(3))
		if !(clean < noisy && noisy < noisier && clean < soft && soft < softer) {
			t.Errorf("%s: clean %.2f, noise %.2f %.2f, blur %.2f %.2f", name, clean, noisy, noisier, soft, softer)
		}
	}
}

// half of a plane of one level is that level, and of a ramp a ramp.
func TestHalf(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {2, 3}, {7, 5}, {16, 16}} {
		flat := make([]uint8, size[0]*size[1])
		for i := range flat {
			flat[i] = 201
		}
		got, w, h := half(flat, size[0], size[1], size[0])
		if w != (size[0]+1)/2 || h != (size[1]+1)/2 || len(got) != w*h {
			t.Errorf("half of %v is %d×%d with %d samples", size, w, h, len(got))
		}
		for _, v := range got {
			if v != 201 {
				t.Errorf("half of %v: level 201 became %v", size, v)
			}
		}
	}
	ramp := make([]uint8, 32)
	for i := range ramp {
		ramp[i] = uint8(4 * i)
	}
	got, _, _ := half(ramp, 32, 1, 32)
	for i := 2; i < len(got)-2; i++ { // away from the mirrored ends
		near(t, "ramp", got[i], float64(8*i+2), 0)
	}
}

// A Gaussian fit of known distributions gives their shapes back.
func TestShapes(t *testing.T) {
	for _, c := range []struct {
		name       string
		abs, shape float64 // E|x| of unit variance
	}{{"Laplace", math.Sqrt2 / 2, 1}, {"Gauss", math.Sqrt(2 / math.Pi), 2}} {
		m := moments{n: 1000, neg: 500, nonpos: 500, sqNeg: 500, sqPos: 500, abs: 1000 * c.abs}
		shape, variance := m.symmetric()
		near(t, c.name+" shape", shape, c.shape, 1e-9)
		near(t, c.name+" variance", variance, 1, 1e-12)
		shape, left, right, ok := m.asymmetric()
		if !ok || left != 1 || right != 1 {
			t.Errorf("%s: left %v, right %v, ok %v", c.name, left, right, ok)
		}
		near(t, c.name+" asymmetric shape", shape, c.shape, 1e-9)
	}
}
