package backbone

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/gen-emerge/assay/gemm"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/weights"
)

// TestLinear runs the layer of package nn, which cannot reach a runtime itself,
// and compares with sums in double precision.
func TestLinear(t *testing.T) {
	const in, out = 7, 5
	w := memory{"fc.weight": synthetic(1, 1, out, in), "fc.bias": synthetic(2, 1, out)}
	for _, shape := range [][]int{{in}, {3, in}, {2, 3, in}, {2, 1, 3, in}} {
		for _, first := range []int{shape[0], onnx.Dynamic} {
			declared := append([]int{first}, shape[1:]...)
			if len(shape) == 1 {
				declared = shape
			}
			b := onnx.NewBuilder(w)
			b.Output("y", nn.Linear(b, "fc", b.Input("x", declared...), in, out))
			m, err := b.Build()
			if err != nil {
				t.Fatal(err)
			}
			x := synthetic(3, 1, shape...)
			got, err := openSession(t, m).Run(t.Context(), x)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range got[0].Data {
				want := float64(w["fc.bias"].Data[i%out])
				for k := range in {
					want += float64(x.Data[i/out*in+k]) * float64(w["fc.weight"].Data[i%out*in+k])
				}
				if math.Abs(float64(v)-want) > 1e-6 {
					t.Errorf("%v: element %d is %g, want %g", shape, i, v, want)
				}
			}
			if n := len(x.Data) / in * out; len(got[0].Data) != n || len(got[0].Shape) != len(shape) {
				t.Errorf("%v gives %v", shape, got[0].Shape)
			}
		}
	}
}

func TestLayerNorm(t *testing.T) {
	const n, eps = 6, 1e-5
	w := memory{"ln.weight": synthetic(1, 1, n), "ln.bias": synthetic(2, 1, n)}
	b := onnx.NewBuilder(w)
	b.Output("y", nn.LayerNorm(b, "ln", b.Input("x", 4, n), n, eps))
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	x := synthetic(3, 2, 4, n)
	got, err := openSession(t, m).Run(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got[0].Data {
		row := x.Data[i/n*n : (i/n+1)*n]
		var mean, variance float64
		for _, r := range row {
			mean += float64(r) / n
		}
		for _, r := range row {
			variance += (float64(r) - mean) * (float64(r) - mean) / n
		}
		want := (float64(x.Data[i])-mean)/math.Sqrt(variance+eps)*float64(w["ln.weight"].Data[i%n]) + float64(w["ln.bias"].Data[i%n])
		if math.Abs(float64(v)-want) > 1e-5 {
			t.Errorf("element %d is %g, want %g", i, v, want)
		}
	}
}

// TestLinearInt8 compares with the same arithmetic in Go, and checks that a row
// does not depend on the others, to the bit.
func TestLinearInt8(t *testing.T) {
	const in, out, rows = 48, 20, 6
	weight, bias := synthetic(1, 0.5, out, in), synthetic(2, 1, out)
	s := slot{name: "fc.weight", shape: []int{out, in}, role: linear}
	pieces := quantized(s, func() ([]float32, error) { return weight.Data, nil })
	pieces = append(pieces, weights.Piece{Name: "fc.bias", Shape: []int{out}, DType: "float32",
		Make: func() ([]byte, error) { return weights.Float32Bytes(bias.Data), nil }})
	b := onnx.NewBuilder(prepared(t, pieces))
	b.Output("y", nn.Int8.Linear(b, "fc", b.Input("x", 1, onnx.Dynamic, in), in, out))
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	session := openSession(t, m)
	x := synthetic(3, 1, 1, rows, in)
	for i := range x.Data { // rows of very different sizes, one of them all zeros
		x.Data[i] *= []float32{1, 100, 1e-3, 0, 1e-20, 5}[i/in]
	}
	all, err := session.Run(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	scales := rowScales(weight.Data, out, in)
	for r := range rows {
		row := x.Data[r*in : (r+1)*in]
		alone, err := session.Run(t.Context(), onnx.Tensor{Shape: []int{1, 1, in}, Data: row})
		if err != nil {
			t.Fatal(err)
		}
		var most float32
		for _, v := range row {
			most = max(most, v, -v)
		}
		scale := max(most, 1e-30) * float32(1.0/127)
		for o := range out {
			sum := 0.0
			for c, v := range row {
				w := math.RoundToEven(float64(weight.Data[o*in+c] / scales[o]))
				sum += math.RoundToEven(float64(v/scale)) * w
			}
			want := sum*float64(scales[o])*float64(scale) + float64(bias.Data[o])
			got := all[0].Data[r*out+o]
			if d := math.Abs(float64(got) - want); !(d <= 1e-6*max(1, math.Abs(want))) {
				t.Errorf("row %d, output %d is %g, want %g", r, o, got, want)
			}
			if math.Float32bits(got) != math.Float32bits(alone[0].Data[o]) {
				t.Errorf("row %d, output %d is %g, alone it is %g", r, o, got, alone[0].Data[o])
			}
			exact := float64(bias.Data[o])
			for c, v := range row {
				exact += float64(v) * float64(weight.Data[o*in+c])
			}
			// Each of 48 products is off by half a step of either factor at most.
			if d, most := math.Abs(float64(got)-exact), 48*float64(most)*0.5/127*1.01; !(d <= most+1e-6) {
				t.Errorf("row %d, output %d is %g, exactly it were %g", r, o, got, exact)
			}
		}
	}
}

// TestPackedPieces: a packed file holds the same tensors, the linear weights in
// panels, and each says which plain tensor it is.
func TestPackedPieces(t *testing.T) {
	cases, _ := golden(t)
	for _, g := range cases {
		plain, packed := g.pieces(t, nn.Float32), g.pieces(t, nn.Packed)
		if len(plain) != len(packed) {
			t.Fatalf("%s: %d pieces and %d packed", g.Name, len(plain), len(packed))
		}
		forms := 0
		for i, p := range packed {
			raw, err := p.Make()
			if err != nil {
				t.Fatal(err)
			}
			if p.Of != nil {
				forms++
				out, in := p.Of.Shape[0], p.Of.Shape[1]
				if !slices.Equal(p.Shape, gemm.PackedShape(out, in)) || len(raw) != 4*volume(p.Shape) {
					t.Errorf("%s: %s is %v, packed %v of %d bytes", g.Name, p.Name, p.Of.Shape, p.Shape, len(raw))
				}
				p = *p.Of
				if raw, err = p.Make(); err != nil {
					t.Fatal(err)
				}
			}
			want, err := plain[i].Make()
			if err != nil {
				t.Fatal(err)
			}
			if p.Name != plain[i].Name || !slices.Equal(p.Shape, plain[i].Shape) || !bytes.Equal(raw, want) {
				t.Errorf("%s: %s %v is a form of other values than %s %v", g.Name, p.Name, p.Shape, plain[i].Name, plain[i].Shape)
			}
		}
		if forms == 0 || forms%4 != 0 {
			t.Errorf("%s: %d packed weights, want four a block", g.Name, forms)
		}
	}
}

// TestTowersInt8: features of 8-bit products point where those of float32 do. The
// networks are tiny and their rows short, so the bound is wide; it is there to
// catch scales on the wrong axis, which give cosines near 0.
func TestTowersInt8(t *testing.T) {
	cases, _ := golden(t)
	for _, g := range cases {
		out, err := openSession(t, g.model(t, nn.Int8)).Run(t.Context(), g.input())
		if err != nil {
			t.Fatal(err)
		}
		_, angle := apart(t, g.Name, out[0], g.Shape, g.Want)
		if !(angle <= 2e-3 && angle > 1e-9) {
			t.Errorf("%s: cosine below 1 by %.2g", g.Name, angle)
		}
	}
}
