package onnx

import (
	"math"
	"slices"
)

// The operators of this file work on sequences: values of shape [n, length, width].

// End is the index after the last one, whatever the length; see [Builder.Slice].
const End = math.MaxInt

// Gather returns the entries of x along axis with the indices at, an int64
// value of any shape; the result has at's shape in the place of that axis. The
// axis counts from the end if negative, and so does an index. An index that is
// not there fails when the graph runs.
func (b *Builder) Gather(x, at Value, axis int) Value {
	if !b.ready("gather", x, at) {
		return Value{}
	}
	i, ok := normalAxis(axis, x.Rank())
	if !ok || at.dtype != Int64 {
		return b.Fail("gather: axis %d of shape %v by %v of %v, want int64", axis, x.shape, at.dtype, at.shape)
	}
	shape := slices.Concat(x.shape[:i], at.shape, x.shape[i+1:])
	return b.node("Gather", shape, x.dtype, []Value{x, at}, attrInt("axis", int64(i)))
}

// Slice returns the entries of x along axis from index from up to and without
// index to. All three count from the end if negative; to may be [End]. The
// result must not be empty.
func (b *Builder) Slice(x Value, axis, from, to int) Value {
	if !b.ready("slice", x) {
		return Value{}
	}
	at, ok := normalAxis(axis, x.Rank())
	if !ok {
		return b.Fail("slice: no axis %d in shape %v", axis, x.shape)
	}
	shape, n := x.Shape(), x.shape[at]
	switch first, last := index(from, n), index(to, n); {
	case n != Dynamic && (first < 0 || first >= min(last, n)):
		return b.Fail("slice: %d to %d on axis %d of shape %v is empty or outside", from, to, at, x.shape)
	case n != Dynamic:
		shape[at] = min(last, n) - first
	case from == 0 && to == 1, from == -1 && to == End:
		shape[at] = 1 // every length has a first and a last
	}
	return b.node("Slice", shape, x.dtype, []Value{x, b.ints(from), b.ints(to), b.ints(at)})
}

// index counts i from the front of n entries if it is negative.
func index(i, n int) int {
	if i < 0 {
		return i + n
	}
	return i
}

// Length returns the length of x along axis, which counts from the end if
// negative, as an int64 value of shape [1] that is known when the graph runs.
func (b *Builder) Length(x Value, axis int) Value {
	if !b.ready("length", x) {
		return Value{}
	}
	at, ok := normalAxis(axis, x.Rank())
	if !ok {
		return b.Fail("length: no axis %d in shape %v", axis, x.shape)
	}
	return b.node("Shape", []int{1}, Int64, []Value{x}, attrInt("start", int64(at)), attrInt("end", int64(at+1)))
}

// Head returns the first n entries of x along axis, n being a value as
// [Builder.Length] gives it. If x has fewer it is returned whole.
func (b *Builder) Head(x, n Value, axis int) Value {
	if !b.ready("head", x, n) {
		return Value{}
	}
	at, ok := normalAxis(axis, x.Rank())
	if !ok || n.dtype != Int64 || !slices.Equal(n.shape, []int{1}) {
		return b.Fail("head: axis %d of shape %v by %v of %v, want one int64", axis, x.shape, n.dtype, n.shape)
	}
	shape := x.Shape()
	shape[at] = Dynamic
	return b.node("Slice", shape, x.dtype, []Value{x, b.ints(0), n, b.ints(at)})
}

// Split cuts x along axis into parts of equal length. It always returns as many
// values as there are to be parts, all of them zero after a mistake.
func (b *Builder) Split(x Value, axis, parts int) []Value {
	list := make([]Value, max(parts, 0))
	if !b.ready("split", x) {
		return list
	}
	at, ok := normalAxis(axis, x.Rank())
	if !ok || parts < 1 || x.shape[at] == Dynamic || x.shape[at]%parts != 0 {
		b.Fail("split: axis %d of shape %v into %d parts", axis, x.shape, parts)
		return list
	}
	shape := x.Shape()
	shape[at] /= parts
	n := node{op: "Split", in: []string{x.name}, attrs: []attr{attrInt("axis", int64(at)), attrInt("num_outputs", int64(parts))}}
	for i := range list {
		list[i] = b.define(b.fresh("Split"), shape, x.dtype)
		n.out = append(n.out, list[i].name)
	}
	n.name = n.out[0]
	b.nodes = append(b.nodes, n)
	return list
}

// AttentionOptions adjust [Builder.Attention].
type AttentionOptions struct {
	Heads  int  // the width is shared out between so many
	Causal bool // a position sees itself and those before it only
}

// Attention lets every position of q [n, t, width] take the average of v [n, s,
// width], weighted by softmax(q·kᵀ/√(width/heads)), k being [n, s, width]; each
// head does so on its own part of the width. The result is [n, t, width]. With
// Causal, t and s must be equal.
//
// It becomes ONNX Runtime's own MultiHeadAttention, which no other runtime has.
func (b *Builder) Attention(q, k, v Value, o AttentionOptions) Value {
	if !b.floats("attention", q, k, v) {
		return Value{}
	}
	width := q.Dim(-1)
	switch {
	case q.Rank() != 3 || k.Rank() != 3 || v.Rank() != 3 ||
		!fits(q.shape[0], k.shape[0]) || !fits(k.shape[0], v.shape[0]) || !fits(k.shape[1], v.shape[1]) ||
		k.shape[2] != width || v.shape[2] != width || o.Causal && !fits(q.shape[1], k.shape[1]):
		return b.Fail("attention: q %v, k %v, v %v (causal %t)", q.shape, k.shape, v.shape, o.Causal)
	case o.Heads < 1 || width < 1 || width%o.Heads != 0:
		return b.Fail("attention: %d heads share a width of %d", o.Heads, width)
	}
	attrs := []attr{attrInt("num_heads", int64(o.Heads))}
	if o.Causal {
		attrs = append(attrs, attrInt("unidirectional", 1))
	}
	return b.nodeOf(microsoft, "MultiHeadAttention", q.shape, Float32, []Value{q, k, v}, attrs...)
}
