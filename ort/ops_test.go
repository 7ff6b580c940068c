package ort

import (
	"context"
	"encoding/json"
	"maps"
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
