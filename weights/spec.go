package weights

import "slices"

// A TensorSpec describes a tensor of an official container: what a checker
// expects to find there, and what a writer of synthetic checkpoints puts there.
type TensorSpec struct {
	Name  string // as the official container names it
	Shape []int  // empty for a single value
	DType string // as [Checkpoint.Place] names types: "float32", "float16", "int64", ...
	Init  Init   // synthetic values
}

// Bytes returns how many bytes the tensor's values take; 0 if the type is not one
// that [Checkpoint.Place] names.
func (s TensorSpec) Bytes() int64 { return s.Elements() * dtype(s.DType).size() }

// Elements returns how many values the tensor has.
func (s TensorSpec) Elements() int64 {
	n := int64(1)
	for _, size := range s.Shape {
		n *= int64(size)
	}
	return n
}

// SameShape reports whether shape is the one that s wants.
func (s TensorSpec) SameShape(shape []int) bool { return slices.Equal(s.Shape, shape) }

// The kinds of [Init].
const (
	InitNormal = "normal" // Mean + Scale·z, z of mean 0 and variance 1
	InitConst  = "const"  // Mean
	InitArange = "arange" // 0, 1, 2, ... in row-major order
)

// An Init says which values a synthetic tensor has. How exactly z follows from the
// seed, the tensor's name and the value's index is described in docs/synthetic.md.
type Init struct {
	Kind        string // InitNormal, InitConst or InitArange
	Mean, Scale float64
}
