package weights

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// npyTypes are the little-endian value types of .npy headers. "|" is NumPy's
// mark for types that have no byte order.
var npyTypes = map[string]dtype{
	"|b1": "bool", "|u1": "uint8", "|i1": "int8",
	"<u2": "uint16", "<i2": "int16", "<f2": "float16",
	"<u4": "uint32", "<i4": "int32", "<f4": "float32",
	"<u8": "uint64", "<i8": "int64", "<f8": "float64", "<c8": "complex64",
}

// deflateRatio is how many times its size deflated data can inflate to: 258
// bytes from two bits, by RFC 1951, is 1032.
const deflateRatio = 1032

// A packed array is compressed; offsets count from its first inflated byte.
type packed struct {
	in    *input
	entry *zip.File
}

// readAt inflates as far as off+len(p). If that is the array's end, its checksum
// is verified.
func (a *packed) readAt(p []byte, off int64) error {
	r, err := a.entry.Open()
	if err != nil {
		return a.in.invalid("entry %.100q: %v", a.entry.Name, err)
	}
	defer r.Close()
	if _, err := io.CopyN(io.Discard, r, off); err != nil {
		return a.in.invalid("entry %.100q: inflating: %v", a.entry.Name, err)
	}
	if _, err := io.ReadFull(r, p); err != nil {
		return a.in.invalid("entry %.100q: inflating: %v", a.entry.Name, err)
	}
	if off+int64(len(p)) == int64(a.entry.UncompressedSize64) {
		var one [1]byte
		if _, err := r.Read(one[:]); !errors.Is(err, io.EOF) {
			return a.in.invalid("entry %.100q: %v", a.entry.Name, err)
		}
	}
	return nil
}

// parseNPZ reads what numpy.savez and numpy.savez_compressed write: a zip archive
// of .npy arrays. An array's name is its entry's without ".npy".
func parseNPZ(in *input, files []*zip.File) (*Checkpoint, error) {
	tensors := make(map[string]*tensor, len(files))
	for _, f := range files {
		if len(tensors) == in.lim.Tensors {
			return nil, in.invalid("more than %d arrays", in.lim.Tensors)
		}
		t, err := in.npzEntry(f)
		if err != nil {
			return nil, err
		}
		tensors[strings.TrimSuffix(f.Name, ".npy")] = t
	}
	return in.finish(NPZ, tensors, nil)
}

// npzEntry reads one array's header and finds its values.
func (in *input) npzEntry(f *zip.File) (*tensor, error) {
	var base, length int64
	var pack *packed
	var header io.Reader
	switch {
	case f.Method == zip.Deflate && f.Flags&1 == 0:
		if f.UncompressedSize64 > uint64(in.lim.Inflate) {
			return nil, in.invalid("entry %.100q inflates to %d bytes, more than the limit of %d",
				f.Name, f.UncompressedSize64, in.lim.Inflate)
		}
		if f.UncompressedSize64 > deflateRatio*f.CompressedSize64 { // disjoint has bounded both
			return nil, in.invalid("entry %.100q claims to inflate from %d bytes to %d, which is impossible",
				f.Name, f.CompressedSize64, f.UncompressedSize64)
		}
		r, err := f.Open()
		if err != nil {
			return nil, in.invalid("entry %.100q: %v", f.Name, err)
		}
		defer r.Close()
		header, pack, length = r, &packed{in, f}, int64(f.UncompressedSize64)
	default:
		var err error
		if base, length, err = in.stored(f); err != nil {
			return nil, err
		}
		header = io.NewSectionReader(in.r, base, length)
	}
	h, size, err := readNPYHeader(header, min(length, in.lim.Header))
	if err != nil {
		return nil, in.invalid("entry %.100q: %v", f.Name, err)
	}
	n, err := elements(h.shape)
	if err != nil {
		return nil, in.invalid("entry %.100q: %v", f.Name, err)
	}
	values := length - size
	if values%h.dtype.size() != 0 || values/h.dtype.size() != n {
		return nil, in.invalid("entry %.100q: shape %v of %s does not take the %d bytes that follow the header",
			f.Name, h.shape, h.dtype, values)
	}
	t, err := in.place(layout{dtype: h.dtype, shape: h.shape, stride: h.stride(), storage: n, base: base + size})
	if err != nil {
		return nil, in.invalid("entry %.100q: %v", f.Name, err)
	}
	t.packed = pack
	return t, nil
}

// An npyHeader says what follows it.
type npyHeader struct {
	dtype   dtype
	fortran bool // the first dimension varies fastest
	shape   []int64
}

// stride returns the strides of a column-major array, or nil for a row-major one.
// The product of the sizes does not overflow.
func (h npyHeader) stride() []int64 {
	if !h.fortran {
		return nil
	}
	out, step := make([]int64, len(h.shape)), int64(1)
	for i, s := range h.shape {
		out[i] = step
		step *= s
	}
	return out
}

// readNPYHeader reads the header of a .npy array of version 1 or 2: the magic,
// the version, the length of the text, and the text, a Python dictionary with
// the keys descr, fortran_order and shape. It returns the header's length in
// bytes, which is at most most.
//
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
func readNPYHeader(r io.Reader, most int64) (h npyHeader, size int64, err error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:10]); err != nil {
		return h, 0, fmt.Errorf("no .npy header: %v", err)
	}
	if string(head[:6]) != "\x93NUMPY" {
		return h, 0, fmt.Errorf("starts with % x, not with the .npy signature", head[:6])
	}
	var length int64
	switch head[6] {
	case 1:
		length, size = int64(binary.LittleEndian.Uint16(head[8:])), 10
	case 2:
		if _, err := io.ReadFull(r, head[10:]); err != nil {
			return h, 0, fmt.Errorf("no .npy header: %v", err)
		}
		length, size = int64(binary.LittleEndian.Uint32(head[8:])), 12
	default:
		return h, 0, fmt.Errorf(".npy version %d.%d; versions 1 and 2 are supported", head[6], head[7])
	}
	if length > most-size {
		return h, 0, fmt.Errorf(".npy header claims %d bytes, at most %d are possible", length, most-size)
	}
	text, err := io.ReadAll(io.LimitReader(r, length)) // grows with what is there, not with the claim
	if err != nil || int64(len(text)) != length {
		return h, 0, fmt.Errorf(".npy header of %d bytes is cut short", length)
	}
	h, err = parseNPYHeader(string(text))
	return h, size + length, err
}

// parseNPYHeader reads the dictionary, of which each key must appear once:
//
//	{'descr': '<f8', 'fortran_order': False, 'shape': (36, 36), }
func parseNPYHeader(text string) (npyHeader, error) {
	p := &npyParser{rest: text}
	var h npyHeader
	seen := make(map[string]bool, 3)
	p.expect("{")
	for p.err == nil && !p.accept("}") {
		key := p.quoted()
		p.expect(":")
		if p.err == nil && seen[key] {
			p.fail("key %.100q appears twice", key)
		}
		seen[key] = true
		switch key {
		case "descr":
			h.dtype = p.descr()
		case "fortran_order":
			h.fortran = p.accept("True")
			if !h.fortran {
				p.expect("False")
			}
		case "shape":
			h.shape = p.shape()
		default:
			p.fail("key %.100q is unknown", key)
		}
		if !p.accept(",") {
			p.expect("}")
			break
		}
	}
	if p.err == nil && len(seen) != 3 {
		p.fail("want the keys descr, fortran_order and shape")
	}
	if p.err == nil && strings.TrimRight(p.rest, " \n") != "" {
		p.fail("%.100q follows the dictionary", p.rest)
	}
	return h, p.err
}

// An npyParser remembers the first mistake; after it every method does nothing.
type npyParser struct {
	rest string
	err  error
}

func (p *npyParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(".npy header: "+format, args...)
	}
}

// accept takes the token if it comes next.
func (p *npyParser) accept(token string) bool {
	if p.err != nil {
		return false
	}
	rest, ok := strings.CutPrefix(strings.TrimLeft(p.rest, " "), token)
	if ok {
		p.rest = rest
	}
	return ok
}

func (p *npyParser) expect(token string) {
	if !p.accept(token) {
		p.fail("%q is missing before %.100q", token, p.rest)
	}
}

// quoted takes a string without escapes, which is all that NumPy writes here.
func (p *npyParser) quoted() string {
	p.expect("'")
	text, rest, ok := strings.Cut(p.rest, "'")
	if !ok || strings.Contains(text, "\\") {
		p.fail("a string is not closed, or has escapes")
		return ""
	}
	p.rest = rest
	return text
}

func (p *npyParser) descr() dtype {
	if p.err == nil && !strings.HasPrefix(strings.TrimLeft(p.rest, " "), "'") {
		p.fail("structured arrays are not supported")
	}
	name := p.quoted()
	d := npyTypes[name]
	switch {
	case p.err != nil:
	case strings.HasPrefix(name, ">"):
		p.fail("type %.100q is big-endian, which is not supported", name)
	case name == "|O":
		p.fail("type %q means pickled Python objects, which are not read", name)
	case d == "":
		p.fail("type %.100q is not supported", name)
	}
	return d
}

// shape takes a tuple of integers; Python writes (3,) for one.
func (p *npyParser) shape() []int64 {
	shape := []int64{}
	p.expect("(")
	for p.err == nil && !p.accept(")") {
		p.rest = strings.TrimLeft(p.rest, " ")
		n := strings.IndexFunc(p.rest, func(r rune) bool { return r < '0' || r > '9' })
		if n <= 0 {
			p.fail("an integer is missing before %.100q", p.rest)
			break
		}
		v, err := strconv.ParseInt(p.rest[:n], 10, 64)
		if err != nil || v > math.MaxInt || len(shape) == maxDims {
			p.fail("shape has %.100q, or more than %d sizes", p.rest[:n], maxDims)
			break
		}
		shape, p.rest = append(shape, v), p.rest[n:]
		if !p.accept(",") {
			p.expect(")")
			break
		}
	}
	return shape
}
