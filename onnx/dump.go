package onnx

import (
	"fmt"
	"io"
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gen-emerge/assay"
)

// Dump writes a serialised ModelProto as text, a line for each input, constant,
// node and output in their order, for people. It knows the parts of the format
// that [Builder] writes and skips others. Bytes that are not a protobuf message
// give an error wrapping [assay.ErrInvalid].
func Dump(w io.Writer, proto []byte) error {
	var out strings.Builder
	err := fields(proto, func(f field) error {
		switch f.num {
		case 1:
			fmt.Fprintf(&out, "ir version %d\n", f.varint)
		case 8:
			return dumpOpset(&out, f.bytes)
		case 7:
			return dumpGraph(&out, f.bytes)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("graph: %w", err)
	}
	_, err = io.WriteString(w, out.String())
	return err
}

// A field is one field of a protobuf message.
type field struct {
	num    protowire.Number
	varint uint64 // value of a varint or fixed-width field
	bytes  []byte // value of a length-delimited field
}

// fields calls yield for every field of a message.
func fields(msg []byte, yield func(field) error) error {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return fmt.Errorf("%w: %w", protowire.ParseError(n), assay.ErrInvalid)
		}
		msg = msg[n:]
		f := field{num: num}
		switch typ {
		case protowire.VarintType:
			f.varint, n = protowire.ConsumeVarint(msg)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(msg)
			f.varint = uint64(v)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(msg)
		default:
			n = protowire.ConsumeFieldValue(num, typ, msg)
		}
		if n < 0 {
			return fmt.Errorf("field %d: %w: %w", num, protowire.ParseError(n), assay.ErrInvalid)
		}
		msg = msg[n:]
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}

func dumpOpset(out *strings.Builder, msg []byte) error {
	domain, version := "ai.onnx", uint64(0)
	err := fields(msg, func(f field) error {
		switch f.num {
		case 1:
			domain = string(f.bytes)
		case 2:
			version = f.varint
		}
		return nil
	})
	fmt.Fprintf(out, "opset %s %d\n", domain, version)
	return err
}

// dumpGraph writes a GraphProto: inputs first, whatever their order in the file.
func dumpGraph(out *strings.Builder, msg []byte) error {
	for _, part := range [...]struct {
		num  protowire.Number
		dump func(*strings.Builder, []byte) error
	}{
		{11, func(o *strings.Builder, m []byte) error { return dumpValue(o, "input", m) }},
		{5, dumpTensor},
		{1, dumpNode},
		{12, func(o *strings.Builder, m []byte) error { return dumpValue(o, "output", m) }},
	} {
		err := fields(msg, func(f field) error {
			if f.num != part.num {
				return nil
			}
			return part.dump(out, f.bytes)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func dumpValue(out *strings.Builder, kind string, msg []byte) error {
	var name string
	var dims []string
	elem := uint64(0)
	dim := func(f field) error {
		switch f.num {
		case 1:
			dims = append(dims, fmt.Sprint(int64(f.varint)))
		case 2:
			dims = append(dims, string(f.bytes))
		}
		return nil
	}
	err := fields(msg, func(f field) error {
		if f.num == 1 {
			name = string(f.bytes)
		}
		if f.num != 2 {
			return nil
		}
		return inner(f.bytes, 1, func(tensor []byte) error {
			return fields(tensor, func(f field) error {
				if f.num == 1 {
					elem = f.varint
				}
				if f.num != 2 {
					return nil
				}
				return inner(f.bytes, 1, func(d []byte) error { return fields(d, dim) })
			})
		})
	})
	fmt.Fprintf(out, "%s %s %v[%s]\n", kind, name, DType(elem), strings.Join(dims, " "))
	return err
}

// inner calls yield with every length-delimited field of the given number.
func inner(msg []byte, num protowire.Number, yield func([]byte) error) error {
	return fields(msg, func(f field) error {
		if f.num != num {
			return nil
		}
		return yield(f.bytes)
	})
}

func dumpTensor(out *strings.Builder, msg []byte) error {
	var name, where string
	var dims []string
	elem := uint64(0)
	err := fields(msg, func(f field) error {
		switch f.num {
		case 1:
			dims = append(dims, fmt.Sprint(int64(f.varint)))
		case 2:
			elem = f.varint
		case 8:
			name = string(f.bytes)
		case 9:
			where = fmt.Sprintf(" inline %d bytes", len(f.bytes))
		case 13:
			var kv [2]string
			err := fields(f.bytes, func(f field) error {
				if f.num == 1 || f.num == 2 {
					kv[f.num-1] = string(f.bytes)
				}
				return nil
			})
			where += fmt.Sprintf(" %s=%s", kv[0], kv[1])
			return err
		}
		return nil
	})
	fmt.Fprintf(out, "constant %s %v[%s]%s\n", name, DType(elem), strings.Join(dims, " "), where)
	return err
}

func dumpNode(out *strings.Builder, msg []byte) error {
	var in, res, attrs []string
	var op, domain string
	err := fields(msg, func(f field) error {
		switch f.num {
		case 7:
			domain = string(f.bytes) + "."
		case 1:
			in = append(in, string(f.bytes))
		case 2:
			res = append(res, string(f.bytes))
		case 4:
			op = string(f.bytes)
		case 5:
			s, err := attrText(f.bytes)
			attrs = append(attrs, s)
			return err
		}
		return nil
	})
	fmt.Fprintf(out, "%s = %s%s(%s)", strings.Join(res, ", "), domain, op, strings.Join(in, ", "))
	for _, a := range attrs {
		fmt.Fprintf(out, " %s", a)
	}
	out.WriteByte('\n')
	return err
}

// attrText renders an AttributeProto as name=value.
func attrText(msg []byte) (string, error) {
	var name, value string
	var ints []int64
	err := fields(msg, func(f field) error {
		switch f.num {
		case 1:
			name = string(f.bytes)
		case 2:
			value = fmt.Sprint(math.Float32frombits(uint32(f.varint)))
		case 3:
			value = fmt.Sprint(int64(f.varint))
		case 4:
			value = string(f.bytes)
		case 8:
			ints = append(ints, int64(f.varint))
		}
		return nil
	})
	if ints != nil {
		value = fmt.Sprint(ints)
	}
	return name + "=" + value, err
}
