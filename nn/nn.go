// Package nn composes the layers that neural networks share from the operators
// of an [onnx.Builder].
//
// A layer is a function. It asks for its parameters by the names PyTorch gives
// them, name.weight and name.bias, with the shapes PyTorch stores them in, and
// leaves mistakes to the builder, which remembers the first one. A [Transformer]'s
// blocks have one set of names for all the checkpoints they come from.
package nn

import "github.com/gen-emerge/assay/onnx"

// Linear applies x·Wᵀ + b to the last dimension of x, which has length in. The
// parameters are name.weight [out, in] and name.bias [out]. All but one of x's
// other dimensions must have known lengths.
func Linear(b *onnx.Builder, name string, x onnx.Value, in, out int) onnx.Value {
	w, bias := b.Param(name+".weight", out, in), b.Param(name+".bias", out)
	if x.Rank() == 2 || b.Err() != nil {
		return b.Gemm(x, w, bias, true)
	}
	if x.Dim(-1) != in {
		return b.Fail("linear %s: shape %v, want a last dimension of %d", name, x.Shape(), in)
	}
	// One product of matrices is the fastest form on a CPU.
	y := b.Gemm(b.Reshape(x, onnx.Dynamic, in), w, bias, true) // [all positions, out]
	shape := x.Shape()
	shape[len(shape)-1] = out
	return b.Reshape(y, shape...)
}

// A Conv describes a two-dimensional convolution over images [n, In, h, w].
type Conv struct {
	In, Out int
	Kernel  int // height and width
	Stride  int // 0 means 1
	Pad     int // zeros on every side
}

// Conv2d applies the convolution c to x and adds a bias. The parameters are
// name.weight [Out, In, Kernel, Kernel] and name.bias [Out].
func Conv2d(b *onnx.Builder, name string, x onnx.Value, c Conv) onnx.Value {
	w, bias := b.Param(name+".weight", c.Out, c.In, c.Kernel, c.Kernel), b.Param(name+".bias", c.Out)
	return b.Conv(x, w, bias, onnx.ConvOptions{
		Stride: [2]int{c.Stride, c.Stride},
		Pads:   [4]int{c.Pad, c.Pad, c.Pad, c.Pad},
	})
}

// MaxPool takes the maxima of kernel×kernel windows, stride apart, without
// padding. With ceil a last window that is only partly inside counts too.
func MaxPool(b *onnx.Builder, x onnx.Value, kernel, stride int, ceil bool) onnx.Value {
	return b.MaxPool(x, onnx.PoolOptions{
		Kernel: [2]int{kernel, kernel},
		Stride: [2]int{stride, stride},
		Ceil:   ceil,
	})
}

// LayerNorm normalises the last dimension of x, of length n, with eps added to
// the variance. The parameters are name.weight [n] and name.bias [n].
func LayerNorm(b *onnx.Builder, name string, x onnx.Value, n int, eps float32) onnx.Value {
	return b.LayerNorm(x, b.Param(name+".weight", n), b.Param(name+".bias", n), eps)
}
