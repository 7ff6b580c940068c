package weights

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
)

// KerasOptions adjust [WriteKerasHDF5]. The zero KerasOptions writes the layers
// that the pieces name.
type KerasOptions struct {
	// Layers names every layer of the model in its order, those without weights
	// too: Keras fills layers by their order. Empty means the layers of the pieces,
	// in the order in which each comes first.
	Layers []string
	// Version is the attribute keras_version; "2.1.6" if empty. Loaders take the
	// orientation of kernels from it.
	Version string
	// Texts are put at the root beside what Keras writes.
	Texts map[string]string
}

// WriteKerasHDF5 writes the pieces as Keras' save_weights does, so that
// load_weights and h5py read them: a group for each layer with the attribute
// weight_names, at the root layer_names, backend and keras_version. A piece is
// called LAYER/WEIGHT, as in "conv1/conv1/kernel:0", where WEIGHT is what
// weight_names says, and may have slashes; weights are listed in the order of their
// pieces. The file is of HDF5's oldest format, as h5py writes by default. Values
// start at a multiple of 64 bytes. One piece is in memory at a time. The same pieces
// give the same bytes.
//
// [Open] gives the tensors the names the pieces have. An error wraps
// [assay.ErrInvalid] and names the piece if the file could not be read back: a name
// that is used twice or has no layer, a type that HDF5 has not, values that do not
// fit the shape. Otherwise it is w's, the piece's own, or the context's.
func WriteKerasHDF5(ctx context.Context, w io.Writer, pieces []Piece, opt KerasOptions) error {
	root, planned, err := planKeras(pieces, opt)
	if err != nil {
		return err
	}
	head, err := layHDF5(root, planned)
	if err != nil {
		return err
	}
	if err := writeAll(ctx, w, head); err != nil {
		return fmt.Errorf("writing the header: %w", err)
	}
	at := int64(len(head))
	for _, p := range planned {
		raw, err := p.make(ctx)
		if err != nil {
			return err
		}
		raw = append(make([]byte, p.at-at), raw...)
		if err := writeAll(ctx, w, raw); err != nil {
			return fmt.Errorf("writing tensor %.100q: %w", p.Name, err)
		}
		at += int64(len(raw))
	}
	return nil
}

// An h5node is a group or dataset to be written.
type h5node struct {
	members map[string]*h5node // nil for a dataset
	texts   []h5text
	piece   *plannedPiece
	order   []string // of a layer's weights

	header, tree, heap, leaves int64 // where its parts are
}

// An h5text is an attribute: one text, or a list.
type h5text struct {
	name string
	list []string // of one element for a text
	one  bool
}

// planKeras checks the pieces and makes the tree of groups.
func planKeras(pieces []Piece, opt KerasOptions) (*h5node, []*plannedPiece, error) {
	if len(pieces) == 0 {
		return nil, nil, fmt.Errorf("a Keras file without tensors: %w", assay.ErrInvalid)
	}
	root := &h5node{members: map[string]*h5node{}}
	layers := slices.Clone(opt.Layers)
	for _, l := range layers {
		if !plainMember(l) || root.members[l] != nil {
			return nil, nil, fmt.Errorf("layer %.100q: named twice, or a name that HDF5 does not allow: %w", l, assay.ErrInvalid)
		}
		root.members[l] = &h5node{members: map[string]*h5node{}}
	}
	planned := make([]*plannedPiece, len(pieces))
	for i, p := range pieces {
		length, err := p.check()
		if err == nil && h5Types[dtype(p.DType)] == nil {
			err = fmt.Errorf("HDF5 has no values of type %q", p.DType)
		}
		if err == nil && len(p.Shape) > 32 {
			err = fmt.Errorf("%d dimensions, HDF5 allows 32", len(p.Shape))
		}
		layer, weight, ok := strings.Cut(p.Name, "/")
		if err == nil && !ok {
			err = fmt.Errorf("the name has no layer: want LAYER/WEIGHT")
		}
		if err == nil && root.members[layer] == nil {
			if opt.Layers != nil {
				err = fmt.Errorf("no layer %.100q is in the list", layer)
			} else {
				layers = append(layers, layer)
				root.members[layer] = &h5node{members: map[string]*h5node{}}
			}
		}
		planned[i] = &plannedPiece{Piece: p, length: length}
		if err == nil {
			root.members[layer].order = append(root.members[layer].order, weight)
			err = root.put(p.Name, planned[i])
		}
		if err != nil {
			return nil, nil, fmt.Errorf("tensor %.100q: %w: %w", p.Name, err, assay.ErrInvalid)
		}
	}
	version := opt.Version
	if version == "" {
		version = "2.1.6"
	}
	for _, l := range root.members {
		l.texts = []h5text{{name: "weight_names", list: l.order}}
	}
	root.texts = []h5text{{name: "layer_names", list: layers}, {name: "backend", list: []string{"tensorflow"}, one: true},
		{name: "keras_version", list: []string{version}, one: true}}
	for _, key := range slices.Sorted(maps.Keys(opt.Texts)) {
		root.texts = append(root.texts, h5text{name: key, list: []string{opt.Texts[key]}, one: true})
	}
	return root, planned, nil
}

// plainMember reports whether a group may have a member of that name.
func plainMember(name string) bool {
	return name != "" && name != "." && !strings.ContainsAny(name, "/\x00")
}

// put makes a dataset and the groups above it.
func (n *h5node) put(path string, p *plannedPiece) error {
	name, rest, more := strings.Cut(path, "/")
	switch below := n.members[name]; {
	case !plainMember(name):
		return fmt.Errorf("HDF5 does not allow this name")
	case more && below == nil:
		n.members[name] = &h5node{members: map[string]*h5node{}}
	case more && below.members == nil:
		return fmt.Errorf("%.100q is a tensor and a group", name)
	case !more && below != nil:
		return fmt.Errorf("two pieces have this name, or it is a group's")
	case !more:
		n.members[name] = &h5node{piece: p}
	}
	if more {
		return n.members[name].put(rest, p)
	}
	return nil
}

// h5Types encodes the datatypes that are written: class, bits, size, properties.
var h5Types = func() map[dtype][]byte {
	types := map[dtype][]byte{}
	integer := func(d dtype, sign byte) {
		size := byte(d.size())
		types[d] = []byte{0x10, sign, 0, 0, size, 0, 0, 0, 0, 0, 8 * size, 0}
	}
	for _, bits := range []string{"8", "16", "32", "64"} {
		integer(dtype("uint"+bits), 0)
		integer(dtype("int"+bits), 8)
	}
	float := func(d dtype, expAt, expSize byte, bias uint32) {
		size := byte(d.size())
		b := []byte{0x11, 0x20, 8*size - 1, 0, size, 0, 0, 0, 0, 0, 8 * size, 0, expAt, expSize, 0, expAt}
		types[d] = binary.LittleEndian.AppendUint32(b, bias)
	}
	float("float16", 10, 5, 15)
	float("float32", 23, 8, 127)
	float("float64", 52, 11, 1023)
	return types
}()

// h5LeafK and h5TreeK are the library's own halves of a node's members: a leaf
// holds up to twice the one, an inner node twice the other.
const (
	h5LeafK = 4
	h5TreeK = 16
)

// An h5layer lays structures one after another.
type h5layer struct {
	b     []byte
	treeK int
}

// room reserves n bytes, rounded up to a multiple of 8.
func (l *h5layer) room(n int) int64 {
	at := int64(len(l.b))
	l.b = append(l.b, make([]byte, padded(n))...)
	return at
}

// layHDF5 gives everything its place and writes all but the values.
func layHDF5(root *h5node, planned []*plannedPiece) ([]byte, error) {
	l := &h5layer{treeK: h5TreeK}
	root.each(func(n *h5node) { l.treeK = max(l.treeK, (len(n.members)+4*h5LeafK-1)/(4*h5LeafK)) })
	if l.treeK > math.MaxUint16 {
		return nil, fmt.Errorf("a group of more than %d members: %w", 4*h5LeafK*math.MaxUint16, assay.ErrInvalid)
	}
	l.room(96)
	var err error
	root.each(func(n *h5node) {
		if e := l.reserve(n); err == nil {
			err = e
		}
	})
	if err != nil {
		return nil, err
	}
	end := int64(len(l.b))
	for _, p := range planned {
		p.at = (end + alignTo - 1) &^ (alignTo - 1)
		end = p.at + p.length
	}
	root.each(l.write)
	le := binary.LittleEndian
	s := append(l.b[:0:0], hdf5Magic...)
	s = append(s, 0, 0, 0, 0, 0, 8, 8, 0)
	s = le.AppendUint16(s, h5LeafK)
	s = le.AppendUint16(s, uint16(l.treeK))
	s = le.AppendUint32(s, 0)
	for _, v := range []uint64{0, undefined, uint64(end), undefined, 0, uint64(root.header)} {
		s = le.AppendUint64(s, v)
	}
	s = le.AppendUint64(s, 1) // what follows is cached: the root's tree and heap
	s = le.AppendUint64(s, uint64(root.tree))
	s = le.AppendUint64(s, uint64(root.heap))
	copy(l.b, s)
	return l.b, nil
}

// undefined is the address of what is not there.
const undefined = math.MaxUint64

// each visits the node and all below it, members in the order of their names.
func (n *h5node) each(visit func(*h5node)) {
	visit(n)
	for _, name := range slices.Sorted(maps.Keys(n.members)) {
		n.members[name].each(visit)
	}
}

// reserve gives a node's parts their places.
func (l *h5layer) reserve(n *h5node) error {
	messages, err := n.messages()
	if err != nil {
		return err
	}
	n.header = l.room(16 + len(messages))
	if n.members == nil {
		return nil
	}
	n.tree = l.room(24 + 16*l.treeK*2 + 8)
	n.heap = l.room(32 + len(n.names()))
	n.leaves = l.room((len(n.members) + 2*h5LeafK - 1) / (2 * h5LeafK) * h5LeafBytes)
	return nil
}

// h5LeafBytes is the size of a symbol table node.
const h5LeafBytes = 8 + 2*h5LeafK*40

// names is the data of a group's local heap: the empty text, then the members'
// names in order, each padded.
func (n *h5node) names() []byte {
	out := make([]byte, 8)
	for _, name := range slices.Sorted(maps.Keys(n.members)) {
		out = append(out, name...)
		out = append(out, make([]byte, padded(len(name)+1)-len(name))...)
	}
	return out
}

// write fills a node's places in.
func (l *h5layer) write(n *h5node) {
	le := binary.LittleEndian
	messages, _ := n.messages() // reserve has seen its error
	count := 0
	for at := 0; at < len(messages); at += 8 + int(le.Uint16(messages[at+2:])) {
		count++
	}
	h := append(l.b[n.header:n.header], 1, 0)
	h = le.AppendUint16(h, uint16(count))
	h = le.AppendUint32(h, 1) // one name leads here
	h = le.AppendUint32(h, uint32(len(messages)))
	h = append(le.AppendUint32(h, 0), messages...)
	if n.members == nil {
		return
	}
	names := n.names()
	p := append(l.b[n.heap:n.heap], "HEAP\x00\x00\x00\x00"...)
	for _, v := range []uint64{uint64(len(names)), 1, uint64(n.heap + 32)} { // 1: no byte of it is free
		p = le.AppendUint64(p, v)
	}
	p = append(p, names...)
	sorted := slices.Sorted(maps.Keys(n.members))
	leaves := (len(sorted) + 2*h5LeafK - 1) / (2 * h5LeafK)
	t := append(l.b[n.tree:n.tree], "TREE\x00\x00"...)
	t = le.AppendUint16(t, uint16(leaves))
	t = le.AppendUint64(t, undefined) // neighbours
	t = le.AppendUint64(t, undefined)
	t = le.AppendUint64(t, 0)
	at := uint64(8) // of the next name
	for i := range leaves {
		own := sorted[i*2*h5LeafK : min((i+1)*2*h5LeafK, len(sorted))]
		place := n.leaves + int64(i*h5LeafBytes)
		s := append(l.b[place:place], "SNOD\x01\x00"...)
		s = le.AppendUint16(s, uint16(len(own)))
		last := uint64(0)
		for _, name := range own {
			m := n.members[name]
			s = le.AppendUint64(le.AppendUint64(s, at), uint64(m.header))
			cached := []uint64{0, 0, 0}
			if m.members != nil {
				cached = []uint64{1, uint64(m.tree), uint64(m.heap)}
			}
			for _, v := range cached {
				s = le.AppendUint64(s, v)
			}
			last = at
			at += uint64(padded(len(name) + 1))
		}
		t = le.AppendUint64(le.AppendUint64(t, uint64(place)), last)
	}
}

// messages are a node's header messages.
func (n *h5node) messages() ([]byte, error) {
	le := binary.LittleEndian
	var out []byte
	add := func(kind uint16, flags byte, body []byte) {
		body = append(body, make([]byte, padded(len(body))-len(body))...)
		out = append(le.AppendUint16(le.AppendUint16(out, kind), uint16(len(body))), flags, 0, 0, 0)
		out = append(out, body...)
	}
	if p := n.piece; p != nil {
		add(h5Dataspace, 0, dataspaceOf(p.Shape))
		add(h5Datatype, 1, slices.Clone(h5Types[dtype(p.DType)]))
		add(0x05, 1, []byte{2, 2, 2, 1, 0, 0, 0, 0}) // unwritten values are zero
		layout := []byte{3, 1}
		at := uint64(p.at)
		if p.length == 0 {
			at = undefined
		}
		add(h5Layout, 0, le.AppendUint64(le.AppendUint64(layout, at), uint64(p.length)))
		return out, nil
	}
	add(h5SymbolTable, 0, le.AppendUint64(le.AppendUint64(nil, uint64(n.tree)), uint64(n.heap)))
	for _, t := range n.texts {
		body := t.encode()
		if len(body) > math.MaxUint16-8 {
			return nil, fmt.Errorf("the attribute %s takes %d bytes, HDF5 allows %d: %w", t.name, len(body), math.MaxUint16-8, assay.ErrInvalid)
		}
		add(h5Attribute, 0, body)
	}
	return out, nil
}

// dataspaceOf is the message of a shape.
func dataspaceOf(shape []int) []byte {
	out := []byte{1, byte(len(shape)), 0, 0, 0, 0, 0, 0}
	for _, s := range shape {
		out = binary.LittleEndian.AppendUint64(out, uint64(s))
	}
	return out
}

// encode is the message of an attribute. Texts have one length and end with
// zeros, as NumPy's do; an empty list is one of floats, as Keras writes it.
func (t h5text) encode() []byte {
	le := binary.LittleEndian
	size := 1
	for _, s := range t.list {
		size = max(size, len(s))
	}
	kind := le.AppendUint32([]byte{0x13, 1, 0, 0}, uint32(size))
	space := dataspaceOf([]int{len(t.list)})
	switch {
	case len(t.list) == 0:
		kind = h5Types["float64"]
	case t.one:
		space = dataspaceOf(nil)
	}
	out := []byte{1, 0}
	for _, n := range []int{len(t.name) + 1, len(kind), len(space)} {
		out = le.AppendUint16(out, uint16(n))
	}
	for _, part := range [][]byte{append([]byte(t.name), 0), kind, space} {
		out = append(out, part...)
		out = append(out, make([]byte, padded(len(part))-len(part))...)
	}
	for _, s := range t.list {
		out = append(append(out, s...), make([]byte, size-len(s))...)
	}
	return out
}
