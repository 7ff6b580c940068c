package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// The version of the operators' definitions, and of the file format that came
// with it (ONNX 1.15). Opset 20 is the first with Gelu.
const (
	opset     = 20
	irVersion = 9
)

// microsoft is the domain of ONNX Runtime's own operators, all of version 1.
const (
	microsoft        = "com.microsoft"
	microsoftVersion = 1
)

// OwnDomain is the domain of assay's operators, all of version 1; the others are
// their names: see [Builder.PackedGemm], [Builder.SelfAttention] and their kin.
const (
	OwnDomain        = "assay"
	ownVersion       = 1
	PackedGemmOp     = "PackedGemm"
	PackedGELUOp     = "PackedGemmQuickGELU"
	SelfAttentionOp  = "SelfAttention"
	UnitDistanceOp   = "UnitDistance"
	SeparableChainOp = "SeparableChain"
	PackedConvOp     = "PackedConvRelu"
	RowDistanceOp    = "UnitDistanceRows"
)

// A node is one operator of the graph.
type node struct {
	op, name string
	domain   string // of the operator; empty for ONNX's own
	in, out  []string
	attrs    []attr
}

// An initializer is a constant of the graph: its bytes, or where they lie.
type initializer struct {
	name           string
	shape          []int
	dtype          int32  // as ONNX numbers types
	raw            []byte // little-endian; unused if file is set
	file           string // as the checkpoint names it
	location       string // file, relative to the model's folder, with slashes
	offset, length int64  // bytes
}

// An attr is a constant setting of a node. Exactly one kind of value is set.
type attr struct {
	name string
	kind attrKind
	f    float32
	i    int64
	s    string
	ints []int
}

// attrKind is AttributeProto.AttributeType.
type attrKind int32

const (
	kindFloat  attrKind = 1
	kindInt    attrKind = 2
	kindString attrKind = 3
	kindInts   attrKind = 7
)

func attrFloat(name string, f float32) attr { return attr{name: name, kind: kindFloat, f: f} }
func attrInt(name string, i int64) attr     { return attr{name: name, kind: kindInt, i: i} }
func attrString(name, s string) attr        { return attr{name: name, kind: kindString, s: s} }
func attrInts(name string, v ...int) attr   { return attr{name: name, kind: kindInts, ints: v} }

// attrBool is an integer attribute that is 0 or 1.
func attrBool(name string, v bool) attr {
	if v {
		return attrInt(name, 1)
	}
	return attrInt(name, 0)
}

// The field numbers below are those of onnx.proto3.

// encode writes a ModelProto.
func (b *Builder) encode() []byte {
	var g []byte
	for _, n := range b.nodes {
		g = appendMessage(g, 1, n.encode())
	}
	g = appendString(g, 2, "assay")
	for _, t := range b.inits {
		g = appendMessage(g, 5, t.encode())
	}
	for _, v := range b.inputs {
		g = appendMessage(g, 11, v.encode())
	}
	for _, v := range b.outputs {
		g = appendMessage(g, 12, v.encode())
	}
	var m []byte
	m = appendVarint(m, 1, irVersion)
	m = appendString(m, 2, "assay")
	m = appendMessage(m, 7, g)
	m = appendMessage(m, 8, appendVarint(nil, 2, opset)) // of the default domain
	for _, d := range [...]struct {
		name    string
		version int64
	}{{microsoft, microsoftVersion}, {OwnDomain, ownVersion}} {
		if slices.ContainsFunc(b.nodes, func(n node) bool { return n.domain == d.name }) {
			m = appendMessage(m, 8, appendVarint(appendString(nil, 1, d.name), 2, d.version))
		}
	}
	return m
}

// encode writes a NodeProto.
func (n node) encode() []byte {
	var p []byte
	for _, s := range n.in {
		p = appendString(p, 1, s)
	}
	for _, s := range n.out {
		p = appendString(p, 2, s)
	}
	p = appendString(p, 3, n.name)
	p = appendString(p, 4, n.op)
	for _, a := range n.attrs {
		p = appendMessage(p, 5, a.encode())
	}
	if n.domain != "" {
		p = appendString(p, 7, n.domain)
	}
	return p
}

// encode writes an AttributeProto.
func (a attr) encode() []byte {
	p := appendString(nil, 1, a.name)
	switch a.kind {
	case kindFloat:
		p = protowire.AppendTag(p, 2, protowire.Fixed32Type)
		p = protowire.AppendFixed32(p, math.Float32bits(a.f))
	case kindInt:
		p = appendVarint(p, 3, a.i)
	case kindString:
		p = appendString(p, 4, a.s)
	case kindInts:
		for _, i := range a.ints {
			p = appendVarint(p, 8, int64(i))
		}
	}
	return appendVarint(p, 20, int64(a.kind))
}

// encode writes a TensorProto.
func (t initializer) encode() []byte {
	var p []byte
	for _, d := range t.shape {
		p = appendVarint(p, 1, int64(d))
	}
	p = appendVarint(p, 2, int64(t.dtype))
	p = appendString(p, 8, t.name)
	if t.file == "" {
		p = protowire.AppendTag(p, 9, protowire.BytesType)
		return protowire.AppendBytes(p, t.raw)
	}
	for _, kv := range [...][2]string{
		{"location", t.location},
		{"offset", strconv.FormatInt(t.offset, 10)},
		{"length", strconv.FormatInt(t.length, 10)},
	} {
		p = appendMessage(p, 13, appendString(appendString(nil, 1, kv[0]), 2, kv[1]))
	}
	return appendVarint(p, 14, 1) // data_location: EXTERNAL
}

// encode writes a ValueInfoProto. Dynamic lengths get a name each, since a
// shared name would promise that they are equal.
func (v Value) encode() []byte {
	var shape []byte
	for i, d := range v.shape {
		if d == Dynamic {
			shape = appendMessage(shape, 1, appendString(nil, 2, fmt.Sprintf("%s.%d", v.name, i)))
		} else {
			shape = appendMessage(shape, 1, appendVarint(nil, 1, int64(d)))
		}
	}
	tensor := appendVarint(nil, 1, int64(v.dtype))
	tensor = appendMessage(tensor, 2, shape)
	return appendMessage(appendString(nil, 1, v.name), 2, appendMessage(nil, 1, tensor))
}

func appendVarint(p []byte, field protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(p, field, protowire.VarintType), uint64(v))
}

func appendString(p []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(p, field, protowire.BytesType), s)
}

func appendMessage(p []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(p, field, protowire.BytesType), m)
}

func appendUint32(p []byte, v uint32) []byte { return binary.LittleEndian.AppendUint32(p, v) }
func appendUint64(p []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(p, v) }
