package weights

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// safetensorsTypes are the format's names of value types. The format also has
// types of less than a byte, and scales without mantissa, which no checkpoint
// that assay knows uses: they are refused by name.
var safetensorsTypes = map[string]dtype{
	"BOOL": "bool", "U8": "uint8", "I8": "int8", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
	"U16": "uint16", "I16": "int16", "F16": "float16", "BF16": "bfloat16",
	"U32": "uint32", "I32": "int32", "F32": "float32",
	"U64": "uint64", "I64": "int64", "F64": "float64", "C64": "complex64",
}

// looksSafetensors recognises a header length that fits the file, followed by
// the brace that the format requires.
func looksSafetensors(head []byte, size int64) bool {
	return len(head) > 8 && head[8] == '{' && binary.LittleEndian.Uint64(head) <= uint64(size-8)
}

// parseSafetensors reads a safetensors file: the header's length as a
// little-endian uint64, the header (a JSON object from names to dtype, shape and
// data_offsets), and the values. As the reference implementation requires, the
// tensors cover the rest of the file exactly, without holes or overlaps.
//
// Format: https://github.com/huggingface/safetensors#format
func parseSafetensors(in *input) (*Checkpoint, error) {
	var prefix [8]byte
	if err := in.readAt(prefix[:], 0); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint64(prefix[:])
	if length > uint64(in.lim.Header) || length > uint64(in.size-8) {
		return nil, in.invalid("the header claims %d bytes; the file has %d and the limit is %d",
			length, in.size-8, in.lim.Header)
	}
	header := make([]byte, length)
	if err := in.readAt(header, 8); err != nil {
		return nil, err
	}
	if !utf8.Valid(header) { // encoding/json would replace what is not
		return nil, in.invalid("the header is not UTF-8")
	}
	h := &safetensorsHeader{in: in, dec: json.NewDecoder(bytes.NewReader(header)), seen: make(map[string]bool)}
	h.dec.UseNumber()
	if err := h.read(); err != nil {
		return nil, in.invalid("header: %v", err)
	}
	if rest := bytes.TrimRight(header[h.dec.InputOffset():], " "); len(rest) > 0 { // padding is spaces
		return nil, in.invalid("header: %d bytes follow the JSON object", len(rest))
	}
	tensors, err := in.safetensors(h.tensors, 8+int64(length))
	if err != nil {
		return nil, err
	}
	return in.finish(Safetensors, tensors, h.metadata)
}

// safetensors checks the offsets of the described tensors, whose values start at
// base.
func (in *input) safetensors(list []described, base int64) (map[string]*tensor, error) {
	slices.SortFunc(list, func(a, b described) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	tensors := make(map[string]*tensor, len(list))
	at := int64(0)
	for _, d := range list {
		n, err := elements(d.shape)
		switch {
		case err != nil:
			return nil, in.invalid("tensor %.100q: %v", d.name, err)
		case d.begin != at:
			return nil, in.invalid("tensor %.100q starts at %d, the tensor before it ends at %d: holes and overlaps are not allowed",
				d.name, d.begin, at)
		case d.end < d.begin || d.end > in.size-base:
			return nil, in.invalid("tensor %.100q: data_offsets [%d, %d] leave the %d bytes of values",
				d.name, d.begin, d.end, in.size-base)
		case (d.end-d.begin)%d.dtype.size() != 0 || (d.end-d.begin)/d.dtype.size() != n:
			return nil, in.invalid("tensor %.100q: shape %v of %s does not take the %d bytes of data_offsets [%d, %d]",
				d.name, d.shape, d.dtype, d.end-d.begin, d.begin, d.end)
		}
		t, err := in.place(layout{dtype: d.dtype, shape: d.shape, storage: n, base: base + d.begin})
		if err != nil {
			return nil, in.invalid("tensor %.100q: %v", d.name, err)
		}
		tensors[d.name], at = t, d.end
	}
	if at != in.size-base {
		return nil, in.invalid("%d bytes follow the last tensor", in.size-base-at)
	}
	return tensors, nil
}

// A described tensor is an entry of the header.
type described struct {
	name       string
	dtype      dtype
	shape      []int64
	begin, end int64 // from the end of the header, in bytes
}

// A safetensorsHeader reads the header token by token, so that nesting and
// duplicate keys are seen before anything is made of them.
type safetensorsHeader struct {
	in       *input
	dec      *json.Decoder
	seen     map[string]bool
	tensors  []described
	metadata map[string]string
}

func (h *safetensorsHeader) read() error {
	return h.object(func(name string) error {
		if h.seen[name] {
			return fmt.Errorf("key %.100q appears twice", name)
		}
		h.seen[name] = true
		if name == "__metadata__" {
			return h.readMetadata()
		}
		if len(h.tensors) == h.in.lim.Tensors {
			return fmt.Errorf("more than %d tensors", h.in.lim.Tensors)
		}
		return h.readTensor(name)
	})
}

func (h *safetensorsHeader) readMetadata() error {
	h.metadata = make(map[string]string)
	return h.object(func(key string) error {
		if _, ok := h.metadata[key]; ok {
			return fmt.Errorf("__metadata__: key %.100q appears twice", key)
		}
		token, err := h.dec.Token()
		if err != nil {
			return err
		}
		text, ok := token.(string)
		if !ok {
			return fmt.Errorf("__metadata__: the value of %.100q is not text", key)
		}
		h.metadata[key] = text
		return nil
	})
}

func (h *safetensorsHeader) readTensor(name string) error {
	d := described{name: name}
	var offsets []int64
	err := h.object(func(key string) (err error) {
		switch {
		case key == "dtype" && d.dtype == "":
			d.dtype, err = h.readType()
		case key == "shape" && d.shape == nil:
			d.shape, err = h.integers(maxDims)
		case key == "data_offsets" && offsets == nil:
			offsets, err = h.integers(2)
		default:
			err = fmt.Errorf("key %.100q is unknown or appears twice", key)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("tensor %.100q: %w", name, err)
	}
	if d.dtype == "" || d.shape == nil || len(offsets) != 2 {
		return fmt.Errorf("tensor %.100q: want dtype, shape and two data_offsets", name)
	}
	d.begin, d.end = offsets[0], offsets[1]
	h.tensors = append(h.tensors, d)
	return nil
}

func (h *safetensorsHeader) readType() (dtype, error) {
	token, err := h.dec.Token()
	if err != nil {
		return "", err
	}
	name, ok := token.(string)
	if !ok || safetensorsTypes[name] == "" {
		return "", fmt.Errorf("dtype %.100q is not supported", fmt.Sprint(token))
	}
	return safetensorsTypes[name], nil
}

// integers reads a list of at most most integers that are not negative. It is
// never nil without an error.
func (h *safetensorsHeader) integers(most int) ([]int64, error) {
	if err := h.delim('['); err != nil {
		return nil, err
	}
	out := []int64{}
	for h.dec.More() {
		token, err := h.dec.Token()
		if err != nil {
			return nil, err
		}
		number, ok := token.(json.Number)
		if !ok {
			return nil, fmt.Errorf("%.100q where an integer is wanted", fmt.Sprint(token))
		}
		n, err := strconv.ParseUint(string(number), 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%.100q is not an integer of 0 to 2⁶³−1", string(number))
		}
		if len(out) == most {
			return nil, fmt.Errorf("a list of more than %d integers", most)
		}
		out = append(out, int64(n))
	}
	return out, h.delim(']')
}

// object reads a JSON object, handing each key to member, which reads the value.
func (h *safetensorsHeader) object(member func(key string) error) error {
	if err := h.delim('{'); err != nil {
		return err
	}
	for h.dec.More() {
		token, err := h.dec.Token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		if !ok {
			return fmt.Errorf("%.100q where a key is wanted", fmt.Sprint(token))
		}
		if err := member(key); err != nil {
			return err
		}
	}
	return h.delim('}')
}

func (h *safetensorsHeader) delim(want json.Delim) error {
	token, err := h.dec.Token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("%.100q where %q is wanted", fmt.Sprint(token), want.String())
	}
	return nil
}
