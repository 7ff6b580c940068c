package onnx

// A Tensor is a dense float32 array, row-major.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Weights is where a graph's parameters come from: a checkpoint that has been
// read but not copied. weights.Checkpoint satisfies it.
type Weights interface {
	// Names lists every tensor, sorted.
	Names() []string
	// Shape returns the named tensor's shape; ok is false if there is none.
	Shape(name string) (shape []int, ok bool)
	// Place tells where the values lie, little-endian, row-major and contiguous:
	// length bytes at offset of file, each value a dtype ("float32", "float16",
	// "bfloat16", "float64", "int64", "int32", "uint8", ...). An empty file
	// means that they cannot be mapped (unaligned, strided, or not from a file);
	// then Bytes has them.
	Place(name string) (file string, offset, length int64, dtype string)
	// Bytes returns the values as Place describes them.
	Bytes(name string) ([]byte, error)
}

// A Model is a finished graph: ONNX bytes, with large weights left in the
// checkpoint file they came from.
type Model struct {
	Proto   []byte   // a serialised ModelProto
	Dir     string   // folder that external tensors are relative to; empty if there are none
	Inputs  []string // names, in the order of Runner.Run's arguments
	Outputs []string // names, in the order of Runner.Run's results
	Unused  []string // tensors of the checkpoint that no node asked for
}
