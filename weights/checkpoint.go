package weights

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
)

// A Checkpoint is the table of tensors of an open file. The values are read from
// the file each time they are asked for. It is safe for concurrent use.
//
// Tensors inside nested dictionaries, lists and tuples are named by their path,
// its parts joined with dots: "state_dict.visual.proj", "layers.0.weight". See
// [Checkpoint.Sub] for dropping such a prefix. A file that holds one tensor and
// no dictionary names it "tensor". Datasets of an HDF5 file are named by their path,
// its parts joined with slashes: "conv1/conv1/kernel:0".
type Checkpoint struct {
	in        *input
	file      string // path given to Open; empty if there is none
	base      int64  // of the checkpoint in that file, in bytes
	container Container
	names     []string // sorted
	tensors   map[string]*tensor
	metadata  map[string]string
	close     func() error
}

// A tensor says where values lie. The zero stride slice means that they are
// contiguous and row-major.
type tensor struct {
	dtype  dtype
	shape  []int
	stride []int64 // in elements, one per dimension; nil for contiguous
	at     int64   // of the first value, in bytes from the start of src
	span   int64   // bytes from the first value to the end of the last
	length int64   // bytes of the contiguous values
	packed *packed // where at counts from; nil for the file itself
}

// layout is a tensor as a file describes it, not yet checked.
type layout struct {
	dtype   dtype
	shape   []int64
	stride  []int64 // in elements; nil for contiguous
	offset  int64   // of the first value in the storage, in elements
	storage int64   // length of the storage, in elements
	base    int64   // of the storage in the file, in bytes
}

// place checks that every element of the layout lies inside its storage and
// that the tensor is no larger than the file it came from.
func (in *input) place(l layout) (*tensor, error) {
	n, err := elements(l.shape)
	if err != nil {
		return nil, err
	}
	size := l.dtype.size()
	if size == 0 {
		return nil, fmt.Errorf("values of type %q are not supported", l.dtype)
	}
	if n > l.storage && n > in.size/size { // a view with stride 0 can be larger than its storage
		return nil, fmt.Errorf("shape %v takes more bytes than the file has (%d)", l.shape, in.size)
	}
	if l.offset < 0 || l.offset > l.storage {
		return nil, fmt.Errorf("offset %d lies outside its storage of %d elements", l.offset, l.storage)
	}
	last := int64(0) // index of the last element, from the first
	if n > 0 {
		if last, err = lastIndex(l); err != nil {
			return nil, err
		}
		if last >= l.storage-l.offset {
			return nil, fmt.Errorf("shape %v, strides %v from offset %d leave the storage of %d elements",
				l.shape, l.stride, l.offset, l.storage)
		}
	}
	t := &tensor{
		dtype: l.dtype, shape: make([]int, len(l.shape)),
		at: l.base + l.offset*size, length: n * size,
	}
	for i, s := range l.shape {
		t.shape[i] = int(s)
	}
	if n > 0 {
		t.span = (last + 1) * size
	}
	if l.stride != nil && !rowMajor(l.shape, l.stride) {
		t.stride = l.stride
	}
	return t, nil
}

// lastIndex returns Σ (size−1)·stride, the distance in elements from the first
// element to the farthest, checked for overflow. No size is 0.
func lastIndex(l layout) (int64, error) {
	if l.stride == nil {
		n, err := elements(l.shape)
		return n - 1, err
	}
	if len(l.stride) != len(l.shape) {
		return 0, fmt.Errorf("%d strides for %d dimensions", len(l.stride), len(l.shape))
	}
	last := int64(0)
	for i, s := range l.shape {
		step := l.stride[i]
		if step < 0 {
			return 0, fmt.Errorf("stride %d is negative", step)
		}
		if s > 1 && step > (l.storage-last)/(s-1) { // last never exceeds storage, so nothing overflows
			return 0, fmt.Errorf("shape %v, strides %v leave the storage of %d elements", l.shape, l.stride, l.storage)
		}
		last += (s - 1) * step
	}
	return last, nil
}

// rowMajor reports whether the strides are those of a contiguous row-major
// tensor. The stride of a dimension of size 1 is never used.
func rowMajor(shape, stride []int64) bool {
	want := int64(1)
	for i, s := range slices.Backward(shape) {
		if s == 0 {
			return true
		}
		if s != 1 && stride[i] != want {
			return false
		}
		want *= s
	}
	return true
}

// finish builds the Checkpoint of a parsed file.
func (in *input) finish(kind Container, tensors map[string]*tensor, metadata map[string]string) (*Checkpoint, error) {
	if len(tensors) == 0 {
		return nil, in.invalid("the %s file holds no tensors", kind)
	}
	return &Checkpoint{
		in: in, container: kind, tensors: tensors, metadata: metadata,
		names: slices.Sorted(maps.Keys(tensors)),
		close: func() error { return nil },
	}, nil
}

// Container says which format the file has.
func (c *Checkpoint) Container() Container { return c.container }

// Names returns the name of every tensor, sorted. The slice is the caller's own.
func (c *Checkpoint) Names() []string { return slices.Clone(c.names) }

// Shape returns the named tensor's shape, which is empty for a single value; ok
// is false if there is no such tensor.
func (c *Checkpoint) Shape(name string) (shape []int, ok bool) {
	t, ok := c.tensors[name]
	if !ok {
		return nil, false
	}
	return slices.Clone(t.shape), true
}

// Place tells where the values lie, little-endian, row-major and contiguous:
// length bytes at offset of file, each value a dtype ("float32", "float16",
// "bfloat16", "float64", "int64", "int32", "uint8", "bool", ...). The file is
// the path given to [Open], or to [OpenArchive] for a checkpoint inside an archive.
//
// An empty file means that the values cannot be mapped: they are strided or
// compressed, or offset is not a multiple of the value's size. Length and dtype
// then describe what [Checkpoint.Bytes] returns. For a name that is not there
// everything is zero.
func (c *Checkpoint) Place(name string) (file string, offset, length int64, dtype string) {
	t, ok := c.tensors[name]
	if !ok {
		return "", 0, 0, ""
	}
	at := c.base + t.at
	if t.stride != nil || t.packed != nil || at%t.dtype.size() != 0 || c.file == "" {
		return "", 0, t.length, string(t.dtype)
	}
	return c.file, at, t.length, string(t.dtype)
}

// Bytes returns the named tensor's values as [Checkpoint.Place] describes them.
// Strided tensors are put in row-major order. An error wraps
// [assay.ErrNotFound] if there is no such tensor.
func (c *Checkpoint) Bytes(name string) ([]byte, error) {
	t, err := c.tensor(name)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, t.span)
	if t.packed != nil {
		err = t.packed.readAt(raw, t.at)
	} else {
		err = c.in.readAt(raw, t.at)
	}
	if err != nil {
		return nil, fmt.Errorf("tensor %.100q: %w", name, err)
	}
	if t.stride == nil {
		return raw, nil
	}
	return t.gather(raw), nil
}

// gather puts the strided values of raw in row-major order.
func (t *tensor) gather(raw []byte) []byte {
	out := make([]byte, 0, t.length)
	size := t.dtype.size()
	index := make([]int, len(t.shape))
	from := int64(0) // of the current element, in elements
	for int64(len(out)) < t.length {
		out = append(out, raw[from*size:(from+1)*size]...)
		for d := len(index) - 1; d >= 0; d-- { // the next index, the last dimension fastest
			index[d]++
			from += t.stride[d]
			if index[d] < t.shape[d] {
				break
			}
			from -= int64(t.shape[d]) * t.stride[d]
			index[d] = 0
		}
	}
	return out
}

// Float32 returns the values of a float32, float16 or bfloat16 tensor, row-major;
// widening to float32 is exact. Other types are an error that wraps
// [assay.ErrInvalid]: float64 would be rounded, and integers are indices more
// often than weights. See [Checkpoint.Float64].
func (c *Checkpoint) Float32(name string) ([]float32, error) {
	raw, err := c.Bytes(name)
	if err != nil {
		return nil, err
	}
	values, ok := c.tensors[name].dtype.widen32(raw)
	if !ok {
		return nil, c.in.invalid("tensor %.100q holds %s; Float32 reads float32, float16 and bfloat16, Float64 more", name, c.tensors[name].dtype)
	}
	return values, nil
}

// Float64 returns the values of a tensor of floats of up to 64 bits, integers of
// up to 32 bits, or bools (0 and 1), row-major; all of these are exact in
// float64. Other types are an error that wraps [assay.ErrInvalid].
func (c *Checkpoint) Float64(name string) ([]float64, error) {
	raw, err := c.Bytes(name)
	if err != nil {
		return nil, err
	}
	values, ok := c.tensors[name].dtype.widen(raw)
	if !ok {
		return nil, c.in.invalid("tensor %.100q holds %s, which float64 cannot hold exactly", name, c.tensors[name].dtype)
	}
	return values, nil
}

func (c *Checkpoint) tensor(name string) (*tensor, error) {
	t, ok := c.tensors[name]
	if !ok {
		return nil, fmt.Errorf("checkpoint %s: tensor %.100q: %w", c.in.label, name, assay.ErrNotFound)
	}
	return t, nil
}

// Digest names the weights whatever container they are in: the 64 hex digits of
// a SHA-256 over the line "assay tensors 1\n" and then, for each tensor in the
// order of Names,
//
//	the length of its name, the name, the length of its dtype's name, that name
//	(as Place gives it), the number of dimensions, each size, and the values:
//	little-endian, row-major, contiguous, in the dtype they are stored in,
//
// where lengths, counts and sizes are unsigned 64-bit little-endian integers.
// Metadata, order and padding in the file do not matter. Digest reads every
// value each time it is called.
func (c *Checkpoint) Digest() (string, error) {
	h := newTensorHash()
	buf := make([]byte, 256<<10)
	for _, name := range c.names {
		t := c.tensors[name]
		h.tensor(name, t.dtype, t.shape)
		if t.stride != nil || t.packed != nil {
			raw, err := c.Bytes(name)
			if err != nil {
				return "", err
			}
			h.Write(raw)
			continue
		}
		for done := int64(0); done < t.length; done += int64(len(buf)) {
			part := buf[:min(int64(len(buf)), t.length-done)]
			if err := c.in.readAt(part, t.at+done); err != nil {
				return "", fmt.Errorf("tensor %.100q: %w", name, err)
			}
			h.Write(part)
		}
	}
	return h.String(), nil
}

// A tensorHash computes [Checkpoint.Digest]: tensor announces the next tensor, and
// its values are written after.
type tensorHash struct{ hash.Hash }

func newTensorHash() tensorHash {
	h := tensorHash{sha256.New()}
	io.WriteString(h, "assay tensors 1\n")
	return h
}

func (h tensorHash) tensor(name string, d dtype, shape []int) {
	num := func(n int) { h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n))) }
	text := func(s string) { num(len(s)); io.WriteString(h, s) }
	text(name)
	text(string(d))
	num(len(shape))
	for _, s := range shape {
		num(s)
	}
}

func (h tensorHash) String() string { return hex.EncodeToString(h.Sum(nil)) }

// Metadata returns what the file says beside its tensors: the __metadata__ of a
// safetensors file, the text, numbers and truth values at the top level of a
// PyTorch file ("epoch", "arch"), as text, or the texts at the root of an HDF5
// file ("keras_version"; lists such as "layer_names" with a newline between). It may be empty. Nothing in assay
// depends on it. The map is the caller's own.
func (c *Checkpoint) Metadata() map[string]string {
	out := make(map[string]string, len(c.metadata))
	maps.Copy(out, c.metadata)
	return out
}

// Sub returns the tensors whose names start with prefix, with the prefix
// dropped: Sub("state_dict.") is the usual wrapper taken off. The result shares
// the file with c; closing either closes both. An error wraps
// [assay.ErrNotFound] if no name starts with prefix.
func (c *Checkpoint) Sub(prefix string) (*Checkpoint, error) {
	sub := *c
	sub.names, sub.tensors = nil, make(map[string]*tensor)
	for _, name := range c.names {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			sub.names = append(sub.names, rest) // a common prefix keeps the order
			sub.tensors[rest] = c.tensors[name]
		}
	}
	if len(sub.names) == 0 {
		return nil, fmt.Errorf("checkpoint %s: no tensor's name starts with %q (the first is %q): %w",
			c.in.label, prefix, c.names[0], assay.ErrNotFound)
	}
	return &sub, nil
}

// Close closes the file. Reading values afterwards is an error. Closing twice is
// not.
func (c *Checkpoint) Close() error {
	return c.close()
}
