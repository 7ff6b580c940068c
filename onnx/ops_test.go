package onnx

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestShapes checks what the operators say of their results' shapes where
// running them (package ort does) cannot: dynamic lengths and broadcasting.
func TestShapes(t *testing.T) {
	const D = Dynamic
	for _, c := range []struct {
		name string
		make func(b *Builder) Value
		want []int
	}{
		{"broadcast", func(b *Builder) Value { return b.Add(b.Input("x", 2, 1, 4), b.Input("y", 3, 1)) }, []int{2, 3, 4}},
		{"broadcast dynamic with 1", func(b *Builder) Value { return b.Mul(b.Input("x", D, 4), b.Input("y", 1, 4)) }, []int{D, 4}},
		{"broadcast dynamic with 3", func(b *Builder) Value { return b.Mul(b.Input("x", D, 4), b.Input("y", 3, 1)) }, []int{3, 4}},
		{"broadcast 3 with dynamic", func(b *Builder) Value { return b.Sub(b.Input("x", 3), b.Input("y", D)) }, []int{3}},
		{"broadcast 1 with dynamic", func(b *Builder) Value { return b.Sub(b.Input("x", 1), b.Input("y", D)) }, []int{D}},
		{"broadcast dynamic with dynamic", func(b *Builder) Value { return b.Div(b.Input("x", D), b.Input("y", D)) }, []int{D}},
		{"scalar", func(b *Builder) Value { return b.Add(b.Scalar(1), b.Input("y", 2, D)) }, []int{2, D}},
		{"conv dynamic", func(b *Builder) Value {
			return b.Conv(b.Input("x", 1, 3, D, 9), b.Input("w", 4, 3, 3, 3), Value{}, ConvOptions{Stride: [2]int{2, 2}})
		}, []int{1, 4, D, 4}},
		{"conv dilated", func(b *Builder) Value {
			return b.Conv(b.Input("x", 1, 3, 9, 9), b.Input("w", 4, 3, 3, 3), Value{}, ConvOptions{Dilation: [2]int{4, 2}})
		}, []int{1, 4, 1, 5}},
		{"pool stride is kernel", func(b *Builder) Value { return b.MaxPool(b.Input("x", 1, 1, 7, 9), PoolOptions{Kernel: [2]int{2, 3}}) }, []int{1, 1, 3, 3}},
		{"pool floor", func(b *Builder) Value {
			return b.MaxPool(b.Input("x", 1, 1, 8, 7), PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}})
		}, []int{1, 1, 3, 3}},
		{"pool ceil", func(b *Builder) Value {
			return b.MaxPool(b.Input("x", 1, 1, 8, 7), PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Ceil: true})
		}, []int{1, 1, 4, 3}},
		{"pool ceil, less than a window", func(b *Builder) Value {
			return b.MaxPool(b.Input("x", 1, 1, 2, 3), PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Ceil: true})
		}, []int{1, 1, 1, 1}},
		{"concat dynamic axis", func(b *Builder) Value { return b.Concat(0, b.Input("x", D, 2), b.Input("y", 3, 2)) }, []int{D, 2}},
		{"concat learns", func(b *Builder) Value { return b.Concat(-1, b.Input("x", D, 2), b.Input("y", 3, 5)) }, []int{3, 7}},
		{"reshape free", func(b *Builder) Value { return b.Reshape(b.Input("x", 2, 6), 3, D) }, []int{3, 4}},
		{"reshape dynamic", func(b *Builder) Value { return b.Reshape(b.Input("x", D, 6), D, 2) }, []int{D, 2}},
		{"reduce all", func(b *Builder) Value { return b.ReduceSum(b.Input("x", 2, D), false, 0, 1) }, []int{}},
		{"reduce keep", func(b *Builder) Value { return b.ReduceSum(b.Input("x", 2, D, 3), true, 1) }, []int{2, 1, 3}},
		{"matmul", func(b *Builder) Value { return b.MatMul(b.Input("x", 5, 1, D, 4), b.Input("y", 2, 4, 3)) }, []int{5, 2, D, 3}},
		{"gemm", func(b *Builder) Value { return b.Gemm(b.Input("x", D, 4), b.Input("w", 3, 4), b.Input("b", 3), true) }, []int{D, 3}},
		{"transpose", func(b *Builder) Value { return b.Transpose(b.Input("x", 2, D, 4), 1, 2, 0) }, []int{D, 4, 2}},
		{"resize", func(b *Builder) Value { return b.ResizeBilinear(b.Input("x", 1, D, D, 8), 4, 5) }, []int{1, D, 4, 5}},
	} {
		b := NewBuilder(nil)
		v := c.make(b)
		if b.Err() != nil || !slices.Equal(v.Shape(), c.want) {
			t.Errorf("%s: shape %v, %v; want %v", c.name, v.Shape(), b.Err(), c.want)
		}
	}
}

// TestOperatorMistakes checks that every operator refuses what it cannot take,
// and says which shapes it was given.
func TestOperatorMistakes(t *testing.T) {
	conv := func(x, w []int, o ConvOptions) func(*Builder) {
		return func(b *Builder) { b.Conv(b.Input("x", x...), b.Input("w", w...), Value{}, o) }
	}
	pool := func(o PoolOptions) func(*Builder) {
		return func(b *Builder) { b.MaxPool(b.Input("x", 1, 1, 8, 8), o) }
	}
	for name, c := range map[string]struct {
		ask  func(b *Builder)
		says string
	}{
		"add":                   {func(b *Builder) { b.Add(b.Input("x", 2, 3), b.Input("y", 2)) }, "[2 3]"},
		"add types":             {func(b *Builder) { b.Add(b.Input("x", 2), b.Cast(b.Input("y", 2), Int64)) }, "int64"},
		"relu of ints":          {func(b *Builder) { b.Relu(b.Cast(b.Input("x", 2), Int64)) }, "int64"},
		"relu of nothing":       {func(b *Builder) { b.Relu(Value{}) }, "argument 0"},
		"another graph's value": {func(b *Builder) { b.Relu(NewBuilder(nil).Input("x", 1)) }, "not a value of this graph"},
		"cast":                  {func(b *Builder) { b.Cast(b.Input("x", 2), 10) }, "float16"},
		"softmax":               {func(b *Builder) { b.Softmax(b.Input("x", 2, 3), 2) }, "axis 2"},
		"concat shapes":         {func(b *Builder) { b.Concat(0, b.Input("x", 2, 3), b.Input("y", 2, 4)) }, "[2 4]"},
		"concat ranks":          {func(b *Builder) { b.Concat(0, b.Input("x", 2, 3), b.Input("y", 2)) }, "[2]"},
		"concat nothing":        {func(b *Builder) { b.Concat(0) }, "nothing"},
		"concat axis":           {func(b *Builder) { b.Concat(-3, b.Input("x", 2, 3)) }, "-3"},
		"reshape size":          {func(b *Builder) { b.Reshape(b.Input("x", 2, 3), 4) }, "6 elements"},
		"reshape remainder":     {func(b *Builder) { b.Reshape(b.Input("x", 2, 3), 4, Dynamic) }, "6 elements"},
		"reshape two open":      {func(b *Builder) { b.Reshape(b.Input("x", 2, 3), Dynamic, Dynamic) }, "two"},
		"reshape zero":          {func(b *Builder) { b.Reshape(b.Input("x", 2, 3), 0, 6) }, "below 1"},
		"transpose twice":       {func(b *Builder) { b.Transpose(b.Input("x", 2, 3), 1, 1) }, "[1 1]"},
		"transpose short":       {func(b *Builder) { b.Transpose(b.Input("x", 2, 3), 0) }, "[0]"},
		"transpose long":        {func(b *Builder) { b.Transpose(b.Input("x", 2), 0, 1) }, "[0 1]"},
		"reduce nothing":        {func(b *Builder) { b.ReduceSum(b.Input("x", 2), true) }, "no axes"},
		"reduce twice":          {func(b *Builder) { b.ReduceMean(b.Input("x", 2, 3), true, 1, -1) }, "[1 -1]"},
		"reduce far":            {func(b *Builder) { b.ReduceMean(b.Input("x", 2, 3), true, 2) }, "[2]"},
		"matmul inner":          {func(b *Builder) { b.MatMul(b.Input("x", 2, 3), b.Input("y", 4, 2)) }, "[4 2]"},
		"matmul rank":           {func(b *Builder) { b.MatMul(b.Input("x", 3), b.Input("y", 3, 2)) }, "[3]"},
		"matmul batch":          {func(b *Builder) { b.MatMul(b.Input("x", 2, 3, 4), b.Input("y", 3, 4, 5)) }, "[3 4 5]"},
		"gemm rank":             {func(b *Builder) { b.Gemm(b.Input("x", 1, 2, 3), b.Input("w", 3, 4), Value{}, false) }, "two dimensions"},
		"gemm inner":            {func(b *Builder) { b.Gemm(b.Input("x", 2, 3), b.Input("w", 3, 4), Value{}, true) }, "transposed true"},
		"gemm bias":             {func(b *Builder) { b.Gemm(b.Input("x", 2, 3), b.Input("w", 3, 4), b.Input("b", 3), false) }, "bias"},
		"layer norm":            {func(b *Builder) { b.LayerNorm(b.Input("x", 2, 3), b.Input("s", 3), b.Input("b", 2), 1e-5) }, "bias [2]"},
		"layer norm eps":        {func(b *Builder) { b.LayerNorm(b.Input("x", 3), b.Input("s", 3), b.Input("b", 3), 0) }, "epsilon"},
		"conv channels":         {conv([]int{1, 3, 8, 8}, []int{4, 2, 3, 3}, ConvOptions{}), "[4 2 3 3]"},
		"conv rank":             {conv([]int{3, 8, 8}, []int{4, 3, 3, 3}, ConvOptions{}), "four dimensions"},
		"conv groups":           {conv([]int{1, 4, 8, 8}, []int{3, 2, 3, 3}, ConvOptions{Groups: 2}), "2 groups"},
		"conv too small":        {conv([]int{1, 3, 2, 8}, []int{4, 3, 3, 3}, ConvOptions{}), "too small"},
		"conv stride":           {conv([]int{1, 3, 8, 8}, []int{4, 3, 3, 3}, ConvOptions{Stride: [2]int{-1, 1}}), "stride"},
		"conv pads":             {conv([]int{1, 3, 8, 8}, []int{4, 3, 3, 3}, ConvOptions{Pads: [4]int{0, 0, -1, 0}}), "padding"},
		"conv bias": {func(b *Builder) {
			b.Conv(b.Input("x", 1, 3, 8, 8), b.Input("w", 4, 3, 3, 3), b.Input("b", 3), ConvOptions{})
		}, "bias"},
		"pool kernel":       {pool(PoolOptions{}), "kernel"},
		"pool ceil padded":  {pool(PoolOptions{Kernel: [2]int{3, 3}, Pads: [4]int{1, 1, 1, 1}, Ceil: true}), "rounding up"},
		"pool ceil strided": {pool(PoolOptions{Kernel: [2]int{2, 2}, Stride: [2]int{3, 3}, Ceil: true}), "rounding up"},
		"pool padding":      {pool(PoolOptions{Kernel: [2]int{2, 2}, Pads: [4]int{2, 0, 0, 0}}), "padding"},
		"pool too small":    {pool(PoolOptions{Kernel: [2]int{9, 9}}), "too small"},
		"average pool ceil": {func(b *Builder) {
			b.AveragePool(b.Input("x", 1, 1, 8, 8), PoolOptions{Kernel: [2]int{3, 3}, Ceil: true})
		}, "rounding up"},
		"pool rank":           {func(b *Builder) { b.MaxPool(b.Input("x", 8, 8), PoolOptions{Kernel: [2]int{3, 3}}) }, "four dimensions"},
		"resize":              {func(b *Builder) { b.ResizeBilinear(b.Input("x", 1, 1, 8, 8), 0, 4) }, "0×4"},
		"const":               {func(b *Builder) { b.Const([]int{2, 2}, 1, 2, 3) }, "3 values"},
		"const dynamic":       {func(b *Builder) { b.Const([]int{Dynamic}, 1) }, "[-1]"},
		"input length":        {func(b *Builder) { b.Input("x", 0) }, "below 1"},
		"input without name":  {func(b *Builder) { b.Input("", 1) }, "no name"},
		"two of a name":       {func(b *Builder) { b.Input("x", 1); b.Input("x", 1) }, `"x"`},
		"output of nothing":   {func(b *Builder) { b.Output("y", Value{}) }, "output y"},
		"output named as one": {func(b *Builder) { b.Output("x", b.Relu(b.Input("x", 1))) }, `"x"`},
		"no output":           {func(b *Builder) { b.Input("x", 1) }, "no output"},
	} {
		b := NewBuilder(nil)
		c.ask(b)
		m, err := b.Build()
		if m != nil || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}
}
