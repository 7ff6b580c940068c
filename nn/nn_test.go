package nn

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay/onnx"
)

// What the layers compute is tested in package backbone, which can run them.

// shapes is a checkpoint of zeros.
type shapes map[string][]int

func (w shapes) Names() []string { return slices.Sorted(maps.Keys(w)) }

func (w shapes) Shape(name string) ([]int, bool) { s, ok := w[name]; return s, ok }

func (w shapes) Place(name string) (file string, offset, length int64, dtype string) {
	n := 4
	for _, d := range w[name] {
		n *= d
	}
	return "", 0, int64(n), "float32"
}

func (w shapes) Bytes(name string) ([]byte, error) {
	_, _, n, _ := w.Place(name)
	return make([]byte, n), nil
}

// stack and causal are the same blocks, without and with a mask.
var (
	stack  = Transformer{Width: 8, Heads: 2, MLP: 12, Activation: GELU, Eps: 1e-5, LayerScale: true, Precision: Float32}
	causal = Transformer{Width: 8, Heads: 2, MLP: 12, Activation: GELU, Eps: 1e-5, LayerScale: true, Causal: true, Precision: Float32}
)

// addBlock adds the parameters of a block of theirs and returns the names, sorted.
func addBlock(w shapes) []string {
	block := shapes{
		"b.norm1.weight": {8}, "b.norm1.bias": {8}, "b.qkv.weight": {24, 8}, "b.qkv.bias": {24}, "b.out.weight": {8, 8}, "b.out.bias": {8},
		"b.scale1": {8}, "b.norm2.weight": {8}, "b.norm2.bias": {8}, "b.fc1.weight": {12, 8}, "b.fc1.bias": {12}, "b.fc2.weight": {8, 12},
		"b.fc2.bias": {8}, "b.scale2": {8},
	}
	maps.Copy(w, block)
	return block.Names()
}

func TestLayers(t *testing.T) {
	w := shapes{
		"fc.weight": {5, 7}, "fc.bias": {5}, "packed.weight": {2, 7, 32}, "packed.bias": {40},
		"conv.weight": {4, 3, 3, 3}, "conv.bias": {4},
		"ln.weight": {7}, "ln.bias": {7},
	}
	block := addBlock(w)
	for _, c := range []struct {
		name  string
		layer func(b *onnx.Builder) onnx.Value
		shape []int
		uses  []string
	}{
		{"linear", func(b *onnx.Builder) onnx.Value { return Linear(b, "fc", b.Input("x", 3, 7), 7, 5) }, []int{3, 5}, []string{"fc.bias", "fc.weight"}},
		{"linear on sequences", func(b *onnx.Builder) onnx.Value { return Linear(b, "fc", b.Input("x", onnx.Dynamic, 3, 7), 7, 5) },
			[]int{onnx.Dynamic, 3, 5}, []string{"fc.bias", "fc.weight"}},
		{"packed linear", func(b *onnx.Builder) onnx.Value {
			return Packed.Linear(b, "packed", b.Input("x", onnx.Dynamic, 3, 7), 7, 40)
		}, []int{onnx.Dynamic, 3, 40}, []string{"packed.bias", "packed.weight"}},
		{"conv", func(b *onnx.Builder) onnx.Value {
			return Conv2d(b, "conv", b.Input("x", 1, 3, 8, 9), Conv{In: 3, Out: 4, Kernel: 3, Stride: 2, Pad: 1})
		}, []int{1, 4, 4, 5}, []string{"conv.bias", "conv.weight"}},
		{"pool", func(b *onnx.Builder) onnx.Value { return MaxPool(b, b.Input("x", 1, 3, 8, 7), 3, 2, false) }, []int{1, 3, 3, 3}, nil},
		{"pool, ceil", func(b *onnx.Builder) onnx.Value { return MaxPool(b, b.Input("x", 1, 3, 8, 7), 3, 2, true) }, []int{1, 3, 4, 3}, nil},
		{"quick gelu", func(b *onnx.Builder) onnx.Value { return QuickGELU.Apply(b, b.Input("x", 2, 7)) }, []int{2, 7}, nil},
		{"block", func(b *onnx.Builder) onnx.Value { return stack.Block(b, "b", b.Input("x", 1, 5, 8)) }, []int{1, 5, 8}, block},
		{"block at the first", func(b *onnx.Builder) onnx.Value { return stack.BlockAt(b, "b", b.Input("x", 1, 5, 8), false) }, []int{1, 1, 8}, block},
		{"block at the last", func(b *onnx.Builder) onnx.Value {
			return causal.BlockAt(b, "b", b.Input("x", 1, onnx.Dynamic, 8), true)
		}, []int{1, 1, 8}, block},
		{"causal block", func(b *onnx.Builder) onnx.Value { return causal.Block(b, "b", b.Input("x", 1, onnx.Dynamic, 8)) }, []int{1, onnx.Dynamic, 8}, block},
		{"layer norm", func(b *onnx.Builder) onnx.Value { return LayerNorm(b, "ln", b.Input("x", 2, 7), 7, 1e-5) }, []int{2, 7}, []string{"ln.bias", "ln.weight"}},
	} {
		b := onnx.NewBuilder(w)
		v := c.layer(b)
		b.Output("y", v)
		m, err := b.Build()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		used := slices.DeleteFunc(w.Names(), func(n string) bool { return slices.Contains(m.Unused, n) })
		if !slices.Equal(v.Shape(), c.shape) || !slices.Equal(used, c.uses) {
			t.Errorf("%s: shape %v with %q, want %v with %q", c.name, v.Shape(), used, c.shape, c.uses)
		}
	}
}

func TestLayersRefuse(t *testing.T) {
	w := shapes{"fc.weight": {5, 7}, "fc.bias": {5}, "bare.weight": {5, 7}, "conv.weight": {4, 3, 3, 3}, "conv.bias": {4},
		"p.weight": {1, 7, 32}, "p.bias": {5}, "q.weight": {7, 5}, "q.scale": {5}, "q.bias": {5}}
	for name, c := range map[string]struct {
		layer func(b *onnx.Builder)
		says  string
	}{
		"transposed weight":  {func(b *onnx.Builder) { Linear(b, "fc", b.Input("x", 3, 5), 5, 7) }, "shape [5 7] in the checkpoint, want [7 5]"},
		"no bias":            {func(b *onnx.Builder) { Linear(b, "bare", b.Input("x", 3, 7), 7, 5) }, `"bare.bias"`},
		"wrong width":        {func(b *onnx.Builder) { Linear(b, "fc", b.Input("x", 2, 3, 6), 7, 5) }, "[2 3 6]"},
		"two open lengths":   {func(b *onnx.Builder) { Linear(b, "fc", b.Input("x", onnx.Dynamic, onnx.Dynamic, 7), 7, 5) }, "two lengths are open"},
		"wrong channels":     {func(b *onnx.Builder) { Conv2d(b, "conv", b.Input("x", 1, 4, 8, 8), Conv{In: 3, Out: 4, Kernel: 3}) }, "[1 4 8 8]"},
		"another kernel":     {func(b *onnx.Builder) { Conv2d(b, "conv", b.Input("x", 1, 3, 8, 8), Conv{In: 3, Out: 4, Kernel: 5}) }, "want [4 3 5 5]"},
		"activation":         {func(b *onnx.Builder) { Activation("relu").Apply(b, b.Input("x", 7)) }, `"relu"`},
		"precision":          {func(b *onnx.Builder) { Precision("half").Linear(b, "fc", b.Input("x", 3, 7), 7, 5) }, `"half"`},
		"packed width":       {func(b *onnx.Builder) { Packed.Linear(b, "p", b.Input("x", 3, 6), 7, 5) }, "[3 6]"},
		"packed of plain":    {func(b *onnx.Builder) { Packed.Linear(b, "fc", b.Input("x", 3, 7), 7, 5) }, "shape [5 7] in the checkpoint, want [1 7 32]"},
		"int8 width":         {func(b *onnx.Builder) { Int8.Linear(b, "q", b.Input("x", 3, 6), 7, 5) }, "[3 6]"},
		"int8 of floats":     {func(b *onnx.Builder) { Int8.Linear(b, "q", b.Input("x", 3, 7), 7, 5) }, "float32 of [7 5]"},
		"int8 without scale": {func(b *onnx.Builder) { Int8.Linear(b, "fc", b.Input("x", 3, 5), 5, 7) }, `"fc.scale"`},
		"first of causal":    {func(b *onnx.Builder) { causal.BlockAt(b, "b", b.Input("x", 1, 5, 8), false) }, "sees only itself"},
		"no layer scale":     {func(b *onnx.Builder) { stack.Block(b, "fc", b.Input("x", 1, 5, 8)) }, `"fc.norm1.weight"`},
		"layer norm missing": {func(b *onnx.Builder) { LayerNorm(b, "ln", b.Input("x", 7), 7, 1e-5) }, `"ln.weight"`},
	} {
		b := onnx.NewBuilder(w)
		c.layer(b)
		if _, err := b.Build(); !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}
}
