package weights

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// h5Classes names the classes of datatypes that are not read.
var h5Classes = map[byte]string{
	2: "times", 4: "bit fields", 5: "opaque values", 6: "compounds", 7: "references", 8: "enumerations (booleans are)", 10: "arrays", 11: "complex numbers",
}

// An h5type is the type of a dataset's or attribute's values.
type h5type struct {
	dtype   dtype // of numbers; "" for texts and what is not read
	what    string
	size    int  // bytes of one value
	text    bool // of a fixed length
	varText bool // a reference into the global heap
}

// datatype reads a type. Types that no tensor can have are described in what.
func (c *h5cursor) datatype() h5type {
	start := c.u8()
	bits := uint32(c.uint(3))
	t := h5type{size: int(c.u32())}
	if c.err != nil {
		return t
	}
	class, version := start&15, start>>4
	if version < 1 || version > 5 {
		c.fail("a datatype of version %d", version)
	}
	if t.size < 1 {
		c.fail("values of %d bytes", t.size)
	}
	order := "little-endian"
	if bits&1 != 0 {
		order = "big-endian"
	}
	switch class {
	case 0: // integers
		offset, precision := c.u16(), int(c.u16())
		t.what = fmt.Sprintf("%s %d-bit integers in %d bytes", order, precision, t.size)
		if bits&1 == 0 && offset == 0 && precision == 8*t.size {
			sign := "uint"
			if bits&8 != 0 {
				sign = "int"
			}
			t.dtype = dtype(fmt.Sprintf("%s%d", sign, precision))
		}
	case 1:
		t.float(c, bits)
	case 3:
		t.text, t.what = true, "texts"
	case 9:
		t.varText = bits&15 == 1
		t.what = "sequences of various lengths"
		if t.varText {
			t.what = "texts of various lengths"
		}
		if t.size != 8+c.h.offset {
			c.fail("references of %d bytes", t.size)
		}
	default:
		t.what = fmt.Sprintf("%s (class %d)", h5Classes[class], class)
	}
	if t.dtype != "" && t.dtype.size() != int64(t.size) {
		t.dtype = "" // an integer of a width nobody has
	}
	return t
}

// float recognises the floating-point formats of IEEE 754, and bfloat16.
func (t *h5type) float(c *h5cursor, bits uint32) {
	offset, precision := c.u16(), c.u16()
	expAt, expSize, fracAt, fracSize := c.u8(), c.u8(), c.u8(), c.u8()
	bias := c.u32()
	t.what = fmt.Sprintf("%d-bit floats of %d exponent bits, or big-endian ones", precision, expSize)
	type layout struct {
		size                        int
		expAt, expSize, fracSize    byte
		bias, sign, normalised, lsb uint32
	}
	got := layout{t.size, expAt, expSize, fracSize, bias, bits >> 8 & 255, bits >> 4 & 3, bits & 0x41}
	if offset != 0 || int(precision) != 8*t.size || fracAt != 0 {
		return
	}
	for d, want := range map[dtype]layout{
		"float16":  {2, 10, 5, 10, 15, 15, 2, 0},
		"bfloat16": {2, 7, 8, 7, 127, 15, 2, 0},
		"float32":  {4, 23, 8, 23, 127, 31, 2, 0},
		"float64":  {8, 52, 11, 52, 1023, 63, 2, 0},
	} {
		if got == want {
			t.dtype = d
		}
	}
}

// dataspace reads a shape; null is true for one that holds no value at all.
func (c *h5cursor) dataspace() (shape []int64, null bool) {
	version := c.version("dataspace", 1, 2)
	rank := int(c.u8())
	flags := c.u8()
	kind := c.u8() // of version 2; reserved before
	if version == 1 {
		c.skip(4)
	}
	if rank > maxDims {
		c.fail("%d dimensions", rank)
	}
	if c.err != nil {
		return nil, false
	}
	shape = []int64{}
	for range rank {
		shape = append(shape, c.size())
	}
	if flags&1 != 0 {
		c.skip(rank * c.h.length) // how large it may grow
	}
	return shape, version == 2 && kind == 2
}

// h5FilterNames are the filters people meet.
var h5FilterNames = map[uint16]string{1: "gzip", 2: "shuffle", 3: "checksums", 4: "szip", 5: "nbit", 6: "scale-offset", 32000: "lzf", 32001: "blosc"}

// tensor finds the values of a dataset.
func (h *h5) tensor(o *h5object) (*tensor, error) {
	if o.find(h5External) != nil {
		return nil, fmt.Errorf("its values are in other files, which are not read")
	}
	if m := o.find(h5Filters); m != nil {
		return nil, fmt.Errorf("its values are in chunks that went through %s; write it in one piece (h5py: without chunks and compression)", filterNames(m.body))
	}
	body, err := o.need(h5Datatype, "datatype")
	if err != nil {
		return nil, err
	}
	c := &h5cursor{h: h, b: body}
	kind := c.datatype()
	if c.err != nil {
		return nil, c.err
	}
	if kind.dtype == "" {
		return nil, fmt.Errorf("it holds %s; want little-endian floats or integers", kind.what)
	}
	if body, err = o.need(h5Dataspace, "dataspace"); err != nil {
		return nil, err
	}
	c = &h5cursor{h: h, b: body}
	shape, null := c.dataspace()
	switch {
	case c.err != nil:
		return nil, c.err
	case null:
		return nil, fmt.Errorf("it is empty by declaration")
	}
	n, err := elements(shape)
	if err != nil {
		return nil, err
	}
	at, size, err := h.layout(o)
	if err != nil {
		return nil, err
	}
	if n > math.MaxInt64/kind.dtype.size() || n*kind.dtype.size() != size {
		return nil, fmt.Errorf("shape %v of %s does not take the %d bytes of its values", shape, kind.dtype, size)
	}
	if n == 0 {
		at = 0
	}
	if at < 0 || at > h.in.size-size {
		return nil, fmt.Errorf("%d bytes at address %d lie outside the file of %d bytes", size, at, h.in.size)
	}
	return h.in.place(layout{dtype: kind.dtype, shape: shape, storage: n, base: at})
}

// layout returns where the values of a dataset are, and how many bytes.
func (h *h5) layout(o *h5object) (at, size int64, err error) {
	m := o.find(h5Layout)
	c := &h5cursor{h: h, b: m.body}
	if m.shared {
		return 0, 0, fmt.Errorf("its layout is shared with another object, which is not read")
	}
	version := c.u8()
	if c.err == nil && version != 3 && version != 4 {
		return 0, 0, fmt.Errorf("a layout of version %d; 3 and 4, of HDF5 1.6.3 and later, are read", version)
	}
	switch class := c.u8(); {
	case c.err != nil:
	case class == 0: // in the header
		size = int64(c.u16())
		at = m.at + int64(c.at)
		c.skip(int(size))
	case class == 1:
		at, size = c.address(), c.size()
		if c.err == nil && at < 0 && size > 0 {
			c.fail("its values were never written")
		}
	case class == 2:
		c.fail("its values are in chunks; write it in one piece (h5py: without chunks and compression)")
	case class == 3:
		c.fail("its values are in other datasets")
	default:
		c.fail("a layout of class %d", class)
	}
	return at, size, c.err
}

// filterNames says what a dataset's chunks went through.
func filterNames(body []byte) string {
	c := &h5cursor{b: body}
	version := c.u8()
	n := int(c.u8())
	if version == 1 {
		c.skip(6)
	}
	var names []string
	for range min(n, 8) {
		id, long := c.u16(), 0
		if version == 1 || id >= 256 {
			long = int(c.u16())
		}
		c.skip(2)
		values := int(c.u16())
		if version == 1 {
			long, values = padded(long), values+values%2
		}
		c.skip(long + 4*values)
		if c.err != nil {
			break
		}
		name := h5FilterNames[id]
		if name == "" {
			name = fmt.Sprintf("filter %d", id)
		}
		names = append(names, name)
	}
	if names == nil {
		return "filters"
	}
	return strings.Join(names, ", ")
}

// attribute reads an attribute's name, and its texts if that is what it holds:
// nil otherwise. Numbers are of no use here.
func (h *h5) attribute(m h5message) (name string, texts []string, err error) {
	if m.shared {
		return "", nil, nil
	}
	c := &h5cursor{h: h, b: m.body}
	version := c.version("attribute", 1, 2, 3)
	flags := c.u8()
	sizes := [3]int{int(c.u16()), int(c.u16()), int(c.u16())} // of name, type and shape
	if version == 3 {
		c.skip(1) // ASCII or UTF-8
	}
	if version == 1 {
		flags = 0
	}
	var parts [3][]byte
	for i, n := range sizes {
		parts[i] = c.take(n)
		if version == 1 {
			c.skip(padded(n) - n)
		}
	}
	if c.err != nil {
		return "", nil, h.wrong("%v", c.err)
	}
	label, _, _ := bytes.Cut(parts[0], []byte{0})
	if !utf8.Valid(label) {
		return "", nil, h.wrong("a name that is not UTF-8")
	}
	if flags != 0 { // its type or shape is kept elsewhere, as Keras never does
		return string(label), nil, nil
	}
	kind := &h5cursor{h: h, b: parts[1]}
	t := kind.datatype()
	space := &h5cursor{h: h, b: parts[2]}
	shape, null := space.dataspace()
	switch {
	case kind.err != nil:
		return "", nil, h.wrong("%.100q: %v", label, kind.err)
	case space.err != nil:
		return "", nil, h.wrong("%.100q: %v", label, space.err)
	case null || !t.text && !t.varText:
		return string(label), nil, nil
	}
	texts, err = h.texts(t, shape, c)
	if err != nil {
		return "", nil, fmt.Errorf("attribute %.100q: %w", label, err)
	}
	return string(label), texts, h.spell(len(label))
}

// texts reads the values of an attribute of text.
func (h *h5) texts(t h5type, shape []int64, c *h5cursor) ([]string, error) {
	n, err := elements(shape)
	if err != nil {
		return nil, h.wrong("%v", err)
	}
	if n > int64(c.left()/t.size) {
		return nil, h.wrong("%d texts of %d bytes in the %d bytes that are there", n, t.size, c.left())
	}
	texts := []string{}
	for range n {
		raw := c.take(t.size)
		if t.varText {
			if raw, err = h.global(raw); err != nil {
				return nil, err
			}
		}
		text, _, _ := bytes.Cut(raw, []byte{0})
		if !utf8.Valid(text) {
			return nil, h.wrong("a text that is not UTF-8")
		}
		if err := h.spell(len(text)); err != nil {
			return nil, err
		}
		texts = append(texts, string(text))
	}
	return texts, nil
}

// global follows a reference into the global heap.
func (h *h5) global(reference []byte) ([]byte, error) {
	c := &h5cursor{h: h, b: reference}
	length, at, index := int64(c.u32()), c.address(), c.u32()
	switch {
	case c.err != nil:
		return nil, h.wrong("global heap: %v", c.err)
	case length == 0:
		return nil, nil
	}
	objects, ok := h.heaps[at]
	if !ok {
		var err error
		if objects, err = h.collection(at); err != nil {
			return nil, err
		}
		h.heaps[at] = objects
	}
	object, ok := objects[uint16(index)]
	if !ok || index > math.MaxUint16 || length > int64(len(object)) {
		return nil, h.wrong("a text of %d bytes, object %d of the heap at %d, is not there", length, index, at)
	}
	return object[:length], nil
}

// collection reads one part of the global heap.
func (h *h5) collection(at int64) (map[uint16][]byte, error) {
	b, err := h.read(at, int64(8+h.length))
	if err != nil {
		return nil, err
	}
	c := &h5cursor{h: h, b: b}
	c.magic("GCOL")
	c.version("global heap", 1)
	c.skip(3)
	size := c.size()
	if c.err == nil && size < int64(len(b)) {
		c.fail("%d bytes", size)
	}
	if c.err != nil {
		return nil, h.wrong("global heap: %v", c.err)
	}
	if b, err = h.read(at+int64(len(b)), size-int64(len(b))); err != nil {
		return nil, err
	}
	c = &h5cursor{h: h, b: b}
	objects := map[uint16][]byte{}
	for c.left() >= 8+h.length {
		index := c.u16()
		c.skip(2 + 4)
		n := c.size()
		if index == 0 { // the free space
			break
		}
		if c.err == nil && n > int64(c.left()) {
			c.fail("object %d has %d bytes", index, n)
		}
		if c.err != nil {
			return nil, h.wrong("global heap: %v", c.err)
		}
		objects[index] = c.take(int(n))
		c.skip(min(padded(int(n))-int(n), c.left()))
	}
	return objects, nil
}
