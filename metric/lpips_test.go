package metric

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/pixel"
)

// lpipsTolerance bounds the difference from the authors' package. Both compute
// in float32 and sum in different orders; distances are below 1.
const lpipsTolerance = 1e-5

func lpipsPicture(t testing.TB, name string) *Picture {
	t.Helper()
	data, err := os.ReadFile(lpipsData(t, name))
	if err != nil {
		t.Fatal(err)
	}
	img, _, err := pixel.Decode(t.Context(), data, pixel.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return NewPicture(img)
}

// lpipsGolden is what reference/lpips_squeeze.py writes.
type lpipsGolden struct {
	Files map[string]struct {
		A, B           string
		Native, Side64 float64
	}
	Raw         map[string]struct{ Planar, Interleaved float64 }
	ZerosOnes   float64   `json:"zeros_ones"`
	TorchRand42 []float64 `json:"torch_rand_42"`
}

func readLPIPSGolden(t testing.TB) lpipsGolden {
	t.Helper()
	data, err := os.ReadFile("testdata/lpips_squeeze.json")
	if err != nil {
		t.Fatal(err)
	}
	var g lpipsGolden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// A worst remembers the largest difference seen.
type worst struct{ diff float64 }

func (w *worst) near(t testing.TB, what string, got, want, tol float64) {
	t.Helper()
	d := math.Abs(got - want)
	if !(d <= tol) {
		t.Errorf("%s: %.7f, want %.7f, off by %.2g, allowed %.2g", what, got, want, d, tol)
	}
	w.diff = max(w.diff, d)
}

func TestLPIPSFiles(t *testing.T) {
	native, small := openLPIPS(t, 0), openLPIPS(t, 64)
	golden := readLPIPSGolden(t)
	if len(golden.Files) != 9 {
		t.Fatalf("%d golden pairs, want 9", len(golden.Files))
	}
	var w worst
	for name, g := range golden.Files {
		a, b := lpipsPicture(t, g.A), lpipsPicture(t, g.B)
		for in, want := range map[*Instrument]float64{native: g.Native, small: g.Side64} {
			r, err := in.Distance(t.Context(), a, b)
			if err != nil {
				t.Fatal(err)
			}
			w.near(t, in.Name+" "+name, r.Value, want, lpipsTolerance)

			back, err := in.Distance(t.Context(), b, a)
			if err != nil {
				t.Fatal(err)
			}
			if back.Value != r.Value {
				t.Errorf("%s %s: %g one way, %g the other", in.Name, name, r.Value, back.Value)
			}
			if same, err := in.Distance(t.Context(), a, a); err != nil || same.Value != 0 {
				t.Errorf("%s %s: distance from itself %g, %v", in.Name, name, same.Value, err)
			}
		}
	}
	t.Logf("worst difference from the authors' package %.2g", w.diff)
}

// TestLPIPSPublished compares with the documentation of torchmetrics, whose
// pictures come from PyTorch's generator seeded with 42, and with values of an
// implementation in numpy.
func TestLPIPSPublished(t *testing.T) {
	run := openLPIPSRunner(t)
	golden := readLPIPSGolden(t)
	gen := newMT19937(42)
	var x [4]onnx.Tensor // two of the first argument, then two of the second
	for i := range x {
		x[i] = onnx.Tensor{Shape: []int{1, 3, 100, 100}, Data: make([]float32, 3*100*100)}
		for j := range x[i].Data {
			x[i].Data[j] = gen.float32()*2 - 1
		}
	}
	var w worst
	for i, published := range []float64{0.1024, 0.0938} {
		got := lpipsRun(t, run, x[i], x[2+i])
		w.near(t, fmt.Sprintf("torchmetrics %d", i), got, published, 0.00005+lpipsTolerance)
		w = worst{}
		w.near(t, fmt.Sprintf("seed 42, pair %d", i), got, golden.TorchRand42[i], lpipsTolerance)
	}
	var ref struct {
		TorchSeed struct{ Measured []float64 } `json:"torch_seed_check"`
		Ex        struct {
			P0 float64 `json:"ref_p0"`
			P1 float64 `json:"ref_p1"`
		} `json:"lpips_ex"`
		Dists float64            `json:"dists_r0_r1"`
		IQA   map[string]float64 `json:"iqa_calibra"`
		PIQ   float64            `json:"piq_I01"`
		Burn  map[string]float64 `json:"burn_raw"`
	}
	data, err := os.ReadFile(lpipsData(t, "weights/lpips_squeeze/reference_values.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &ref); err != nil {
		t.Fatal(err)
	}
	// Two references that do not share code say the same.
	agree := func(what string, authors, numpy float64) {
		t.Helper()
		w.near(t, what, numpy, authors, lpipsTolerance)
	}
	agree("ref p0", golden.Files["lpips ref p0"].Native, ref.Ex.P0)
	agree("ref p1", golden.Files["lpips ref p1"].Native, ref.Ex.P1)
	agree("dists", golden.Files["dists r0 r1"].Native, ref.Dists)
	agree("piq", golden.Files["piq I01"].Native, ref.PIQ)
	for file, v := range ref.IQA {
		agree(file, golden.Files["iqa "+strings.TrimSuffix(file, ".bmp")].Native, v)
	}
	agree("zeros and ones", golden.ZerosOnes, ref.Burn["zeros_vs_ones(normalize=True)"])
	agree("horizontal, vertical", golden.Raw["horizontal vertical"].Interleaved, ref.Burn["horizontal_vs_vertical"])
	agree("horizontal, diagonal", golden.Raw["horizontal diagonal"].Interleaved, ref.Burn["horizontal_vs_diagonal"])
}

func TestLPIPSRaw(t *testing.T) {
	run := openLPIPSRunner(t)
	golden := readLPIPSGolden(t)
	var w worst
	for pair, want := range golden.Raw {
		a, b, _ := strings.Cut(pair, " ")
		pa, ia := lpipsRaw(t, a)
		pb, ib := lpipsRaw(t, b)
		w.near(t, pair+", planar", lpipsRun(t, run, pa, pb), want.Planar, lpipsTolerance)
		w.near(t, pair+", interleaved", lpipsRun(t, run, ia, ib), want.Interleaved, lpipsTolerance)
	}
	flat := func(v float32) onnx.Tensor {
		return onnx.Tensor{Shape: []int{1, 3, 64, 64}, Data: slices.Repeat([]float32{v}, 3*64*64)}
	}
	w.near(t, "zeros and ones", lpipsRun(t, run, flat(-1), flat(1)), golden.ZerosOnes, lpipsTolerance)
	t.Logf("worst difference %.2g", w.diff)
}

// TestLPIPSGrowsWithNoise checks that more noise is further away.
func TestLPIPSGrowsWithNoise(t *testing.T) {
	run := openLPIPSRunner(t)
	clean, _ := lpipsRaw(t, "diagonal")
	gen := newMT19937(7)
	noise := make([]float32, len(clean.Data))
	for i := range noise {
		noise[i] = gen.float32()*2 - 1
	}
	last := 0.0
	for _, amount := range []float32{0.01, 0.03, 0.1, 0.3, 0.6} {
		noisy := onnx.Tensor{Shape: clean.Shape, Data: slices.Clone(clean.Data)}
		for i := range noisy.Data {
			noisy.Data[i] += amount * noise[i]
		}
		d := lpipsRun(t, run, clean, noisy)
		if !(d > last) {
			t.Errorf("noise of %g: distance %g, with less noise %g", amount, d, last)
		}
		last = d
	}
}

func TestLPIPSRefuses(t *testing.T) {
	native := openLPIPS(t, 0)
	picture := func(w, h int) *Picture {
		return NewPicture(&pixel.Image{Mode: pixel.RGB, Width: w, Height: h, Pix: make([]uint8, 3*w*h)})
	}
	for _, c := range []struct {
		a, b *Picture
		say  string
	}{
		{picture(32, 40), picture(40, 32), "32×40 and 40×32"},
		{picture(32, 40), picture(32, 41), "lpips-squeeze-64"},
		{picture(16, 64), picture(16, 64), "17"},
		{picture(64, 16), picture(64, 16), "17"},
	} {
		_, err := native.Distance(t.Context(), c.a, c.b)
		if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(fmt.Sprint(err), c.say) {
			t.Errorf("error %v, want one with %q", err, c.say)
		}
	}
	if r, err := native.Distance(t.Context(), picture(17, 17), picture(17, 17)); err != nil || r.Value != 0 {
		t.Errorf("17×17 pixels, black: %v, %v", r.Value, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := native.Distance(ctx, picture(32, 32), picture(32, 32)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
	small := openLPIPS(t, 64)
	if r, err := small.Distance(t.Context(), picture(5, 300), picture(120, 9)); err != nil || r.Value != 0 {
		t.Errorf("any size, black: %v, %v", r.Value, err)
	}
	if small.Name != "lpips-squeeze-64" || small.Preparation == native.Preparation || native.Name != "lpips-squeeze" {
		t.Errorf("identities %+v and %+v", small.Identity(), native.Identity())
	}
}

// TestLPIPSAlpha checks that transparency is dropped, not blended.
func TestLPIPSAlpha(t *testing.T) {
	in := openLPIPS(t, 0)
	rgb := lpipsPicture(t, "reference/published_pairs/lpips/ex_ref.png").RGB()
	rgba := &pixel.Image{Mode: pixel.RGBA, Width: rgb.Width, Height: rgb.Height}
	for i := range rgb.Width * rgb.Height {
		rgba.Pix = append(rgba.Pix, rgb.Pix[3*i], rgb.Pix[3*i+1], rgb.Pix[3*i+2], uint8(i))
	}
	r, err := in.Distance(t.Context(), NewPicture(rgb), NewPicture(rgba))
	if err != nil || r.Value != 0 {
		t.Errorf("distance %g, error %v, want 0", r.Value, err)
	}
}

func TestLPIPSWrongCheckpoints(t *testing.T) {
	e, good := openLPIPSEngine(t), openLPIPSWeights(t)
	for _, c := range []struct {
		name string
		w    onnx.Weights
		say  []string
	}{
		{"heads only", only{good, func(n string) bool { return strings.HasPrefix(n, "lin") }}, []string{"scaling_layer.shift", "lins.0.model.1.weight"}},
		{"no heads", only{good, func(n string) bool { return !strings.HasPrefix(n, "lin") }}, []string{"lin0.model.1.weight", "7 tensors are missing"}},
		{"torchvision's names", only{good, func(n string) bool { return !strings.HasPrefix(n, "net.") }}, []string{"net.slice1.0.weight", "50 tensors are missing"}},
		{"negative head", changed{good, "lin3.model.1.weight", -0.5}, []string{"lin3.model.1.weight", "-0.5"}},
		{"NaN head", changed{good, "lin6.model.1.weight", float32(math.NaN())}, []string{"lin6.model.1.weight", "NaN"}},
	} {
		_, err := OpenLPIPSSqueeze(t.Context(), c.w, "", e)
		if !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: error %v, want one that wraps %v", c.name, err, assay.ErrInvalid)
		}
		for _, s := range c.say {
			if !strings.Contains(fmt.Sprint(err), s) {
				t.Errorf("%s: error %q does not say %q", c.name, err, s)
			}
		}
	}
	for _, side := range []int{-1, 16, 4096} {
		if _, err := OpenLPIPSSqueezeAt(t.Context(), good, "", e, side); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("side %d: error %v", side, err)
		}
	}
	if _, err := OpenLPIPSSqueeze(t.Context(), good, "", nil); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("no engine: error %v", err)
	}
}

func TestLPIPSConcurrent(t *testing.T) {
	in := openLPIPS(t, 64)
	a := lpipsPicture(t, "reference/published_pairs/lpips/ex_ref.png")
	b := lpipsPicture(t, "reference/published_pairs/lpips/ex_p0.png")
	want, err := in.Distance(t.Context(), a, b)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5 {
				if got, err := in.Distance(t.Context(), a, b); err != nil || got.Value != want.Value {
					t.Errorf("%v, %v; alone %v", got.Value, err, want.Value)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkLPIPS(b *testing.B) {
	for _, side := range []int{64, 256} {
		b.Run(fmt.Sprint(side), func(b *testing.B) {
			in := openLPIPS(b, 0)
			gen := newMT19937(1)
			var p [2]*Picture
			for i := range p {
				pix := make([]uint8, 3*side*side)
				for j := range pix {
					pix[j] = uint8(gen.uint32())
				}
				p[i] = NewPicture(&pixel.Image{Mode: pixel.RGB, Width: side, Height: side, Pix: pix})
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := in.Distance(b.Context(), p[0], p[1]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpenLPIPS(b *testing.B) {
	e, w := openLPIPSEngine(b), openLPIPSWeights(b)
	b.ReportAllocs()
	for b.Loop() {
		in, err := OpenLPIPSSqueeze(b.Context(), w, "", e)
		if err != nil {
			b.Fatal(err)
		}
		in.Close()
	}
}
