package onnx

import "slices"

// Add returns x + y, broadcast as NumPy does.
func (b *Builder) Add(x, y Value) Value { return b.binary("Add", x, y) }

// Sub returns x − y, broadcast as NumPy does.
func (b *Builder) Sub(x, y Value) Value { return b.binary("Sub", x, y) }

// Mul returns x · y element by element, broadcast as NumPy does.
func (b *Builder) Mul(x, y Value) Value { return b.binary("Mul", x, y) }

// Div returns x / y element by element, broadcast as NumPy does.
func (b *Builder) Div(x, y Value) Value { return b.binary("Div", x, y) }

// Relu returns max(x, 0) element by element.
func (b *Builder) Relu(x Value) Value { return b.unary("Relu", x) }

// Clip returns every element moved into [lo, hi]: with 0 and 6 the activation of
// MobileNets.
func (b *Builder) Clip(x Value, lo, hi float32) Value {
	if !b.floats("clip", x) {
		return Value{}
	}
	if !(lo <= hi) {
		return b.Fail("clip: bounds %v and %v", lo, hi)
	}
	return b.node("Clip", x.shape, Float32, []Value{x, b.Scalar(lo), b.Scalar(hi)})
}

// Sigmoid returns 1 / (1 + e^−x) element by element.
func (b *Builder) Sigmoid(x Value) Value { return b.unary("Sigmoid", x) }

// Sqrt returns the square root of every element; NaN for negative ones.
func (b *Builder) Sqrt(x Value) Value { return b.unary("Sqrt", x) }

// Erf returns the error function of every element.
func (b *Builder) Erf(x Value) Value { return b.unary("Erf", x) }

// Gelu returns x · Φ(x) element by element, Φ the cumulative normal
// distribution: the exact form, not the tanh approximation.
func (b *Builder) Gelu(x Value) Value {
	return b.unary("Gelu", x, attrString("approximate", "none"))
}

// Softmax returns e^x divided by its sum along axis, which counts from the end
// if negative.
func (b *Builder) Softmax(x Value, axis int) Value {
	if !b.floats("softmax", x) {
		return Value{}
	}
	axis, ok := normalAxis(axis, x.Rank())
	if !ok {
		return b.Fail("softmax: no axis %d in shape %v", axis, x.shape)
	}
	return b.node("Softmax", x.shape, Float32, []Value{x}, attrInt("axis", int64(axis)))
}

// ReduceMean returns the mean of x along the axes, which count from the end if
// negative. With keep the axes stay, of length 1.
func (b *Builder) ReduceMean(x Value, keep bool, axes ...int) Value {
	return b.reduce("ReduceMean", x, keep, axes)
}

// ReduceSum returns the sum of x along the axes, which count from the end if
// negative. With keep the axes stay, of length 1.
func (b *Builder) ReduceSum(x Value, keep bool, axes ...int) Value {
	return b.reduce("ReduceSum", x, keep, axes)
}

// Cast returns x with its elements converted to t; floats are truncated
// towards zero when they become integers.
func (b *Builder) Cast(x Value, t DType) Value {
	if !b.ready("cast", x) {
		return Value{}
	}
	if t != Float32 && t != Int64 {
		return b.Fail("cast: to %v, want float32 or int64", t)
	}
	return b.node("Cast", x.shape, t, []Value{x}, attrInt("to", int64(t)))
}

// Concat joins values along axis, which counts from the end if negative. Their
// other lengths must agree.
func (b *Builder) Concat(axis int, xs ...Value) Value {
	if !b.ready("concat", xs...) {
		return Value{}
	}
	if len(xs) == 0 {
		return b.Fail("concat: nothing to join")
	}
	at, ok := normalAxis(axis, xs[0].Rank())
	if !ok {
		return b.Fail("concat: no axis %d in shape %v", axis, xs[0].shape)
	}
	shape := xs[0].Shape()
	for _, x := range xs[1:] {
		if x.Rank() != len(shape) || x.dtype != xs[0].dtype {
			return b.Fail("concat: %v of %v and %v of %v", xs[0].dtype, xs[0].shape, x.dtype, x.shape)
		}
		for i, d := range x.shape {
			switch {
			case i == at && (d == Dynamic || shape[i] == Dynamic):
				shape[i] = Dynamic
			case i == at:
				shape[i] += d
			case shape[i] == Dynamic:
				shape[i] = d
			case d != Dynamic && d != shape[i]:
				return b.Fail("concat on axis %d: shapes %v and %v", at, xs[0].shape, x.shape)
			}
		}
	}
	return b.node("Concat", shape, xs[0].dtype, xs, attrInt("axis", int64(at)))
}

// Reshape returns x with another shape of as many elements. One length may be
// [Dynamic]: it is then worked out, here if x's shape is known and else when
// the graph runs.
func (b *Builder) Reshape(x Value, shape ...int) Value {
	if !b.ready("reshape", x) {
		return Value{}
	}
	out, free, rest := slices.Clone(shape), -1, 1
	for i, d := range shape {
		switch {
		case d == Dynamic && free >= 0:
			return b.Fail("reshape %v to %v: two lengths are open", x.shape, shape)
		case d == Dynamic:
			free = i
		case d < 1:
			return b.Fail("reshape %v to %v: a length is below 1", x.shape, shape)
		default:
			rest *= d
		}
	}
	if n, known := volume(x.shape); known {
		if free >= 0 && n%rest == 0 {
			out[free] = n / rest
		} else if free >= 0 || n != rest {
			return b.Fail("reshape %v to %v: %d elements do not fit", x.shape, shape, n)
		}
	}
	return b.node("Reshape", out, x.dtype, []Value{x, b.ints(shape...)})
}

// Transpose returns x with its dimensions in the order of perm, which names
// each once: dimension i of the result is dimension perm[i] of x.
func (b *Builder) Transpose(x Value, perm ...int) Value {
	if !b.ready("transpose", x) {
		return Value{}
	}
	shape, seen := make([]int, len(perm)), make([]bool, len(perm))
	for i, p := range perm {
		if len(perm) != x.Rank() || p < 0 || p >= len(perm) || seen[p] {
			return b.Fail("transpose: order %v for shape %v", perm, x.shape)
		}
		shape[i], seen[p] = x.shape[p], true
	}
	if len(perm) != x.Rank() { // fewer than there are
		return b.Fail("transpose: order %v for shape %v", perm, x.shape)
	}
	return b.node("Transpose", shape, x.dtype, []Value{x}, attrInts("perm", perm...))
}

// unary adds an operator that keeps the shape.
func (b *Builder) unary(op string, x Value, attrs ...attr) Value {
	if !b.floats(op, x) {
		return Value{}
	}
	return b.node(op, x.shape, Float32, []Value{x}, attrs...)
}

// binary adds an operator that broadcasts two arguments of one type.
func (b *Builder) binary(op string, x, y Value) Value {
	if !b.ready(op, x, y) {
		return Value{}
	}
	shape, ok := broadcast(x.shape, y.shape)
	if !ok || x.dtype != y.dtype {
		return b.Fail("%s: %v of %v and %v of %v", op, x.dtype, x.shape, y.dtype, y.shape)
	}
	return b.node(op, shape, x.dtype, []Value{x, y})
}

// reduce adds an operator that folds axes.
func (b *Builder) reduce(op string, x Value, keep bool, axes []int) Value {
	if !b.floats(op, x) {
		return Value{}
	}
	if len(axes) == 0 {
		return b.Fail("%s: no axes given for shape %v", op, x.shape)
	}
	shape, seen := x.Shape(), make([]bool, x.Rank())
	at := make([]int, len(axes))
	for i, a := range axes {
		n, ok := normalAxis(a, x.Rank())
		if !ok || seen[n] {
			return b.Fail("%s: axes %v for shape %v", op, axes, x.shape)
		}
		at[i], seen[n], shape[n] = n, true, 1
	}
	if !keep {
		shape = shape[:0]
		for i, d := range x.shape {
			if !seen[i] {
				shape = append(shape, d)
			}
		}
	}
	return b.node(op, shape, Float32, []Value{x, b.ints(at...)}, attrBool("keepdims", keep))
}

// normalAxis counts an axis from the front; ok is false if there is none such,
// and then the axis is returned as it was.
func normalAxis(axis, rank int) (n int, ok bool) {
	if axis < -rank || axis >= rank {
		return axis, false
	}
	if axis < 0 {
		return axis + rank, true
	}
	return axis, true
}

// broadcast returns the shape of an operator on x and y by NumPy's rule: from
// the last dimension on, lengths are equal, or one of them is 1. A dynamic
// length fits any: against a known one above 1 it must turn out equal or 1.
func broadcast(x, y []int) (shape []int, ok bool) {
	if len(x) < len(y) {
		x, y = y, x
	}
	shape = slices.Clone(x)
	for i, d := range y {
		s := &shape[len(x)-len(y)+i]
		switch {
		case d == *s || d == 1:
		case *s == 1 || *s == Dynamic:
			*s = d
		case d == Dynamic:
		default:
			return nil, false
		}
	}
	return shape, true
}
