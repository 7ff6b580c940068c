package onnx

// The operators of this file are what products of 8-bit integers are made of.

// Abs returns the absolute value of every element.
func (b *Builder) Abs(x Value) Value { return b.unary("Abs", x) }

// Max returns the larger of x and y element by element, broadcast as NumPy does.
func (b *Builder) Max(x, y Value) Value { return b.binary("Max", x, y) }

// ReduceMax returns the largest element of x along the axes, which count from
// the end if negative. With keep the axes stay, of length 1.
func (b *Builder) ReduceMax(x Value, keep bool, axes ...int) Value {
	return b.reduce("ReduceMax", x, keep, axes)
}

// quantizeZero is the 8-bit value that stands for 0.
const quantizeZero = 128

// Quantize returns x rounded to the nearest integer, half to even, plus 128, as
// uint8: −128 becomes 0, 127 becomes 255, and what lies beyond becomes the
// nearer of the two.
func (b *Builder) Quantize(x Value) Value {
	if !b.floats("quantize", x) {
		return Value{}
	}
	return b.node("QuantizeLinear", x.shape, Uint8, []Value{x, b.Scalar(1), b.zero8()})
}

// MatMulInteger returns (x−128)·w exactly, in int32. x is [n, in] of uint8, as
// [Builder.Quantize] gives it, and w is [in, out] of int8. The result is [n, out].
//
// An x86 processor without VNNI instructions adds pairs of products in 16 bits
// and clips the sum when both are near the extremes.
func (b *Builder) MatMulInteger(x, w Value) Value {
	if !b.ready("integer matmul", x, w) {
		return Value{}
	}
	if x.Rank() != 2 || w.Rank() != 2 || !fits(x.shape[1], w.shape[0]) || x.dtype != Uint8 || w.dtype != Int8 {
		return b.Fail("integer matmul: %v of %v and %v of %v, want uint8 [n, in] and int8 [in, out]", x.dtype, x.shape, w.dtype, w.shape)
	}
	return b.node("MatMulInteger", []int{x.shape[0], w.shape[1]}, Int32, []Value{x, w, b.zero8()})
}

// zero8 returns the constant [quantizeZero] without dimensions.
func (b *Builder) zero8() Value {
	v := b.define(b.fresh("const"), nil, Uint8)
	if b.err == nil {
		b.inits = append(b.inits, initializer{name: v.name, shape: v.shape, dtype: int32(Uint8), raw: []byte{quantizeZero}})
	}
	return v
}
