package onnx

import (
	"fmt"
	"maps"
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
		{"packed gemm", func(b *Builder) Value {
			return b.PackedGemm(b.Input("x", D, 4), b.Input("w", 2, 4, 3), b.Input("b", 5))
		}, []int{D, 5}},
		{"separable chain", func(b *Builder) Value {
			return chain(b, 1, func(s *SeparableStep) {})
		}, []int{1, 4, 6, 5}},
		{"packed conv of planes", func(b *Builder) Value {
			return b.PackedConvRelu(b.Input("x", 1, 3, D, 8), b.Input("w", 2, 27, 3), b.Input("b", 5), PackedConvOptions{Planes: true})
		}, []int{1, D, 8, 5}},
		{"packed conv of a half", func(b *Builder) Value {
			return b.PackedConvRelu(b.Input("x", 1, D, 9, 4), b.Input("w", 1, 36, 8), b.Input("b", 8), PackedConvOptions{Halved: true})
		}, []int{1, D, 4, 8}},
		{"packed conv, Winograd's", func(b *Builder) Value {
			return b.PackedConvRelu(b.Input("x", 1, 7, 9, 4), b.Input("w", 1, 16, 4, 8), b.Input("b", 8), PackedConvOptions{})
		}, []int{1, 7, 9, 8}},
		{"unit distance of rows", func(b *Builder) Value {
			return b.UnitDistanceRows(b.Input("f", 1, D, 5, 6), b.Input("g", 1, 4, 5, 6), b.Const([]int{1, 6, 1, 1}, make([]float32, 6)...), 1e-10)
		}, []int{1, 1, D, 5}},
		{"unit distance", func(b *Builder) Value {
			return b.UnitDistance(b.Input("f", 1, 6, D, 5), b.Input("g", 1, 6, 4, 5), b.Const([]int{1, 6, 1, 1}, make([]float32, 6)...), 1e-10)
		}, []int{1, 1, D, 5}},
		{"self-attention", func(b *Builder) Value { return b.SelfAttention(b.Input("x", 1, D, 24), 2) }, []int{1, D, 8}},
		{"transpose", func(b *Builder) Value { return b.Transpose(b.Input("x", 2, D, 4), 1, 2, 0) }, []int{D, 4, 2}},
		{"gather", func(b *Builder) Value { return b.Gather(b.Input("x", 9, 4), b.Cast(b.Input("i", 1, D), Int64), 0) }, []int{1, D, 4}},
		{"gather last", func(b *Builder) Value { return b.Gather(b.Input("x", D, 4), b.Cast(b.Input("i"), Int64), -1) }, []int{D}},
		{"slice", func(b *Builder) Value { return b.Slice(b.Input("x", 2, 9), 1, 3, 7) }, []int{2, 4}},
		{"slice from the end", func(b *Builder) Value { return b.Slice(b.Input("x", 2, 9), -1, -3, -1) }, []int{2, 2}},
		{"slice to the end", func(b *Builder) Value { return b.Slice(b.Input("x", 2, 9), 1, 4, End) }, []int{2, 5}},
		{"slice beyond", func(b *Builder) Value { return b.Slice(b.Input("x", 2, 9), 1, 4, 12) }, []int{2, 5}},
		{"slice of a dynamic length", func(b *Builder) Value { return b.Slice(b.Input("x", 2, D), 1, 1, 3) }, []int{2, D}},
		{"first of a dynamic length", func(b *Builder) Value { return b.Slice(b.Input("x", D, 2), 0, 0, 1) }, []int{1, 2}},
		{"last of a dynamic length", func(b *Builder) Value { return b.Slice(b.Input("x", D, 2), 0, -1, End) }, []int{1, 2}},
		{"length", func(b *Builder) Value { return b.Length(b.Input("x", 2, D), -1) }, []int{1}},
		{"head", func(b *Builder) Value { return b.Head(b.Input("x", 9, 4), b.Length(b.Input("y", 1, D), 1), 0) }, []int{D, 4}},
		{"split", func(b *Builder) Value { return b.Split(b.Input("x", D, 12), -1, 3)[2] }, []int{D, 4}},
		{"attention", func(b *Builder) Value {
			return b.Attention(b.Input("q", 1, 1, 8), b.Input("k", 1, D, 8), b.Input("v", 1, D, 8), AttentionOptions{Heads: 2})
		}, []int{1, 1, 8}},
		{"reduce max", func(b *Builder) Value { return b.ReduceMax(b.Abs(b.Input("x", D, 3)), true, 1) }, []int{D, 1}},
		{"max", func(b *Builder) Value { return b.Max(b.Input("x", D, 1), b.Scalar(1)) }, []int{D, 1}},
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
	attention := func(wq, wk int, o AttentionOptions) func(*Builder) {
		return func(b *Builder) {
			b.Attention(b.Input("q", 1, 4, wq), b.Input("k", 1, 5, wk), b.Input("v", 1, 5, wk), o)
		}
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
		"clip bounds":           {func(b *Builder) { b.Clip(b.Input("x", 2), 6, 0) }, "6 and 0"},
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
		"packed gemm rank":      {func(b *Builder) { b.PackedGemm(b.Input("x", 2, 3), b.Input("w", 4, 3), b.Input("b", 4)) }, "[4 3]"},
		"packed gemm inner":     {func(b *Builder) { b.PackedGemm(b.Input("x", 2, 3), b.Input("w", 1, 4, 8), b.Input("b", 8)) }, "[1 4 8]"},
		"packed gemm panels":    {func(b *Builder) { b.PackedGemm(b.Input("x", 2, 3), b.Input("w", 2, 3, 8), b.Input("b", 8)) }, "2 panels of 8 for 8"},
		"packed gemm too few":   {func(b *Builder) { b.PackedGemm(b.Input("x", 2, 3), b.Input("w", 1, 3, 8), b.Input("b", 9)) }, "1 panels of 8 for 9"},
		"packed gemm no bias":   {func(b *Builder) { b.PackedGemm(b.Input("x", 2, 3), b.Input("w", 1, 3, 8), Value{}) }, "argument 2"},
		"packed conv channels": {func(b *Builder) {
			b.PackedConvRelu(b.Input("x", 1, 4, 4, 5), b.Input("w", 1, 36, 8), b.Input("b", 8), PackedConvOptions{})
		}, "[1 36 8] and bias [8] for 5"},
		"packed conv points": {func(b *Builder) {
			b.PackedConvRelu(b.Input("x", 1, 4, 4, 4), b.Input("w", 1, 15, 4, 8), b.Input("b", 8), PackedConvOptions{})
		}, "[1 15 4 8]"},
		"packed conv planes": {func(b *Builder) {
			b.PackedConvRelu(b.Input("x", 1, 4, 4, 3), b.Input("w", 1, 27, 8), b.Input("b", 8), PackedConvOptions{Planes: true})
		}, "[1 4 4 3]"},
		"packed conv no half": {func(b *Builder) {
			b.PackedConvRelu(b.Input("x", 1, 1, 4, 4), b.Input("w", 1, 36, 8), b.Input("b", 8), PackedConvOptions{Halved: true})
		}, "no half"},
		"unit distance of rows, weights": {func(b *Builder) {
			x := b.Input("x", 1, 4, 4, 6)
			b.UnitDistanceRows(x, x, b.Const([]int{1, 4, 1, 1}, 1, 1, 1, 1), 0)
		}, "[1 4 1 1]"},
		"unit distance of rows, sizes": {func(b *Builder) {
			b.UnitDistanceRows(b.Input("x", 1, 4, 4, 1), b.Input("y", 1, 4, 5, 1), b.Const([]int{1, 1, 1, 1}, 1), 0)
		}, "[1 4 5 1]"},
		"separable chain stride":  {func(b *Builder) { chain(b, 3, func(*SeparableStep) {}) }, "stride 3 of step 0"},
		"separable chain deep":    {func(b *Builder) { chain(b, 1, func(s *SeparableStep) { s.Deep = b.Input("d", 1, 9, 4) }) }, "[1 9 4]"},
		"separable chain wide":    {func(b *Builder) { chain(b, 1, func(s *SeparableStep) { s.Weight = b.Input("d", 1, 7, 8) }) }, "[1 7 8]"},
		"separable chain no bias": {func(b *Builder) { chain(b, 1, func(s *SeparableStep) { s.Bias = Value{} }) }, "argument"},
		"separable chain odd": {func(b *Builder) {
			chain(b, 1, func(s *SeparableStep) { s.Stride = 2 })
			b.SeparableChain(b.Input("odd", 1, 3, 7, 4), b.Input("v", 1, 27, 8), b.Input("c", 8), nil, ChainOptions{Stride: 2, Most: 6})
		}, "over [7 4]"},
		"unit distance weights": {func(b *Builder) {
			x := b.Input("x", 1, 6, 4, 4)
			b.UnitDistance(x, x, b.Const([]int{1, 5, 1, 1}, 1, 1, 1, 1, 1), 0)
		}, "[1 5 1 1]"},
		"unit distance sizes": {func(b *Builder) {
			b.UnitDistance(b.Input("x", 1, 1, 4, 4), b.Input("y", 1, 1, 4, 5), b.Const([]int{1, 1, 1, 1}, 1), 0)
		}, "[1 1 4 5]"},
		"self-attention heads":  {func(b *Builder) { b.SelfAttention(b.Input("x", 1, 4, 24), 3) }, "3 heads"},
		"self-attention thirds": {func(b *Builder) { b.SelfAttention(b.Input("x", 1, 4, 25), 2) }, "[1 4 25]"},
		"self-attention batch":  {func(b *Builder) { b.SelfAttention(b.Input("x", 2, 4, 24), 2) }, "[2 4 24]"},
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
		"gather by floats":    {func(b *Builder) { b.Gather(b.Input("x", 2, 3), b.Input("i", 1), 0) }, "want int64"},
		"gather axis":         {func(b *Builder) { b.Gather(b.Input("x", 2, 3), b.Cast(b.Input("i", 1), Int64), 2) }, "axis 2"},
		"slice axis":          {func(b *Builder) { b.Slice(b.Input("x", 2, 3), 2, 0, 1) }, "no axis 2"},
		"slice empty":         {func(b *Builder) { b.Slice(b.Input("x", 2, 3), 1, 2, 2) }, "empty"},
		"slice outside":       {func(b *Builder) { b.Slice(b.Input("x", 2, 3), 1, -4, End) }, "outside"},
		"length axis":         {func(b *Builder) { b.Length(b.Input("x", 2), -2) }, "no axis -2"},
		"head by float":       {func(b *Builder) { b.Head(b.Input("x", 2, 3), b.Input("n", 1), 0) }, "want one int64"},
		"head by two":         {func(b *Builder) { b.Head(b.Input("x", 2, 3), b.Cast(b.Input("n", 2), Int64), 0) }, "want one int64"},
		"split uneven":        {func(b *Builder) { b.Split(b.Input("x", 2, 7), 1, 3) }, "into 3 parts"},
		"split dynamic":       {func(b *Builder) { b.Split(b.Input("x", 2, Dynamic), 1, 3) }, "into 3 parts"},
		"split into none":     {func(b *Builder) { b.Split(b.Input("x", 2, 6), 1, 0) }, "into 0 parts"},
		"attention heads":     {attention(8, 8, AttentionOptions{Heads: 3}), "3 heads"},
		"attention no heads":  {attention(8, 8, AttentionOptions{}), "0 heads"},
		"attention widths":    {attention(8, 6, AttentionOptions{Heads: 2}), "[1 5 6]"},
		"attention causal":    {attention(8, 8, AttentionOptions{Heads: 2, Causal: true}), "causal true"},
		"attention rank":      {func(b *Builder) { x := b.Input("x", 5, 8); b.Attention(x, x, x, AttentionOptions{Heads: 2}) }, "[5 8]"},
		"quantize ints":       {func(b *Builder) { b.Quantize(b.Cast(b.Input("x", 2), Int64)) }, "int64"},
		"integer matmul":      {func(b *Builder) { b.MatMulInteger(b.Quantize(b.Input("x", 2, 3)), b.Input("w", 3, 4)) }, "float32 of [3 4]"},
		"integer matmul left": {func(b *Builder) { b.MatMulInteger(b.Input("x", 2, 3), b.Input("w", 3, 4)) }, "want uint8"},
		"max types":           {func(b *Builder) { b.Max(b.Input("x", 2), b.Cast(b.Input("y", 2), Int64)) }, "int64"},
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

// int8Weights is a checkpoint of zeros of type int8.
type int8Weights map[string][]int

func (w int8Weights) Names() []string { return slices.Sorted(maps.Keys(w)) }

func (w int8Weights) Shape(name string) ([]int, bool) { s, ok := w[name]; return s, ok }

func (w int8Weights) Place(name string) (file string, offset, length int64, dtype string) {
	n, _ := volume(w[name])
	return "", 0, int64(n), "int8"
}

func (w int8Weights) Bytes(name string) ([]byte, error) {
	n, _ := volume(w[name])
	return make([]byte, n), nil
}

// TestNarrow: an int8 parameter stays int8, and only the integer product takes it.
func TestNarrow(t *testing.T) {
	w := int8Weights{"w": {3, 4}}
	b := NewBuilder(w)
	p := b.Param("w", 3, 4)
	v := b.MatMulInteger(b.Quantize(b.Input("x", Dynamic, 3)), p)
	if p.Type() != Int8 || v.Type() != Int32 || !slices.Equal(v.Shape(), []int{Dynamic, 4}) {
		t.Errorf("a product of %v gives %v of %v", p.Type(), v.Type(), v.Shape())
	}
	b.Output("y", b.Cast(v, Float32))
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := Dump(&text, m.Proto); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"constant w int8[3 4] inline 12 bytes", "uint8[] inline 1 bytes", "= QuantizeLinear(x, ", "= MatMulInteger(QuantizeLinear#",
	} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("no line with %q in\n%s", line, &text)
		}
	}
	for _, d := range []DType{Uint8, Int8, Int32, Int64, Float32} {
		if strings.Contains(d.String(), "onnx") {
			t.Errorf("type %d has no name: %s", d, d)
		}
	}
	b = NewBuilder(w)
	b.Gemm(b.Input("x", 2, 3), b.Param("w", 3, 4), Value{}, false)
	if b.Err() == nil || !strings.Contains(b.Err().Error(), "int8") {
		t.Errorf("a product of floats and int8: %v", b.Err())
	}
}

// TestDomains: ONNX Runtime's own operators are declared as such, once, and only
// where there are any.
func TestDomains(t *testing.T) {
	for _, own := range []bool{false, true} {
		b := NewBuilder(nil)
		x := b.Input("x", 1, 5, 12)
		parts := b.Split(x, -1, 3)
		y := parts[2]
		for range 2 {
			if own {
				y = b.Attention(parts[0], parts[1], y, AttentionOptions{Heads: 2, Causal: true})
			}
		}
		b.Output("y", y)
		m, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := Dump(&text, m.Proto); err != nil {
			t.Fatal(err)
		}
		n := map[bool]int{true: 1}[own]
		if got := strings.Count(text.String(), "opset com.microsoft 1\n"); got != n {
			t.Errorf("the domain is declared %d times, want %d:\n%s", got, n, &text)
		}
		line := "= com.microsoft.MultiHeadAttention(Split#1, Split#2, Split#3) num_heads=2 unidirectional=1\n"
		if got := strings.Count(text.String(), line); got != n {
			t.Errorf("the operator stands %d times, want %d:\n%s", got, n, &text)
		}
		if line := "Split#1, Split#2, Split#3 = Split(x) axis=2 num_outputs=3\n"; !strings.Contains(text.String(), line) {
			t.Errorf("no line %q in\n%s", line, &text)
		}
	}
}

// TestOwnDomain: assay's operator is declared in its own domain.
func TestOwnDomain(t *testing.T) {
	b := NewBuilder(nil)
	x := b.Input("x", 2, 3)
	b.Output("y", b.PackedGemm(x, b.Const([]int{1, 3, 4}, make([]float32, 12)...), b.Const([]int{4}, make([]float32, 4)...)))
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := Dump(&text, m.Proto); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"opset assay 1\n", "= assay.PackedGemm(x, const#1, const#2)"} {
		if strings.Count(text.String(), line) != 1 {
			t.Errorf("no line %q in\n%s", line, &text)
		}
	}
}

// chain is a convolution of 8 channels and one step that gives 5.
func chain(b *Builder, stride int, change func(*SeparableStep)) Value {
	x := b.Input("x", 1, 3, 8, 12)
	s := SeparableStep{Deep: b.Input("deep", 2, 9, 4), DeepBias: b.Input("db", 8), Weight: b.Input("wide", 1, 8, 8), Bias: b.Input("wb", 5), Stride: 2}
	change(&s)
	return b.SeparableChain(x, b.Input("w", 1, 27, 8), b.Input("b", 8), []SeparableStep{s}, ChainOptions{Stride: stride, Before: 1, Most: 6})
}
