package weights

import (
	"encoding/binary"
	"fmt"
	"math"
)

// A dtype names the type of a tensor's values as NumPy and PyTorch do.
type dtype string

// dtypeSize gives the bytes of one value; every type that is not listed is refused.
var dtypeSize = map[dtype]int64{
	"bool": 1, "uint8": 1, "int8": 1, "float8_e4m3fn": 1, "float8_e5m2": 1,
	"uint16": 2, "int16": 2, "float16": 2, "bfloat16": 2,
	"uint32": 4, "int32": 4, "float32": 4,
	"uint64": 8, "int64": 8, "float64": 8, "complex64": 8,
}

func (d dtype) size() int64 { return dtypeSize[d] }

// widen turns little-endian values of type d into float64, which is exact for
// every type it accepts. ok is false for the others.
func (d dtype) widen(raw []byte) (values []float64, ok bool) {
	one := d.widener()
	if one == nil {
		return nil, false
	}
	size := int(d.size())
	values = make([]float64, len(raw)/size)
	for i := range values {
		values[i] = one(raw[i*size:])
	}
	return values, true
}

// widener returns the function that reads one value of type d, or nil if
// float64 cannot hold every such value.
func (d dtype) widener() func([]byte) float64 {
	le := binary.LittleEndian
	switch d {
	case "float64":
		return func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) }
	case "float32":
		return func(b []byte) float64 { return float64(math.Float32frombits(le.Uint32(b))) }
	case "float16":
		return func(b []byte) float64 { return float64(halfToFloat32(le.Uint16(b))) }
	case "bfloat16":
		return func(b []byte) float64 { return float64(bfloat16ToFloat32(le.Uint16(b))) }
	case "int32":
		return func(b []byte) float64 { return float64(int32(le.Uint32(b))) }
	case "uint32":
		return func(b []byte) float64 { return float64(le.Uint32(b)) }
	case "int16":
		return func(b []byte) float64 { return float64(int16(le.Uint16(b))) }
	case "uint16":
		return func(b []byte) float64 { return float64(le.Uint16(b)) }
	case "int8":
		return func(b []byte) float64 { return float64(int8(b[0])) }
	case "uint8", "bool":
		return func(b []byte) float64 { return float64(b[0]) }
	}
	return nil
}

// widen32 turns little-endian floats of at most 32 bits into float32, exactly.
// ok is false for other types.
func (d dtype) widen32(raw []byte) (values []float32, ok bool) {
	le := binary.LittleEndian
	switch d {
	case "float32":
		values = make([]float32, len(raw)/4)
		for i := range values {
			values[i] = math.Float32frombits(le.Uint32(raw[4*i:]))
		}
	case "float16":
		values = make([]float32, len(raw)/2)
		for i := range values {
			values[i] = halfToFloat32(le.Uint16(raw[2*i:]))
		}
	case "bfloat16":
		values = make([]float32, len(raw)/2)
		for i := range values {
			values[i] = bfloat16ToFloat32(le.Uint16(raw[2*i:]))
		}
	default:
		return nil, false
	}
	return values, true
}

// bfloat16ToFloat32 widens: bfloat16 is the upper half of a float32.
func bfloat16ToFloat32(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// halfToFloat32 widens an IEEE 754 binary16: 1 sign, 5 exponent (bias 15) and 10
// fraction bits. Every half, subnormals and NaN payloads included, has an exact
// float32.
func halfToFloat32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp := uint32(h>>10) & 0x1f
	frac := uint32(h) & 0x3ff
	switch exp {
	case 0: // zero or subnormal: frac · 2⁻²⁴
		v := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(v))
	case 0x1f: // infinity or NaN
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// elements returns the product of the sizes, or an error if one is negative, if
// there are more than maxDims, or if the product overflows.
func elements(shape []int64) (int64, error) {
	if len(shape) > maxDims {
		return 0, fmt.Errorf("%d dimensions, more than %d", len(shape), maxDims)
	}
	n := int64(1)
	for _, s := range shape {
		if s < 0 || s > math.MaxInt {
			return 0, fmt.Errorf("shape %v has a size out of range", shape)
		}
		if s != 0 && n > math.MaxInt64/s {
			return 0, fmt.Errorf("shape %v has more than 2⁶³ elements", shape)
		}
		n *= s
	}
	return n, nil
}

// maxDims is the most dimensions a tensor may have: PyTorch's own bound.
const maxDims = 64

// firstNotFinite returns the index and the value of the first infinity or NaN
// among little-endian values of type d. Integers have none.
func firstNotFinite(d dtype, raw []byte) (index int, value float64, found bool) {
	le := binary.LittleEndian
	size := int(d.size())
	bad := func([]byte) bool { return false }
	switch d {
	case "float32", "complex64":
		size = 4
		bad = func(b []byte) bool { return le.Uint32(b)&0x7f800000 == 0x7f800000 }
	case "float16":
		bad = func(b []byte) bool { return le.Uint16(b)&0x7c00 == 0x7c00 }
	case "bfloat16":
		bad = func(b []byte) bool { return le.Uint16(b)&0x7f80 == 0x7f80 }
	case "float64":
		bad = func(b []byte) bool { return le.Uint64(b)&(0x7ff<<52) == 0x7ff<<52 }
	case "float8_e4m3fn": // no infinities
		bad = func(b []byte) bool { return b[0]&0x7f == 0x7f }
	case "float8_e5m2":
		bad = func(b []byte) bool { return b[0]&0x7c == 0x7c }
	default:
		return 0, 0, false
	}
	for i := 0; i+size <= len(raw); i += size {
		if !bad(raw[i:]) {
			continue
		}
		switch d { // what widen does not read
		case "complex64":
			return i / 8, float64(math.Float32frombits(le.Uint32(raw[i:]))), true
		case "float8_e4m3fn", "float8_e5m2":
			if d == "float8_e5m2" && raw[i]&3 == 0 {
				return i, math.Inf(1 - 2*int(raw[i]>>7)), true
			}
			return i, math.NaN(), true
		}
		return i / size, d.widener()(raw[i:]), true
	}
	return 0, 0, false
}
