package onnx

import "slices"

// MatMul returns the matrix product over the last two dimensions; the others
// are broadcast. Both arguments have at least two dimensions.
func (b *Builder) MatMul(x, y Value) Value {
	if !b.floats("matmul", x, y) {
		return Value{}
	}
	if x.Rank() < 2 || y.Rank() < 2 || !fits(x.Dim(-1), y.Dim(-2)) {
		return b.Fail("matmul: shapes %v and %v", x.shape, y.shape)
	}
	shape, ok := broadcast(x.shape[:x.Rank()-2], y.shape[:y.Rank()-2])
	if !ok {
		return b.Fail("matmul: shapes %v and %v", x.shape, y.shape)
	}
	return b.node("MatMul", append(shape, x.Dim(-2), y.Dim(-1)), Float32, []Value{x, y})
}

// Gemm returns x·W + bias, or x·Wᵀ + bias with transposed. x is [n, in], w is
// [in, out], or [out, in] with transposed; bias is [out], or the zero Value for
// none. The result is [n, out].
func (b *Builder) Gemm(x, w, bias Value, transposed bool) Value {
	args := []Value{x, w}
	if !bias.IsZero() {
		args = append(args, bias)
	}
	if !b.floats("gemm", args...) {
		return Value{}
	}
	if x.Rank() != 2 || w.Rank() != 2 {
		return b.Fail("gemm: shapes %v and %v, want two dimensions each", x.shape, w.shape)
	}
	in, out := w.shape[0], w.shape[1]
	if transposed {
		in, out = out, in
	}
	if !fits(x.shape[1], in) {
		return b.Fail("gemm: shapes %v and %v (transposed %t)", x.shape, w.shape, transposed)
	}
	if !bias.IsZero() && (bias.Rank() != 1 || !fits(bias.shape[0], out)) {
		return b.Fail("gemm: bias of shape %v for %d outputs", bias.shape, out)
	}
	return b.node("Gemm", []int{x.shape[0], out}, Float32, args, attrBool("transB", transposed))
}

// PackedGemm returns x·Wᵀ + bias by an operator that only [OwnDomain] has, with a
// weight that is stored in the order in which it is read. x is [n, in], w is
// [panels, in, p] with W [out, in]'s row i·p+c in column c of panel i and zeros
// where W has no row; bias is [out]. The result is [n, out].
func (b *Builder) PackedGemm(x, w, bias Value) Value { return b.packedGemm(PackedGemmOp, x, w, bias) }

// PackedGemmQuickGELU is [Builder.PackedGemm] followed by v·sigmoid(1.702·v) of
// every element v.
func (b *Builder) PackedGemmQuickGELU(x, w, bias Value) Value {
	return b.packedGemm(PackedGELUOp, x, w, bias)
}

func (b *Builder) packedGemm(op string, x, w, bias Value) Value {
	if !b.floats("packed gemm", x, w, bias) {
		return Value{}
	}
	if x.Rank() != 2 || w.Rank() != 3 || bias.Rank() != 1 || !fits(x.shape[1], w.shape[1]) {
		return b.Fail("packed gemm: shapes %v, %v and %v", x.shape, w.shape, bias.shape)
	}
	out, width := bias.shape[0], w.shape[2]
	if out < 1 || width < 1 || w.shape[0] != (out+width-1)/width {
		return b.Fail("packed gemm: %d panels of %d for %d outputs", w.shape[0], width, out)
	}
	return b.nodeOf(OwnDomain, op, []int{x.shape[0], out}, Float32, []Value{x, w, bias})
}

// SelfAttention returns softmax(q·kᵀ/√d)·v of a sequence in which every position
// sees all, in heads of d = width/heads, by an operator that only [OwnDomain] has.
// qkv is [1, n, 3·width]: queries, keys and values. The result is [1, n, width].
func (b *Builder) SelfAttention(qkv Value, heads int) Value {
	if !b.floats("self-attention", qkv) {
		return Value{}
	}
	width := qkv.Dim(-1) / 3
	if qkv.Rank() != 3 || qkv.shape[0] != 1 || heads < 1 || width < 1 || qkv.shape[2] != 3*width || width%heads != 0 {
		return b.Fail("self-attention: shape %v in %d heads", qkv.shape, heads)
	}
	return b.nodeOf(OwnDomain, SelfAttentionOp, []int{1, qkv.shape[1], width}, Float32, []Value{qkv, b.Scalar(float32(heads))})
}

// UnitDistance returns, for every position of two feature maps f and g [1, c, h,
// w], Σ weight·(f/(|f|+eps) − g/(|g|+eps))², the length being that of the position's
// c features and weight [1, c, 1, 1], by an operator that only [OwnDomain] has. The
// result is [1, 1, h, w].
func (b *Builder) UnitDistance(f, g, weight Value, eps float32) Value {
	if !b.floats("unit distance", f, g, weight) {
		return Value{}
	}
	channels := f.Dim(1)
	if f.Rank() != 4 || g.Rank() != 4 || f.shape[0] != 1 || channels < 1 || !slices.Equal(weight.shape, []int{1, channels, 1, 1}) {
		return b.Fail("unit distance: shapes %v and %v with weights %v", f.shape, g.shape, weight.shape)
	}
	for i, n := range f.shape {
		if !fits(n, g.shape[i]) {
			return b.Fail("unit distance: shapes %v and %v", f.shape, g.shape)
		}
	}
	return b.nodeOf(OwnDomain, UnitDistanceOp, []int{1, 1, f.shape[2], f.shape[3]}, Float32, []Value{f, g, weight, b.Scalar(eps)})
}

// LayerNorm shifts and scales x along its last dimension to mean 0 and variance
// 1, eps being added to the (biased) variance, then multiplies by scale and adds
// bias, both of that dimension's length.
func (b *Builder) LayerNorm(x, scale, bias Value, eps float32) Value {
	if !b.floats("layer norm", x, scale, bias) {
		return Value{}
	}
	n := x.Dim(-1)
	if x.Rank() == 0 || scale.Rank() != 1 || bias.Rank() != 1 || !fits(n, scale.Dim(0)) || !fits(n, bias.Dim(0)) {
		return b.Fail("layer norm: x %v, scale %v, bias %v", x.shape, scale.shape, bias.shape)
	}
	if !(eps > 0) {
		return b.Fail("layer norm: epsilon %g, want a positive number", eps)
	}
	return b.node("LayerNormalization", x.shape, Float32, []Value{x, scale, bias},
		attrInt("axis", -1), attrFloat("epsilon", eps))
}

// fits reports whether two lengths are or may turn out equal.
func fits(a, b int) bool { return a == b || a == Dynamic || b == Dynamic }
