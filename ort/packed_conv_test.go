package ort

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay/gemm"
	"github.com/gen-emerge/assay/onnx"
)

// numbers returns n values of N(0, scale²).
func numbers(r *rand.Rand, n int, scale float64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64() * scale)
	}
	return v
}

// A chainCase is a chain, plain and packed.
type chainCase struct {
	side, stride, before int
	weight, bias         []float32 // of the first convolution
	channels             int
	steps                []chainStep
}

type chainStep struct {
	in, out, stride              int
	deep, deepBias, weight, bias []float32
}

func newChain(before int) chainCase {
	r := rand.New(rand.NewPCG(7, uint64(before)))
	c := chainCase{side: 40, stride: 2, before: before, channels: 16, weight: numbers(r, 16*27, 0.3), bias: numbers(r, 16, 0.3)}
	in := c.channels
	for i, out := range []int{48, 16, 35} {
		c.steps = append(c.steps, chainStep{in, out, 1 + i%2, numbers(r, in*9, 0.4), numbers(r, in, 0.3), numbers(r, in*out, 0.3), numbers(r, out, 0.3)})
		in = out
	}
	return c
}

const chainMost = 6

// own adds the chain as one operator.
func (c chainCase) own(b *onnx.Builder, x onnx.Value) onnx.Value {
	wide := func(w []float32, out, in int) onnx.Value {
		return b.Const(gemm.PackedShape(out, in), gemm.Pack(w, out, in)...)
	}
	var steps []onnx.SeparableStep
	for _, s := range c.steps {
		steps = append(steps, onnx.SeparableStep{Stride: s.stride, Deep: b.Const(gemm.DeepShape(s.in), gemm.PackDeep(s.deep)...),
			DeepBias: b.Const([]int{s.in}, s.deepBias...), Weight: wide(s.weight, s.out, s.in), Bias: b.Const([]int{s.out}, s.bias...)})
	}
	return b.SeparableChain(x, wide(c.weight, c.channels, 27), b.Const([]int{c.channels}, c.bias...), steps,
		onnx.ChainOptions{Stride: c.stride, Before: c.before, Most: chainMost})
}

// theirs adds it as the library's convolutions.
func (c chainCase) theirs(b *onnx.Builder, x onnx.Value) onnx.Value {
	conv := func(x onnx.Value, w, bias []float32, in, side, stride, groups int) onnx.Value {
		o := onnx.ConvOptions{Stride: [2]int{stride, stride}, Groups: groups}
		switch {
		case side == 3 && stride == 2 && c.before == 0:
			o.Pads = [4]int{0, 0, 1, 1}
		case side == 3:
			o.Pads = [4]int{1, 1, 1, 1}
		}
		return b.Clip(b.Conv(x, b.Const([]int{len(bias), in, side, side}, w...), b.Const([]int{len(bias)}, bias...), o), 0, chainMost)
	}
	x = conv(x, c.weight, c.bias, 3, 3, c.stride, 1)
	for _, s := range c.steps {
		x = conv(x, s.deep, s.deepBias, 1, 3, s.stride, s.in)
		x = conv(x, s.weight, s.bias, s.in, 1, 1, 1)
	}
	return b.Transpose(x, 0, 2, 3, 1)
}

// TestSeparableChain holds the operator in the library to the library's own
// convolutions, with both kinds of padding, and itself on any number of threads to
// the bit.
func TestSeparableChain(t *testing.T) {
	rt := needPacked(t)
	for _, before := range []int{0, 1} {
		c := newChain(before)
		m := build(t, nil, func(b *onnx.Builder) {
			x := b.Input("x", 1, 3, c.side, c.side)
			b.Output("ours", c.own(b, x))
			b.Output("theirs", c.theirs(b, x))
		})
		x := onnx.Tensor{Shape: []int{1, 3, c.side, c.side}, Data: numbers(rand.New(rand.NewPCG(8, 9)), 3*c.side*c.side, 1)}
		var first []float32
		for _, threads := range []int{1, 2, 3} {
			y, err := openSession(t, rt, m, SessionOptions{Threads: threads}).Run(t.Context(), x)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = y[0].Data
			}
			if want := []int{1, 10, 10, 35}; !slices.Equal(y[0].Shape, want) || !slices.Equal(y[0].Data, first) {
				t.Errorf("%d threads: shape %v, want %v, or other numbers than on one thread", threads, y[0].Shape, want)
			}
			for i, v := range y[1].Data {
				if !(math.Abs(float64(v-first[i])) <= 2e-5) {
					t.Fatalf("zeros before: %d: element %d is %g, the library's own convolutions make it %g", before, i, first[i], v)
				}
			}
		}
	}
}

// TestSeparableChainFails: what the graph cannot know is refused when it runs.
func TestSeparableChainFails(t *testing.T) {
	rt := needPacked(t)
	m := build(t, nil, func(b *onnx.Builder) { // panels of another width than ours
		w := b.Const([]int{1, 27, 16}, make([]float32, 27*16)...)
		b.Output("y", b.SeparableChain(b.Input("x", 1, 3, 4, 4), w, b.Const([]int{16}, make([]float32, 16)...), nil, onnx.ChainOptions{Stride: 1, Most: 6}))
	})
	_, err := openSession(t, rt, m, SessionOptions{}).Run(t.Context(), onnx.Tensor{Shape: []int{1, 3, 4, 4}, Data: make([]float32, 48)})
	if err == nil || !strings.Contains(fmt.Sprint(err), "[1 27 16]") {
		t.Errorf("error %v, want one that names the weight's shape", err)
	}
}

// TestPackedConv holds the operators in the library to the library's own: planes, a
// half of odd sides, Winograd's convolution, and the distance of the results.
func TestPackedConv(t *testing.T) {
	rt := needPacked(t)
	r := rand.New(rand.NewPCG(17, 18))
	const h, w, first, out, eps = 15, 21, 16, 48, 1e-10
	w1, b1 := numbers(r, first*27, 0.3), numbers(r, first, 0.3)
	w2, b2 := numbers(r, out*first*9, 0.15), numbers(r, out, 0.3)
	turned := make([]float32, len(w2)) // [out, place, in]
	for i, v := range w2 {
		turned[(i/(first*9)*9+i%9)*first+i/9%first] = v
	}
	head := numbers(r, out, 1)
	m := build(t, nil, func(b *onnx.Builder) {
		x := b.Input("x", 1, 3, onnx.Dynamic, onnx.Dynamic)
		bias1, bias2 := b.Const([]int{first}, b1...), b.Const([]int{out}, b2...)
		y := b.PackedConvRelu(x, b.Const(gemm.PackedShape(first, 27), gemm.Pack(w1, first, 27)...), bias1, onnx.PackedConvOptions{Planes: true})
		plain := b.PackedConvRelu(y, b.Const(gemm.PackedShape(out, 9*first), gemm.Pack(turned, out, 9*first)...), bias2, onnx.PackedConvOptions{Halved: true})
		winograd := b.PackedConvRelu(y, b.Const(gemm.WinogradShape(out, first), gemm.PackWinograd(w2, out, first)...), bias2, onnx.PackedConvOptions{Halved: true})
		pad := onnx.ConvOptions{Pads: [4]int{1, 1, 1, 1}}
		z := b.Relu(b.Conv(x, b.Const([]int{first, 3, 3, 3}, w1...), bias1, pad))
		z = b.MaxPool(z, onnx.PoolOptions{Kernel: [2]int{2, 2}})
		z = b.Relu(b.Conv(z, b.Const([]int{out, first, 3, 3}, w2...), bias2, pad))
		b.Output("theirs", b.Transpose(z, 0, 2, 3, 1))
		b.Output("plain", plain)
		b.Output("winograd", winograd)
		weights := b.Const([]int{1, out, 1, 1}, head...)
		less := b.Relu(b.Sub(plain, b.Scalar(0.3))) // something to compare with
		b.Output("rows", b.UnitDistanceRows(plain, less, weights, eps))
		b.Output("maps", b.UnitDistance(b.Transpose(plain, 0, 3, 1, 2), b.Transpose(less, 0, 3, 1, 2), weights, eps))
	})
	x := onnx.Tensor{Shape: []int{1, 3, h, w}, Data: numbers(r, 3*h*w, 1)}
	var once []onnx.Tensor
	for _, threads := range []int{1, 3} {
		y, err := openSession(t, rt, m, SessionOptions{Threads: threads}).Run(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		if once == nil {
			once = y
		}
		for _, k := range []int{1, 2, 3} {
			if !slices.Equal(y[k].Data, once[k].Data) {
				t.Errorf("result %d on %d threads is not what one thread gives", k, threads)
			}
		}
	}
	if want := []int{1, h / 2, w / 2, out}; !slices.Equal(once[1].Shape, want) || !slices.Equal(once[2].Shape, want) {
		t.Fatalf("shapes %v and %v, want %v", once[1].Shape, once[2].Shape, want)
	}
	for k, pair := range [][2]int{{0, 1}, {0, 2}, {4, 3}} {
		for i, v := range once[pair[0]].Data {
			if got := once[pair[1]].Data[i]; !(math.Abs(float64(got-v)) <= 1e-5) {
				t.Fatalf("comparison %d: element %d is %g, want %g", k, i, got, v)
			}
		}
	}
}

// TestPackedConvFails: what the graph cannot know is refused when it runs.
func TestPackedConvFails(t *testing.T) {
	rt := needPacked(t)
	for name, shape := range map[string][]int{"plain": {1, 144, 8}, "Winograd's": {1, 16, 16, 8}} { // panels of another width than ours
		m := build(t, nil, func(b *onnx.Builder) {
			n := 1
			for _, d := range shape {
				n *= d
			}
			b.Output("y", b.PackedConvRelu(b.Input("x", 1, 4, 4, 16), b.Const(shape, make([]float32, n)...), b.Const([]int{8}, make([]float32, 8)...), onnx.PackedConvOptions{}))
		})
		_, err := openSession(t, rt, m, SessionOptions{}).Run(t.Context(), onnx.Tensor{Shape: []int{1, 4, 4, 16}, Data: make([]float32, 256)})
		if err == nil || !strings.Contains(fmt.Sprint(err), "panels of 32") {
			t.Errorf("%s: error %v, want one that says what panels there must be", name, err)
		}
	}
}
