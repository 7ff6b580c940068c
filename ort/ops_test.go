package ort

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/gen-emerge/assay/onnx"
)

// ops are the expressions of reference/ort_ops.py as graphs.
var ops = map[string]func(b *onnx.Builder, v []onnx.Value) onnx.Value{
	"conv": func(b *onnx.Builder, v []onnx.Value) onnx.Value {
		return b.Conv(v[0], v[1], v[2], onnx.ConvOptions{})
	},
	"conv stride 2 pad 1": func(b *onnx.Builder, v []onnx.Value) onnx.Value {
		return b.Conv(v[0], v[1], v[2], onnx.ConvOptions{Stride: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}})
	},
	"conv 1x3 asymmetric pads": func(b *onnx.Builder, v []onnx.Value) onnx.Value {
		return b.Conv(v[0], v[1], v[2], onnx.ConvOptions{Pads: [4]int{0, 2, 1, 1}})
	},
	"conv groups dilation, no bias": func(b *onnx.Builder, v []onnx.Value) onnx.Value {
		return b.Conv(v[0], v[1], onnx.Value{}, onnx.ConvOptions{Groups: 2, Dilation: [2]int{2, 2}})
	},
	"max pool": func(b *onnx.Builder, v []onnx.Value) onnx.Value {
		return b.MaxPool(v[0], onnx.PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}})
	},
	"max pool ceil": func(b *onnx.Builder, v []onnx.Value) onnx.Value {
		return b.MaxPool(v[0], onnx.PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Ceil: true})
	},
	"max pool ceil, less than a window": func(b *onnx.Builder, v []onnx.Value) onnx.Value {
		return b.MaxPool(v[0], onnx.PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Ceil: true})
	},
	"max pool pad": func(b *onnx.Builder, v []onnx.Value) onnx.Value {
		return b.MaxPool(v[0], onnx.PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}})
	},
	"average pool": func(b *onnx.Builder, v []onnx.Value) onnx.Value {
		return b.AveragePool(v[0], onnx.PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}})
	},
	"average pool count pad": func(b *onnx.Builder, v []onnx.Value) onnx.Value {
		return b.AveragePool(v[0], onnx.PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{1, 1}, Pads: [4]int{1, 1, 1, 1}, CountPad: true})
	},
	"resize up":      func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.ResizeBilinear(v[0], 11, 9) },
	"resize down":    func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.ResizeBilinear(v[0], 4, 3) },
	"add broadcast":  func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Add(v[0], v[1]) },
	"sub":            func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Sub(v[0], v[1]) },
	"mul":            func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Mul(v[0], v[1]) },
	"div":            func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Div(v[0], v[1]) },
	"relu":           func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Relu(v[0]) },
	"sigmoid":        func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Sigmoid(v[0]) },
	"sqrt of square": func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Sqrt(b.Mul(v[0], v[0])) },
	"erf":            func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Erf(v[0]) },
	"gelu":           func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Gelu(v[0]) },
	"softmax last":   func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Softmax(v[0], -1) },
	"softmax 1":      func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Softmax(v[0], 1) },
	"mean keep":      func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.ReduceMean(v[0], true, 2, 3) },
	"mean":           func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.ReduceMean(v[0], false, -1, 0) },
	"sum keep":       func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.ReduceSum(v[0], true, 1) },
	"cast": func(b *onnx.Builder, v []onnx.Value) onnx.Value {
		return b.Cast(b.Cast(v[0], onnx.Int64), onnx.Float32)
	},
	"concat": func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Concat(-2, v...) },
	"reshape transpose": func(b *onnx.Builder, v []onnx.Value) onnx.Value {
		return b.Reshape(b.Transpose(v[0], 2, 0, 1), 4, onnx.Dynamic)
	},
	"matmul":       func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.MatMul(v[0], v[1]) },
	"matmul batch": func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.MatMul(v[0], v[1]) },
	"gemm":         func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Gemm(v[0], v[1], v[2], false) },
	"gemm transposed, no bias": func(b *onnx.Builder, v []onnx.Value) onnx.Value {
		return b.Gemm(v[0], v[1], onnx.Value{}, true)
	},
	"layer norm": func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.LayerNorm(v[0], v[1], v[2], 1e-5) },
}

// TestOperators runs every operator and compares with PyTorch. The tolerance is
// a few units in the last place of sums of some thirty products up to 4.
func TestOperators(t *testing.T) {
	rt := openRuntime(t)
	data, err := os.ReadFile("testdata/ops.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases map[string]struct {
			In   []onnx.Tensor
			Want onnx.Tensor
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(ops)), slices.Sorted(maps.Keys(golden.Cases)); !slices.Equal(got, want) {
		t.Fatalf("cases %q, golden values for %q", got, want)
	}
	for name, c := range golden.Cases {
		t.Run(name, func(t *testing.T) {
			for _, dynamic := range []bool{false, true} {
				var static []int
				m := build(t, nil, func(b *onnx.Builder) {
					var in []onnx.Value
					for i, x := range c.In {
						shape := slices.Clone(x.Shape)
						if dynamic && i == 0 { // the data; the others are parameters
							if len(shape) == 4 {
								shape[2], shape[3] = onnx.Dynamic, onnx.Dynamic
							} else {
								shape[0] = onnx.Dynamic
							}
						}
						in = append(in, b.Input(string(rune('a'+i)), shape...))
					}
					v := ops[name](b, in)
					static = v.Shape()
					b.Output("y", v)
				})
				s := openSession(t, rt, m, SessionOptions{Threads: 1})
				got, err := s.Run(context.Background(), c.In...)
				if err != nil {
					t.Fatal(err)
				}
				near(t, name, got[0], c.Want, 5e-6)
				for i, d := range static {
					if d != onnx.Dynamic && d != c.Want.Shape[i] {
						t.Errorf("the builder says shape %v, it is %v", static, c.Want.Shape)
					}
					if d == onnx.Dynamic && !dynamic {
						t.Errorf("the builder does not know shape %v of fixed inputs", static)
					}
				}
			}
		})
	}
}

// attend is scaled dot-product attention in double precision, over sequences
// [length, width] of one batch.
func attend(q, k, v onnx.Tensor, heads int, causal bool) []float64 {
	width := q.Shape[2]
	t, s, d := q.Shape[1], k.Shape[1], width/heads
	out := make([]float64, t*width)
	for h := range heads {
		for i := range t {
			weights, sum := make([]float64, s), 0.0
			for j := range s {
				if causal && j > i {
					continue
				}
				dot := 0.0
				for c := h * d; c < (h+1)*d; c++ {
					dot += float64(q.Data[i*width+c]) * float64(k.Data[j*width+c])
				}
				weights[j] = math.Exp(dot / math.Sqrt(float64(d)))
				sum += weights[j]
			}
			for j := range s {
				for c := h * d; c < (h+1)*d; c++ {
					out[i*width+c] += weights[j] / sum * float64(v.Data[j*width+c])
				}
			}
		}
	}
	return out
}

// TestAttention compares ONNX Runtime's own operator, of which no other runtime's
// word is to be had, with sums in double precision.
func TestAttention(t *testing.T) {
	rt := openRuntime(t)
	for _, c := range []struct {
		t, s, width, heads int
		causal             bool
	}{
		{5, 5, 12, 3, false}, {5, 5, 12, 3, true}, {1, 1, 8, 2, true}, {1, 7, 8, 2, false}, {3, 9, 20, 1, false}, {33, 33, 160, 2, true},
	} {
		q, k, v := uniform(1, 1, c.t, c.width), uniform(2, 1, c.s, c.width), uniform(3, 1, c.s, c.width)
		for i := range q.Data {
			q.Data[i] *= 4 // so that weights differ
		}
		want := attend(q, k, v, c.heads, c.causal)
		for _, open := range []bool{false, true} {
			m := build(t, nil, func(b *onnx.Builder) {
				input := func(name string, n int) onnx.Value {
					if open {
						n = onnx.Dynamic
					}
					return b.Input(name, 1, n, c.width)
				}
				b.Output("y", b.Attention(input("q", c.t), input("k", c.s), input("v", c.s), onnx.AttentionOptions{Heads: c.heads, Causal: c.causal}))
			})
			got, err := openSession(t, rt, m, SessionOptions{}).Run(t.Context(), q, k, v)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got[0].Shape, q.Shape) {
				t.Fatalf("%+v: shape %v", c, got[0].Shape)
			}
			for i, w := range want {
				if d := math.Abs(float64(got[0].Data[i]) - w); !(d <= 2e-6) {
					t.Fatalf("%+v: element %d is %g, want %g", c, i, got[0].Data[i], w)
				}
			}
		}
	}
}

// TestSequenceOperators checks the operators that move values or round them, whose
// results are known exactly.
func TestSequenceOperators(t *testing.T) {
	rt := openRuntime(t)
	x := onnx.Tensor{Shape: []int{4, 3}, Data: []float32{0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32}}
	ids := onnx.Tensor{Shape: []int{1, 3}, Data: []float32{2, 0, -1}}
	wide := onnx.Tensor{Shape: []int{2, 4}, Data: []float32{-128.5, 0.5, 1.5, 127.4, -1000, 1000, -2.5, -0.4}}
	for _, c := range []struct {
		name  string
		in    []onnx.Tensor
		graph func(b *onnx.Builder, v []onnx.Value) onnx.Value
		shape []int
		want  []float32
	}{
		{"gather", []onnx.Tensor{x, ids}, func(b *onnx.Builder, v []onnx.Value) onnx.Value {
			return b.Gather(v[0], b.Cast(v[1], onnx.Int64), 0)
		}, []int{1, 3, 3}, []float32{20, 21, 22, 0, 1, 2, 30, 31, 32}},
		{"gather columns", []onnx.Tensor{x, ids}, func(b *onnx.Builder, v []onnx.Value) onnx.Value {
			return b.Gather(v[0], b.Cast(v[1], onnx.Int64), -1)
		}, []int{4, 1, 3}, []float32{2, 0, 2, 12, 10, 12, 22, 20, 22, 32, 30, 32}},
		{"slice", []onnx.Tensor{x}, func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Slice(v[0], 0, 1, 3) },
			[]int{2, 3}, []float32{10, 11, 12, 20, 21, 22}},
		{"slice from the end", []onnx.Tensor{x}, func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Slice(v[0], 1, -2, -1) },
			[]int{4, 1}, []float32{1, 11, 21, 31}},
		{"last", []onnx.Tensor{x}, func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Slice(v[0], 0, -1, onnx.End) },
			[]int{1, 3}, []float32{30, 31, 32}},
		{"head", []onnx.Tensor{x, ids}, func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Head(v[0], b.Length(v[1], 1), 0) },
			[]int{3, 3}, []float32{0, 1, 2, 10, 11, 12, 20, 21, 22}},
		{"head of fewer", []onnx.Tensor{ids, x}, func(b *onnx.Builder, v []onnx.Value) onnx.Value { return b.Head(v[0], b.Length(v[1], 0), 1) },
			[]int{1, 3}, []float32{2, 0, -1}},
		{"split", []onnx.Tensor{x}, func(b *onnx.Builder, v []onnx.Value) onnx.Value {
			parts := b.Split(v[0], 1, 3)
			return b.Concat(1, parts[2], parts[0], parts[1])
		}, []int{4, 3}, []float32{2, 0, 1, 12, 10, 11, 22, 20, 21, 32, 30, 31}},
		{"largest", []onnx.Tensor{wide}, func(b *onnx.Builder, v []onnx.Value) onnx.Value {
			return b.Max(b.ReduceMax(b.Abs(v[0]), true, 1), b.Scalar(200))
		}, []int{2, 1}, []float32{200, 1000}},
		{"quantize", []onnx.Tensor{wide}, func(b *onnx.Builder, v []onnx.Value) onnx.Value {
			return b.Cast(b.Quantize(v[0]), onnx.Float32)
		}, []int{2, 4}, []float32{0, 128, 130, 255, 0, 255, 126, 128}},
	} {
		for _, open := range []bool{false, true} {
			m := build(t, nil, func(b *onnx.Builder) {
				var in []onnx.Value
				for i, x := range c.in {
					shape := slices.Clone(x.Shape)
					if open {
						shape[0] = onnx.Dynamic
					}
					in = append(in, b.Input(string(rune('a'+i)), shape...))
				}
				b.Output("y", c.graph(b, in))
			})
			got, err := openSession(t, rt, m, SessionOptions{Threads: 1}).Run(t.Context(), c.in...)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			sameBits(t, c.name, got[0], onnx.Tensor{Shape: c.shape, Data: c.want})
		}
	}
}

// int8Weights is a checkpoint of one int8 matrix.
type int8Weights struct {
	shape []int
	data  []byte
}

func (w int8Weights) Names() []string { return []string{"w"} }

func (w int8Weights) Shape(string) ([]int, bool) { return w.shape, true }

func (w int8Weights) Place(string) (file string, offset, length int64, dtype string) {
	return "", 0, int64(len(w.data)), "int8"
}

func (w int8Weights) Bytes(string) ([]byte, error) { return w.data, nil }

// TestMatMulInteger compares with exact sums, for sizes that leave remainders in
// every blocking. The values stay below where a processor without VNNI clips.
func TestMatMulInteger(t *testing.T) {
	rt := openRuntime(t)
	for _, c := range [][3]int{{1, 1, 1}, {3, 7, 5}, {1, 64, 33}, {17, 130, 65}} {
		rows, in, out := c[0], c[1], c[2]
		x, w := uniform(1, rows, in), int8Weights{shape: []int{in, out}, data: make([]byte, in*out)}
		for i := range x.Data {
			x.Data[i] = float32(math.Round(float64(x.Data[i]) * 60))
		}
		for i, v := range uniform(2, in, out).Data {
			w.data[i] = byte(int8(v * 64))
		}
		m := build(t, w, func(b *onnx.Builder) {
			b.Output("y", b.Cast(b.MatMulInteger(b.Quantize(b.Input("x", rows, in)), b.Param("w", in, out)), onnx.Float32))
		})
		want := onnx.Tensor{Shape: []int{rows, out}, Data: make([]float32, rows*out)}
		for r := range rows {
			for o := range out {
				sum := 0
				for i := range in {
					sum += int(x.Data[r*in+i]) * int(int8(w.data[i*out+o]))
				}
				want.Data[r*out+o] = float32(sum)
			}
		}
		got, err := openSession(t, rt, m, SessionOptions{Threads: 1}).Run(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		sameBits(t, "integer product", got[0], want)
	}
}
