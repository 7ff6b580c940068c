package ort

import (
	"math"
	"testing"

	"github.com/gen-emerge/assay/onnx"
)

// TestClip needs no reference: the result is one of three numbers.
func TestClip(t *testing.T) {
	b := onnx.NewBuilder(nil)
	x := b.Input("x", 7)
	b.Output("y", b.Clip(x, 0, 6))
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	in := []float32{-1e30, -0.5, 0, 3.25, 6, 6.0000005, float32(math.Inf(1))}
	want := []float32{0, 0, 0, 3.25, 6, 6, 6}
	out, err := openSession(t, openRuntime(t), m, SessionOptions{}).Run(t.Context(), onnx.Tensor{Shape: []int{7}, Data: in})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range out[0].Data {
		if v != want[i] {
			t.Errorf("%v becomes %v, want %v", in[i], v, want[i])
		}
	}
}
