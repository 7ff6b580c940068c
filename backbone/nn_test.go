package backbone

import (
	"math"
	"testing"

	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
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
