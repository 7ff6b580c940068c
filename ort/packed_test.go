package ort

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gemm"
	"github.com/gen-emerge/assay/onnx"
)

// needPacked opens the library where packed products can run.
func needPacked(t testing.TB) *Runtime {
	t.Helper()
	rt := openRuntime(t)
	if rt.Packed() == "" {
		t.Skip("this processor cannot run packed products")
	}
	return rt
}

// packedModel is one packed product of x [n, in] with in and out as given.
func packedModel(t testing.TB, in, out int, w, bias []float32) *onnx.Model {
	return build(t, nil, func(b *onnx.Builder) {
		packed := b.Const(gemm.PackedShape(out, in), gemm.Pack(w, out, in)...)
		b.Output("y", b.PackedGemm(b.Input("x", onnx.Dynamic, in), packed, b.Const([]int{out}, bias...)))
	})
}

// TestPackedGemm holds the operator in the library to the product alone, on
// sessions of one and of several threads, and with as many callers.
func TestPackedGemm(t *testing.T) {
	rt := needPacked(t)
	if want := fmt.Sprintf("assay gemm %d", gemm.Version); rt.Packed() != want {
		t.Errorf("the operator is called %q, want %q", rt.Packed(), want)
	}
	r := rand.New(rand.NewPCG(1, 2))
	values := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	const in, out = 67, 75
	w, bias := values(in*out), values(out)
	m := packedModel(t, in, out, w, bias)
	l := gemm.Layer{In: in, Out: out, Weight: gemm.Pack(w, out, in), Bias: bias}
	for _, threads := range []int{1, 2, 3} {
		s := openSession(t, rt, m, SessionOptions{Threads: threads})
		var wg sync.WaitGroup
		for rows := range 8 {
			x := values((rows + 1) * in)
			want := make([]float32, (rows+1)*out)
			if err := l.Apply(want, x, 1); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				for range 50 {
					y, err := s.Run(context.Background(), onnx.Tensor{Shape: []int{rows + 1, in}, Data: x})
					if err != nil || !slices.Equal(y[0].Shape, []int{rows + 1, out}) || !slices.Equal(y[0].Data, want) {
						t.Errorf("%d threads, %d rows: other results than the product alone, or %v", threads, rows+1, err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

// TestPackedGemmInGraph puts the operator between the library's own, and holds it
// to their product.
func TestPackedGemmInGraph(t *testing.T) {
	rt := needPacked(t)
	const in, out = 64, 96
	r := rand.New(rand.NewPCG(3, 4))
	w, bias := make([]float32, in*out), make([]float32, out)
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	graph := func(packed bool) *onnx.Model {
		return build(t, nil, func(b *onnx.Builder) {
			x := b.Relu(b.Reshape(b.Input("x", 1, 5, in), onnx.Dynamic, in))
			bias := b.Const([]int{out}, bias...)
			var plain, quick onnx.Value
			if packed {
				w := b.Const(gemm.PackedShape(out, in), gemm.Pack(w, out, in)...)
				plain, quick = b.PackedGemm(x, w, bias), b.PackedGemmQuickGELU(x, w, bias)
			} else {
				plain = b.Gemm(x, b.Const([]int{out, in}, w...), bias, true)
				quick = b.Mul(plain, b.Sigmoid(b.Mul(plain, b.Scalar(1.702))))
			}
			b.Output("y", b.Reshape(b.Add(b.Gelu(plain), quick), 1, 5, out))
		})
	}
	x := onnx.Tensor{Shape: []int{1, 5, in}, Data: make([]float32, 5*in)}
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	var results [2][]float32
	for i := range results {
		y, err := openSession(t, rt, graph(i == 1), SessionOptions{}).Run(context.Background(), x)
		if err != nil {
			t.Fatal(err)
		}
		results[i] = y[0].Data
	}
	for i, v := range results[0] {
		if got := results[1][i]; !(math.Abs(float64(got-v)) <= 1e-5*(1+math.Abs(float64(v)))) {
			t.Fatalf("element %d is %g, the library's own product gives %g", i, got, v)
		}
	}
}

// TestPackedGemmFails lets an operator fail inside the library: the error must
// come out of Run and say what was wrong.
func TestPackedGemmFails(t *testing.T) {
	rt := needPacked(t)
	m := build(t, nil, func(b *onnx.Builder) { // panels of another width than ours
		w := b.Const([]int{2, 3, 16}, make([]float32, 2*3*16)...)
		b.Output("y", b.PackedGemm(b.Input("x", 2, 3), w, b.Const([]int{32}, make([]float32, 32)...)))
	})
	s := openSession(t, rt, m, SessionOptions{})
	for range 3 { // the session stays usable
		_, err := s.Run(context.Background(), onnx.Tensor{Shape: []int{2, 3}, Data: make([]float32, 6)})
		if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(fmt.Sprint(err), "[2 3 16]") {
			t.Fatalf("error %v, want one that names the weight's shape", err)
		}
	}
}

// TestSelfAttention holds the operator in the library to the attention alone, and
// to the library's own.
func TestSelfAttention(t *testing.T) {
	rt := needPacked(t)
	const width, heads, n = 32, 4, 21
	r := rand.New(rand.NewPCG(5, 6))
	x := onnx.Tensor{Shape: []int{1, n, 3 * width}, Data: make([]float32, 3*n*width)}
	for i := range x.Data {
		x.Data[i] = float32(r.NormFloat64())
	}
	want := make([]float32, n*width)
	if err := (gemm.Attention{Width: width, Heads: heads}).Apply(want, x.Data, 1); err != nil {
		t.Fatal(err)
	}
	m := build(t, nil, func(b *onnx.Builder) {
		x := b.Input("x", 1, onnx.Dynamic, 3*width)
		b.Output("ours", b.SelfAttention(x, heads))
		parts := b.Split(x, -1, 3)
		b.Output("theirs", b.Attention(parts[0], parts[1], parts[2], onnx.AttentionOptions{Heads: heads}))
	})
	for _, threads := range []int{1, 3} {
		y, err := openSession(t, rt, m, SessionOptions{Threads: threads}).Run(context.Background(), x)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(y[0].Shape, []int{1, n, width}) || !slices.Equal(y[0].Data, want) {
			t.Errorf("%d threads: shape %v, or other results than the attention alone", threads, y[0].Shape)
		}
		for i, v := range y[1].Data {
			if !(math.Abs(float64(v-want[i])) <= 1e-5) {
				t.Fatalf("element %d is %g, the library's own gives %g", i, want[i], v)
			}
		}
	}
}

// BenchmarkPackedGemmCall measures what a call costs beside the product.
func BenchmarkPackedGemmCall(b *testing.B) {
	rt := needPacked(b)
	const nodes = 100
	m := build(b, nil, func(g *onnx.Builder) {
		x := g.Input("x", 1, 1)
		for range nodes {
			x = g.PackedGemm(x, g.Const([]int{1, 1, gemm.Panel}, make([]float32, gemm.Panel)...), g.Const([]int{1}, 1))
		}
		g.Output("y", x)
	})
	s := openSession(b, rt, m, SessionOptions{Threads: 1})
	x := onnx.Tensor{Shape: []int{1, 1}, Data: []float32{1}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Run(context.Background(), x); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/nodes, "ns/node")
}

// TestUnitDistance holds the operator in the library to the distance alone, to the
// bit, and to the library's own operators.
func TestUnitDistance(t *testing.T) {
	rt := needPacked(t)
	const channels, h, w, eps = 37, 11, 50, 1e-10
	r := rand.New(rand.NewPCG(3, 4))
	weight := make([]float32, channels)
	for i := range weight {
		weight[i] = r.Float32()
	}
	m := build(t, nil, func(b *onnx.Builder) {
		f, g := b.Input("f", 1, channels, onnx.Dynamic, onnx.Dynamic), b.Input("g", 1, channels, onnx.Dynamic, onnx.Dynamic)
		head := b.Const([]int{1, channels, 1, 1}, weight...)
		b.Output("ours", b.UnitDistance(f, g, head, eps))
		unit := func(x onnx.Value) onnx.Value {
			return b.Div(x, b.Add(b.Sqrt(b.ReduceSum(b.Mul(x, x), true, 1)), b.Scalar(eps)))
		}
		d := b.Sub(unit(f), unit(g))
		b.Output("theirs", b.Conv(b.Mul(d, d), head, onnx.Value{}, onnx.ConvOptions{}))
	})
	f, g, want := make([]float32, channels*h*w), make([]float32, channels*h*w), make([]float32, h*w)
	for i := range f {
		f[i], g[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
	}
	if err := (gemm.UnitDistance{Weight: weight, Eps: eps}).Apply(want, f, g, 1); err != nil {
		t.Fatal(err)
	}
	shape := []int{1, channels, h, w}
	for _, threads := range []int{1, 3} {
		s := openSession(t, rt, m, SessionOptions{Threads: threads})
		y, err := s.Run(t.Context(), onnx.Tensor{Shape: shape, Data: f}, onnx.Tensor{Shape: shape, Data: g})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(y[0].Shape, []int{1, 1, h, w}) || !slices.Equal(y[0].Data, want) {
			t.Errorf("%d threads: other results than the distance alone", threads)
		}
		for i, v := range y[1].Data {
			if math.Abs(float64(v-want[i])) > 1e-5 {
				t.Fatalf("position %d is %g, the library's own operators make it %g", i, want[i], v)
			}
		}
	}
	alone := openSession(t, rt, build(t, nil, func(b *onnx.Builder) {
		f, g := b.Input("f", 1, channels, onnx.Dynamic, onnx.Dynamic), b.Input("g", 1, channels, onnx.Dynamic, onnx.Dynamic)
		b.Output("y", b.UnitDistance(f, g, b.Const([]int{1, channels, 1, 1}, weight...), eps))
	}), SessionOptions{})
	_, err := alone.Run(t.Context(), onnx.Tensor{Shape: shape, Data: f}, onnx.Tensor{Shape: []int{1, channels, w, h}, Data: g})
	if err == nil || !strings.Contains(err.Error(), "one pair of one shape") {
		t.Errorf("maps of two shapes: %v", err)
	}
}
