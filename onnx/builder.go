package onnx

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
)

// Dynamic stands in a shape for a length that is known only when the graph
// runs, such as the height of an image. Two dynamic lengths may differ; whether
// they fit is then for the runtime to say.
const Dynamic = -1

// A DType is the type of a value's elements, numbered as ONNX numbers them.
type DType int32

// The element types that values have. Checkpoints may also hold float16,
// bfloat16 and float64; [Builder.Param] turns those into Float32. The narrow
// integers are for quantized products, see [Builder.Quantize].
const (
	Float32 DType = 1
	Uint8   DType = 2
	Int8    DType = 3
	Int32   DType = 6
	Int64   DType = 7
)

// plainTypes names the types that no parameter has.
var plainTypes = map[DType]string{Uint8: "uint8", Int32: "int32", Int64: "int64"}

// String returns the name that checkpoints use for the type.
func (d DType) String() string {
	if name, ok := plainTypes[d]; ok {
		return name
	}
	for _, t := range paramTypes {
		if t.onnx == int32(d) {
			return t.name
		}
	}
	return fmt.Sprintf("onnx type %d", int32(d))
}

// A Value is the result of a node, an input or a parameter: what operators take
// and return. The zero Value stands for an optional argument that is left out.
type Value struct {
	b     *Builder
	name  string
	shape []int
	dtype DType
}

// Shape returns a copy of the value's shape, with [Dynamic] for every length
// that is known only at run time.
func (v Value) Shape() []int { return slices.Clone(v.shape) }

// Rank returns the number of dimensions.
func (v Value) Rank() int { return len(v.shape) }

// Dim returns the length of dimension i, counted from the end if negative, or
// [Dynamic]. It returns 0 if there is no such dimension.
func (v Value) Dim(i int) int {
	if i < 0 {
		i += len(v.shape)
	}
	if i < 0 || i >= len(v.shape) {
		return 0
	}
	return v.shape[i]
}

// Type returns the type of the elements.
func (v Value) Type() DType { return v.dtype }

// IsZero reports whether v stands for nothing: an argument left out, or the
// result of an operator after a mistake.
func (v Value) IsZero() bool { return v.b == nil }

// A Builder collects the nodes of one graph. After the first mistake every
// method returns the zero Value; [Builder.Build] says what went wrong and where.
// A Builder is for one goroutine.
type Builder struct {
	weights Weights
	nodes   []node
	inputs  []Value
	outputs []Value
	inits   []initializer
	names   map[string]bool  // of every value in the graph
	params  map[string]Value // by tensor name
	asked   map[string]bool  // tensors asked for, found or not
	missing int              // how many of them were not found
	err     error
	unfit   bool // err is about a tensor of the checkpoint
}

// NewBuilder returns a Builder for a graph whose parameters come from w. A nil
// w will do for a graph that has none.
func NewBuilder(w Weights) *Builder {
	return &Builder{
		weights: w,
		names:   make(map[string]bool),
		params:  make(map[string]Value),
		asked:   make(map[string]bool),
	}
}

// Err returns the first mistake, or nil. It wraps [assay.ErrInvalid].
func (b *Builder) Err() error { return b.err }

// Fail records a mistake found by a caller that composes operators, unless one
// was made before, and returns the zero Value.
func (b *Builder) Fail(format string, args ...any) Value {
	if b.err == nil {
		b.err = fmt.Errorf("graph: %s: %w", fmt.Sprintf(format, args...), assay.ErrInvalid)
	}
	return Value{}
}

// Input declares an argument of the graph, of type float32. A length may be
// [Dynamic]. Inputs are passed to the runner in the order of these calls.
func (b *Builder) Input(name string, shape ...int) Value {
	if b.err != nil {
		return Value{}
	}
	for _, n := range shape {
		if n != Dynamic && n < 1 {
			return b.Fail("input %q: shape %v has a length below 1", name, shape)
		}
	}
	v := b.define(name, shape, Float32)
	if b.err == nil {
		b.inputs = append(b.inputs, v)
	}
	return v
}

// Output declares v to be a result of the graph, under the given name. Results
// come from the runner in the order of these calls.
func (b *Builder) Output(name string, v Value) {
	if !b.ready("output "+name, v) {
		return
	}
	out := b.define(name, v.shape, v.dtype)
	if b.err != nil {
		return
	}
	b.nodes = append(b.nodes, node{op: "Identity", name: "output " + name, in: []string{v.name}, out: []string{name}})
	b.outputs = append(b.outputs, out)
}

// Param returns the named tensor of the checkpoint, which must have exactly the
// given shape. Values of type float16, bfloat16 and float64 become float32 in
// the graph; int8 stays what it is, and only [Builder.MatMulInteger] takes it;
// other types are refused. Asking twice for a tensor gives the same Value.
func (b *Builder) Param(name string, shape ...int) Value {
	if b.weights == nil {
		return b.Fail("weight %q: the builder was given no weights", name)
	}
	got, ok := b.weights.Shape(name)
	if !ok && !b.asked[name] {
		b.missing++
	}
	b.asked[name] = true // also after a mistake, so that the list of unused tensors is right
	if !ok {
		b.unfit = b.unfit || b.err == nil
		return b.Fail("weight %q: not in the checkpoint, want shape %v", name, shape)
	}
	if b.err != nil {
		return Value{}
	}
	if !slices.Equal(got, shape) {
		b.unfit = true
		return b.Fail("weight %q: shape %v in the checkpoint, want %v", name, got, shape)
	}
	if v, ok := b.params[name]; ok {
		return v
	}
	v := b.load(name, shape)
	if b.err == nil {
		b.params[name] = v
	}
	return v
}

// Const returns a constant of the given shape, row-major.
func (b *Builder) Const(shape []int, data ...float32) Value {
	if b.err != nil {
		return Value{}
	}
	n, ok := volume(shape)
	if !ok || n != len(data) {
		return b.Fail("constant of shape %v given %d values", shape, len(data))
	}
	raw := make([]byte, 0, 4*len(data))
	for _, x := range data {
		raw = appendUint32(raw, math.Float32bits(x))
	}
	v := b.define(b.fresh("const"), shape, Float32)
	b.inits = append(b.inits, initializer{name: v.name, shape: v.shape, dtype: int32(Float32), raw: raw})
	return v
}

// Scalar returns a constant without dimensions.
func (b *Builder) Scalar(x float32) Value { return b.Const(nil, x) }

// Build finishes the graph. The error is the first mistake; when it concerns a
// tensor of the checkpoint it also lists tensors that the graph never asked
// for, which is how a checkpoint of another model shows itself.
func (b *Builder) Build() (*Model, error) {
	switch {
	case b.err != nil && b.unfit:
		return nil, fmt.Errorf("%w%s", b.err, b.misfit())
	case b.err != nil:
		return nil, b.err
	case len(b.outputs) == 0:
		return nil, fmt.Errorf("graph: no output: %w", assay.ErrInvalid)
	}
	dir, err := placeExternal(b.inits)
	if err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	m := &Model{Proto: b.encode(), Dir: dir, Unused: b.unused()}
	if len(m.Proto) > maxProto {
		return nil, fmt.Errorf("graph: %d bytes, and a protobuf message holds at most %d; keep the weights in an aligned file: %w",
			len(m.Proto), maxProto, assay.ErrInvalid)
	}
	for _, v := range b.inputs {
		m.Inputs = append(m.Inputs, v.name)
	}
	for _, v := range b.outputs {
		m.Outputs = append(m.Outputs, v.name)
	}
	return m, nil
}

// maxProto is the largest message protobuf implementations accept: 2 GiB less one byte.
const maxProto = math.MaxInt32

// maxListed bounds the names in an error, so that it fits a screen.
const maxListed = 8

// misfit says which other tensors are missing and which were never asked for.
func (b *Builder) misfit() string {
	var s strings.Builder
	if b.missing > 1 {
		fmt.Fprintf(&s, "; %d tensors are missing in all", b.missing)
	}
	if unused := b.unused(); len(unused) > 0 {
		fmt.Fprintf(&s, "; the checkpoint has %d tensors this model has no use for: %s", len(unused), list(unused))
	}
	return s.String()
}

// unused returns the tensors that were never asked for, sorted.
func (b *Builder) unused() []string {
	if b.weights == nil {
		return nil
	}
	var names []string
	for _, n := range b.weights.Names() {
		if !b.asked[n] {
			names = append(names, n)
		}
	}
	return names
}

// list joins at most maxListed names and counts the rest.
func list(names []string) string {
	if len(names) <= maxListed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
}

// define makes a named value of the graph; names are unique.
func (b *Builder) define(name string, shape []int, t DType) Value {
	switch {
	case b.err != nil:
		return Value{}
	case name == "":
		return b.Fail("a value of shape %v has no name", shape)
	case b.names[name]:
		return b.Fail("two values are named %q", name)
	}
	b.names[name] = true
	return Value{b: b, name: name, shape: slices.Clone(shape), dtype: t}
}

// fresh returns a name no value has. The sign # keeps it apart from tensor names.
func (b *Builder) fresh(kind string) string {
	return fmt.Sprintf("%s#%d", kind, len(b.names))
}

// node adds an operator with one result and returns that.
func (b *Builder) node(op string, shape []int, t DType, in []Value, attrs ...attr) Value {
	return b.nodeOf("", op, shape, t, in, attrs...)
}

// nodeOf is node for an operator of the given domain; the empty one is ONNX's own.
func (b *Builder) nodeOf(domain, op string, shape []int, t DType, in []Value, attrs ...attr) Value {
	v := b.define(b.fresh(op), shape, t)
	if b.err != nil {
		return Value{}
	}
	n := node{op: op, domain: domain, name: v.name, out: []string{v.name}, attrs: attrs}
	for _, x := range in {
		n.in = append(n.in, x.name) // empty for the zero Value, as ONNX wants
	}
	b.nodes = append(b.nodes, n)
	return v
}

// ints returns a constant list of int64, as many operators want for axes and sizes.
func (b *Builder) ints(list ...int) Value {
	raw := make([]byte, 0, 8*len(list))
	for _, x := range list {
		raw = appendUint64(raw, uint64(int64(x)))
	}
	v := b.define(b.fresh("ints"), []int{len(list)}, Int64)
	b.inits = append(b.inits, initializer{name: v.name, shape: v.shape, dtype: int32(Int64), raw: raw})
	return v
}

// ready reports whether op may go on: no mistake so far, and every argument a
// value of this graph.
func (b *Builder) ready(op string, in ...Value) bool {
	if b.err != nil {
		return false
	}
	for i, v := range in {
		if v.b != b {
			b.Fail("%s: argument %d is not a value of this graph", op, i)
			return false
		}
	}
	return true
}

// floats is ready, and every argument of type float32.
func (b *Builder) floats(op string, in ...Value) bool {
	if !b.ready(op, in...) {
		return false
	}
	for i, v := range in {
		if v.dtype != Float32 {
			b.Fail("%s: argument %d is %v, want float32", op, i, v.dtype)
			return false
		}
	}
	return true
}

// volume returns the number of elements of a shape without dynamic lengths; ok
// is false if there is one, or if the product leaves the range of an int.
func volume(shape []int) (n int, ok bool) {
	n = 1
	for _, d := range shape {
		if d < 0 || (d > 0 && n > math.MaxInt/d) {
			return 0, false
		}
		n *= d
	}
	return n, true
}
