package weights

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

var update = flag.Bool("update", false, "write testdata/written.st")

func made(raw []byte) func() ([]byte, error) { return func() ([]byte, error) { return raw, nil } }

// ramp returns n bytes that are finite floats of any width.
func ramp(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(i % 60)
	}
	return out
}

// writtenPieces have every type, odd lengths, no values, no dimensions, and names
// that JSON must quote.
func writtenPieces() []Piece {
	pieces := []Piece{
		{Name: "z.aligned", Shape: []int{4, 8}, DType: "float32", Make: made(ramp(128))},
		{Name: "logit_scale", Shape: []int{}, DType: "float32", Make: made(Float32Bytes([]float32{4.6052}))},
		{Name: "none", Shape: []int{0, 3}, DType: "float16", Make: made(nil)},
		{Name: "quoted \"\\ <é> \n", Shape: []int{3}, DType: "int8", Make: made([]byte{1, 2, 255})},
		{Name: "a.int8", Shape: []int{8, 8}, DType: "int8", Make: made(ramp(64))},
	}
	for i, d := range []string{"bool", "uint8", "int16", "float16", "bfloat16", "int32", "int64", "float64"} {
		n := 3 + i%3
		raw := ramp(n * int(dtype(d).size()))
		if d == "bool" {
			raw = []byte{1, 0, 1}[:n]
		}
		pieces = append(pieces, Piece{Name: "type." + d, Shape: []int{n}, DType: d, Make: made(raw)})
	}
	return pieces
}

func writeBytes(t *testing.T, pieces []Piece, metadata map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := WriteSafetensors(context.Background(), &buf, pieces, metadata); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestWriteSafetensors writes what the safetensors package has read back: see
// reference/weights_torchscript.py.
func TestWriteSafetensors(t *testing.T) {
	metadata := map[string]string{"format": "pt", "b": "<ü>\n\"", "a": ""}
	got := writeBytes(t, writtenPieces(), metadata)
	path := filepath.Join("testdata", "written.st")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%v, or other bytes than %s", err, path)
	}
	shuffled := writtenPieces()
	slices.Reverse(shuffled)
	if !bytes.Equal(got, writeBytes(t, shuffled, metadata)) {
		t.Error("the order of the pieces matters")
	}
	var python map[string]stateDict
	readJSON(t, "written.json", &python)
	c := open(t, path)
	python["written.st"].compare(t, c)
	if d := digest(t, c); d != python["written.st"].Digest {
		t.Errorf("digest %s, Python says %s", d, python["written.st"].Digest)
	}
	if diff := cmp.Diff(python["written.st"].Metadata, c.Metadata()); diff != "" {
		t.Errorf("metadata (-Python +assay):\n%s", diff)
	}
	for _, name := range c.Names() {
		_, offset, length, kind := c.Place(name)
		if offset%dtype(kind).size() != 0 || (length%64 == 0 && offset%64 != 0) {
			t.Errorf("%q: %d bytes of %s at %d", name, length, kind, offset)
		}
	}
	if header := binary.LittleEndian.Uint64(got); (8+header)%64 != 0 {
		t.Errorf("values start at %d", 8+header)
	}
}

func TestWriteSafetensorsErrors(t *testing.T) {
	one := func(p Piece) []Piece {
		p.Make = made(make([]byte, 4))
		return []Piece{p}
	}
	for name, test := range map[string]struct {
		pieces   []Piece
		metadata map[string]string
		want     string
	}{
		"none":      {nil, nil, "without tensors"},
		"twice":     {append(one(Piece{Name: "a", DType: "float32"}), one(Piece{Name: "a", DType: "float32"})...), nil, `"a": two pieces`},
		"nameless":  {one(Piece{DType: "float32"}), nil, "this name"},
		"metadata":  {one(Piece{Name: "__metadata__", DType: "float32"}), nil, "this name"},
		"not UTF-8": {one(Piece{Name: "\xff", DType: "float32"}), nil, "this name"},
		"type":      {one(Piece{Name: "a", DType: "float31"}), nil, `"float31"`},
		"negative":  {one(Piece{Name: "a", DType: "float32", Shape: []int{-1}}), nil, "out of range"},
		"huge":      {one(Piece{Name: "a", DType: "float32", Shape: []int{math.MaxInt, 2}}), nil, "elements"},
		"large":     {one(Piece{Name: "a", DType: "float32", Shape: []int{math.MaxInt / 2}}), nil, "too large"},
		"short":     {one(Piece{Name: "a", DType: "float32", Shape: []int{2}}), nil, `"a": 4 bytes were made, shape [2] of float32 takes 8`},
		"no values": {[]Piece{{Name: "a", DType: "float32"}}, nil, "no values"},
		"bad text":  {one(Piece{Name: "a", DType: "float32"}), map[string]string{"k": "\xff"}, `"k"`},
	} {
		err := WriteSafetensors(context.Background(), &bytes.Buffer{}, test.pieces, test.metadata)
		if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want ErrInvalid with %q", name, err, test.want)
		}
	}
	broken := errors.New("broken")
	if err := WriteSafetensors(context.Background(), failingWriter{broken}, one(Piece{Name: "a", DType: "float32"}), nil); !errors.Is(err, broken) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	pieces := append(one(Piece{Name: "a", DType: "float32"}), one(Piece{Name: "b", DType: "float32"})...)
	pieces[0].Make = func() ([]byte, error) { cancel(broken); return make([]byte, 4), nil }
	pieces[1].Make = func() ([]byte, error) { t.Error("made after the end"); return nil, nil }
	if err := WriteSafetensors(ctx, &bytes.Buffer{}, pieces, nil); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// TestNotFinite finds every value of 16 bits and less that is not finite, and the
// edges of the wider types.
func TestNotFinite(t *testing.T) {
	for _, d := range []dtype{"float16", "bfloat16"} {
		for bits := range 1 << 16 {
			raw := binary.LittleEndian.AppendUint16(make([]byte, 2), uint16(bits))
			values, _ := d.widen(raw)
			want := math.IsInf(values[1], 0) || math.IsNaN(values[1])
			i, v, found := firstNotFinite(d, raw)
			if found != want || (found && (i != 1 || (v != values[1] && !math.IsNaN(v)))) {
				t.Fatalf("%s %#x: %d %v %v", d, bits, i, v, found)
			}
		}
	}
	for bits := range 256 {
		_, _, e4 := firstNotFinite("float8_e4m3fn", []byte{byte(bits)})
		_, _, e5 := firstNotFinite("float8_e5m2", []byte{byte(bits)})
		if e4 != (bits&0x7f == 0x7f) || e5 != (bits&0x7f >= 0x7c) {
			t.Errorf("%#x: %v %v", bits, e4, e5)
		}
	}
	wide := func(v float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)) }
	for _, v := range []float64{0, math.MaxFloat64, -math.MaxFloat64, 5e-324, math.Inf(1), math.Inf(-1), math.NaN()} {
		want := math.IsInf(v, 0) || math.IsNaN(v)
		if _, _, found := firstNotFinite("float64", wide(v)); found != want {
			t.Errorf("float64 %v: %v", v, found)
		}
		if _, _, found := firstNotFinite("float32", Float32Bytes([]float32{float32(v)})); found != (want || math.Abs(v) > math.MaxFloat32) {
			t.Errorf("float32 %v: %v", v, found)
		}
	}
	if i, v, found := firstNotFinite("complex64", Float32Bytes([]float32{1, 2, 3, float32(math.Inf(-1))})); !found || i != 1 || v != math.Inf(-1) {
		t.Errorf("complex64: %d %v %v", i, v, found)
	}
	if _, _, found := firstNotFinite("int32", bytes.Repeat([]byte{0xff}, 8)); found {
		t.Error("integers are finite")
	}
}
