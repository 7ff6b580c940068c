package nn

import (
	"github.com/gen-emerge/assay/gemm"
	"github.com/gen-emerge/assay/onnx"
)

// A Precision says in which numbers the large products of a network are taken,
// and by which operator.
type Precision string

// The precisions. Int8 is faster and gives other numbers: it is a choice of the
// caller's and part of a reading's identity.
const (
	Float32 Precision = "float32"
	// Int8 takes the products of linear layers in 8-bit integers, summed in 32
	// bits. The weights are symmetric with one scale an output; the inputs are
	// scaled row by row, each by its own largest element, so that a row's result
	// does not depend on the others. Everything between the products, biases
	// included, stays float32.
	Int8 Precision = "int8"
	// Packed takes the products of linear layers in float32 by [onnx.Builder.PackedGemm],
	// and convolutions by the operators of our own that take them.
	// Its results differ from Float32's by rounding. It is no choice of the user's:
	// who can run it, should.
	Packed Precision = "packed"
)

// Linear is [Linear] in the given precision. With Packed name.weight is packed as
// package gemm packs it, [panels, in, 32]. With Int8 the parameters are
// name.weight [in, out] of int8, transposed against PyTorch's, name.scale [out],
// by which its columns are to be multiplied, and name.bias [out].
func (p Precision) Linear(b *onnx.Builder, name string, x onnx.Value, in, out int) onnx.Value {
	switch p {
	case Float32:
		return Linear(b, name, x, in, out)
	case Int8:
		return linearInt8(b, name, x, in, out)
	case Packed:
		return linearPacked(b, name, x, in, out, b.PackedGemm)
	}
	return b.Fail("linear %s: precision %q, want %s, %s or %s", name, p, Float32, Packed, Int8)
}

// linearPacked is [Linear] by one of our own operators.
func linearPacked(b *onnx.Builder, name string, x onnx.Value, in, out int, op func(x, w, bias onnx.Value) onnx.Value) onnx.Value {
	w, bias := b.Param(name+".weight", gemm.PackedShape(out, in)...), b.Param(name+".bias", out)
	if b.Err() == nil && x.Dim(-1) != in {
		return b.Fail("linear %s: shape %v, want a last dimension of %d", name, x.Shape(), in)
	}
	shape := x.Shape()
	y := op(b.Reshape(x, onnx.Dynamic, in), w, bias) // [all positions, out]
	if b.Err() != nil {
		return onnx.Value{}
	}
	shape[len(shape)-1] = out
	return b.Reshape(y, shape...)
}

// rowFloor is the smallest largest element of a row: below it, rows count as
// zeros. It keeps a row of zeros from being divided by 0.
const rowFloor = 1e-30

// linearInt8 quantizes the rows of x, multiplies, and puts the scales back.
func linearInt8(b *onnx.Builder, name string, x onnx.Value, in, out int) onnx.Value {
	w := b.Param(name+".weight", in, out)
	scale, bias := b.Param(name+".scale", out), b.Param(name+".bias", out)
	if b.Err() == nil && x.Dim(-1) != in {
		return b.Fail("linear %s: shape %v, want a last dimension of %d", name, x.Shape(), in)
	}
	shape := x.Shape()
	x = b.Reshape(x, onnx.Dynamic, in)
	row := b.Max(b.ReduceMax(b.Abs(x), true, 1), b.Scalar(rowFloor))
	row = b.Mul(row, b.Scalar(1.0/127)) // [rows, 1]
	y := b.Cast(b.MatMulInteger(b.Quantize(b.Div(x, row)), w), onnx.Float32)
	// The columns first: a row's scale in this place would look to ONNX Runtime
	// like the scale of a whole tensor, which it fuses into the product.
	y = b.Add(b.Mul(b.Mul(y, scale), row), bias)
	if b.Err() != nil {
		return onnx.Value{}
	}
	shape[len(shape)-1] = out
	return b.Reshape(y, shape...)
}
