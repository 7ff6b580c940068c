package backbone

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/gen-emerge/assay/gemm"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/ort"
)

// floatForms are the ways in which products in float32 are taken here.
func floatForms() []nn.Precision {
	if gemm.Supported() {
		return []nn.Precision{nn.Float32, nn.Packed}
	}
	return []nn.Precision{nn.Float32}
}

// TestTowers compares every tower with its authors' network.
func TestTowers(t *testing.T) {
	for _, p := range floatForms() {
		t.Run(string(p), func(t *testing.T) { testTowers(t, p) })
	}
}

func testTowers(t *testing.T, p nn.Precision) {
	cases, _ := golden(t)
	for _, g := range cases {
		t.Run(g.Name, func(t *testing.T) {
			s := openSession(t, g.model(t, p))
			out, err := s.Run(t.Context(), g.input())
			if err != nil {
				t.Fatal(err)
			}
			worst, angle := apart(t, g.Name, out[0], g.Shape, g.Want)
			if !(worst <= 2e-5 && angle <= 1e-7) { // written so that NaN fails
				t.Errorf("off by %.2g of the largest component, cosine below 1 by %.2g", worst, angle)
			}
			t.Logf("off by %.2g, cosine below 1 by %.2g", worst, angle)
			if g.IDs == nil && !slices.Equal(g.vit(t).Shape(), g.Shape) {
				t.Errorf("the row says shape %v, it is %v", g.vit(t).Shape(), g.Shape)
			}
		})
	}
}

// TestTowersDiffer makes sure that the golden values can tell activations, pools
// and adapters apart, since every tolerance would be met by nothing else.
func TestTowersDiffer(t *testing.T) {
	cases, _ := golden(t)
	named := map[string]goldenTower{}
	for _, g := range cases {
		named[g.Name] = g
	}
	for _, pair := range [][2]string{
		{"open_clip gelu", "openai"}, {"open_clip gelu, 5 tokens", "openai, 5 tokens"},
		{"dreamsim clip", "dreamsim open_clip"}, {"dino tokens", "dino with adapter"}, {"dino", "dino normed"},
	} {
		a, b := named[pair[0]], named[pair[1]]
		worst, _ := apart(t, a.Name, onnx.Tensor{Shape: a.Shape, Data: a.Want}, b.Shape, b.Want)
		if !(worst > 1e-4) {
			t.Errorf("%q and %q differ by %.2g: too little to test with", pair[0], pair[1], worst)
		}
	}
}

// TestLayoutsAgree: one set of weights gives one file, whatever names and types it
// came in.
func TestLayoutsAgree(t *testing.T) {
	cases, _ := golden(t)
	for _, p := range []nn.Precision{nn.Float32, nn.Packed, nn.Int8} {
		first := map[bool][]byte{}
		files := map[string]bool{}
		for _, g := range cases {
			if g.Layout == Timm {
				continue
			}
			got, text := file(t, g.pieces(t, p)), g.IDs != nil
			if first[text] == nil {
				first[text] = got
			}
			if !bytes.Equal(got, first[text]) {
				t.Errorf("%s: the prepared file from %s differs", g.Name, g.File)
			}
			files[g.File] = true
		}
		if len(files) != 3 {
			t.Errorf("compared %d containers, want 3", len(files))
		}
	}
}

// TestMerge compares merged weights with peft's, which sums the product in
// float32: a bit of difference in the sum is one in the last place of the addend.
func TestMerge(t *testing.T) {
	cases, _ := golden(t)
	i := slices.IndexFunc(cases, func(g goldenTower) bool { return g.Adapter != "" })
	if i < 0 {
		t.Fatal("no case with an adapter")
	}
	got, want := prepared(t, cases[i].pieces(t, nn.Float32)), open(t, "testdata/dino_merged.safetensors", "")
	worst, moved := 0.0, 0
	for _, name := range want.Names() {
		a, err := got.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := want.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(a) != len(b) {
			t.Fatalf("%s: %d values, want %d", name, len(a), len(b))
		}
		for i := range a {
			if d := math.Abs(float64(a[i]) - float64(b[i])); d > 0 {
				moved++
				// The sum of four products below 4 is rounded at 2⁻²³ of its size or so.
				worst = max(worst, d/max(math.Abs(float64(b[i])), 1))
			}
		}
	}
	if !(worst <= 2.4e-7) {
		t.Errorf("off by %.2g, want at most two units in the last place", worst)
	}
	t.Logf("%d values of %d differ, by at most %.2g", moved, 2*192*64, worst)
}

// TestInterpolate compares positions with DINO's own method, on DINOv2's grids and
// on one that grows.
func TestInterpolate(t *testing.T) {
	_, grids := golden(t)
	for _, g := range grids {
		at := synthetic(g.Number, 1, 1+g.From*g.From, 4)
		got := interpolated(at.Data, g.From, g.To, 4)
		worst, _ := apart(t, fmt.Sprint(g.From), onnx.Tensor{Shape: []int{len(got)}, Data: got}, []int{len(g.Want)}, g.Want)
		// Values of 1 with factors of up to 1: some roundings to float32, PyTorch's in
		// the factors and sums, which fall as its compiler likes.
		if !(worst <= 1e-6) {
			t.Errorf("%d to %d: off by %.2g", g.From, g.To, worst)
		}
		t.Logf("%d to %d: off by %.2g", g.From, g.To, worst)
	}
	// The coordinates that the DINOv2 authors' factor 16.1/37 leads to.
	taps := cubicTaps(37, 16)
	for d, want := range map[int]float64{0: 0.649068, 1: 2.947205, 15: 35.121118} {
		first := math.Floor(want)
		u := want - first
		near := float64(cubicNear(float32(u)))
		if taps[d].at[1] != int(first) || math.Abs(taps[d].factor[1]-near) > 1e-5 {
			t.Errorf("position %d lies at %d with factor %g, want %d and %g", d, taps[d].at[1], taps[d].factor[1], int(first), near)
		}
	}
}

// TestConcurrent: a feature does not depend on what runs beside it, nor on the
// number of threads, to the bit.
func TestConcurrent(t *testing.T) {
	cases, _ := golden(t)
	for _, g := range cases {
		if g.Name != "transformers quick_gelu" && g.Name != "dinov2 tokens" && g.Name != "openai, 5 tokens" {
			continue
		}
		for _, p := range append(floatForms(), nn.Int8) {
			m := g.model(t, p)
			want, err := openSession(t, m, ort.SessionOptions{Threads: 2}).Run(t.Context(), g.input())
			if err != nil {
				t.Fatal(err)
			}
			s := openSession(t, m, ort.SessionOptions{Threads: 1})
			var wg sync.WaitGroup
			for caller := range 4 {
				wg.Go(func() {
					for range 5 {
						got, err := s.Run(t.Context(), g.input())
						if err != nil {
							t.Error(err)
							return
						}
						for i, v := range got[0].Data {
							if math.Float32bits(v) != math.Float32bits(want[0].Data[i]) {
								t.Errorf("%s %s, caller %d: component %d is %g, alone it was %g", g.Name, p, caller, i, v, want[0].Data[i])
								return
							}
						}
					}
				})
			}
			wg.Wait()
		}
	}
}
