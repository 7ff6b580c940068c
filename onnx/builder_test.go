package onnx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

// A tensor of a made-up checkpoint.
type tensor struct {
	shape  []int
	dtype  string
	file   string // "" if it cannot be mapped
	offset int64
	raw    []byte
}

// checkpoint is a made-up checkpoint.
type checkpoint map[string]tensor

func (c checkpoint) Names() []string {
	var names []string
	for n := range c {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

func (c checkpoint) Shape(name string) ([]int, bool) { t, ok := c[name]; return t.shape, ok }

func (c checkpoint) Place(name string) (file string, offset, length int64, dtype string) {
	t := c[name]
	return t.file, t.offset, int64(len(t.raw)), t.dtype
}

func (c checkpoint) Bytes(name string) ([]byte, error) {
	if c[name].raw == nil {
		return nil, errors.New("cannot be read")
	}
	return c[name].raw, nil
}

// float32s is a tensor of the given shape whose values count up.
func float32s(shape ...int) tensor {
	n, _ := volume(shape)
	t := tensor{shape: shape, dtype: "float32", raw: []byte{}}
	for i := range n {
		t.raw = binary.LittleEndian.AppendUint32(t.raw, math.Float32bits(float32(i)))
	}
	return t
}

// in puts a tensor into a file, which must exist.
func (t tensor) in(file string, offset int64) tensor {
	t.file, t.offset = file, offset
	return t
}

func dump(t testing.TB, m *Model) string {
	t.Helper()
	var s strings.Builder
	if err := Dump(&s, m.Proto); err != nil {
		t.Fatal(err)
	}
	return s.String()
}

func TestBuild(t *testing.T) {
	file := filepath.Join(t.TempDir(), "model.bin")
	if err := os.WriteFile(file, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	w := checkpoint{
		"conv.weight": float32s(8, 3, 5, 5).in(file, 64),   // 2400 bytes: mapped
		"conv.bias":   float32s(8).in(file, 2464),          // 32 bytes: copied
		"odd":         float32s(512),                       // 2048 bytes, cannot be mapped: copied
		"extra.b":     float32s(1), "extra.a": float32s(1), // nobody asks
	}
	b := NewBuilder(w)
	x := b.Input("image", 1, 3, Dynamic, Dynamic)
	y := b.Conv(x, b.Param("conv.weight", 8, 3, 5, 5), b.Param("conv.bias", 8), ConvOptions{Stride: [2]int{2, 2}})
	y = b.Mul(b.Relu(y), b.Scalar(0.5))
	b.Output("features", y)
	b.Output("odd twice", b.Add(b.Param("odd", 512), b.Param("odd", 512)))
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(file))
	if err != nil {
		t.Fatal(err)
	}
	want := &Model{Dir: dir, Inputs: []string{"image"}, Outputs: []string{"features", "odd twice"}, Unused: []string{"extra.a", "extra.b"}}
	got := *m
	got.Proto = nil
	if diff := cmp.Diff(want, &got); diff != "" {
		t.Errorf("model (-want +got):\n%s", diff)
	}
	wantText := `ir version 9
input image float32[1 3 image.2 image.3]
constant conv.weight float32[8 3 5 5] location=model.bin offset=64 length=2400
constant conv.bias float32[8] inline 32 bytes
constant const#5 float32[] inline 4 bytes
constant odd float32[512] inline 2048 bytes
Conv#3 = Conv(image, conv.weight, conv.bias) kernel_shape=[5 5] strides=[2 2] dilations=[1 1] pads=[0 0 0 0] group=1
Relu#4 = Relu(Conv#3)
Mul#6 = Mul(Relu#4, const#5)
features = Identity(Mul#6)
Add#9 = Add(odd, odd)
odd twice = Identity(Add#9)
output features float32[1 8 features.2 features.3]
output odd twice float32[512]
opset ai.onnx 20
`
	if diff := cmp.Diff(wantText, dump(t, m)); diff != "" {
		t.Errorf("dump (-want +got):\n%s", diff)
	}
	if !bytes.Contains(m.Proto, w["odd"].raw) || bytes.Contains(m.Proto, w["conv.weight"].raw) {
		t.Error("the copied tensor is not in the bytes, or the mapped one is")
	}
}

// TestSameGraphSameBytes: a graph is data that can be compared and cached.
func TestSameGraphSameBytes(t *testing.T) {
	build := func() []byte {
		b := NewBuilder(checkpoint{"w": float32s(4, 4)})
		b.Output("y", b.MatMul(b.Softmax(b.Input("x", 4, 4), -1), b.Param("w", 4, 4)))
		m, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		return m.Proto
	}
	if a, b := build(), build(); !bytes.Equal(a, b) {
		t.Error("two builds of one graph differ")
	}
}

func TestParamTypes(t *testing.T) {
	raw := make([]byte, 1<<20)
	for _, c := range []struct {
		dtype string
		bytes int
		want  string // in the dump
	}{
		{"float32", 4, "constant w float32[2 3] inline 24 bytes"},
		{"float16", 2, "constant w float16[2 3] inline 12 bytes"},
		{"bfloat16", 2, "constant w bfloat16[2 3] inline 12 bytes"},
		{"float64", 8, "constant w float64[2 3] inline 48 bytes"},
	} {
		b := NewBuilder(checkpoint{"w": {shape: []int{2, 3}, dtype: c.dtype, raw: raw[:6*c.bytes]}})
		v := b.Param("w", 2, 3)
		if v.Type() != Float32 || !slices.Equal(v.Shape(), []int{2, 3}) {
			t.Errorf("%s: a value %v of %v", c.dtype, v.Type(), v.Shape())
		}
		b.Output("y", v)
		m, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		text := dump(t, m)
		if !strings.Contains(text, c.want) || strings.Contains(text, "Cast(w) to=1") != (c.dtype != "float32") {
			t.Errorf("%s:\n%s", c.dtype, text)
		}
	}
}

func TestParamMistakes(t *testing.T) {
	many := checkpoint{"head.weight": float32s(10, 4), "int": {shape: []int{1}, dtype: "int64", raw: make([]byte, 8)},
		"short": {shape: []int{3}, dtype: "float32", raw: make([]byte, 8)}, "unread": {shape: []int{0}, dtype: "float32"}}
	for i := range 20 {
		many[fmt.Sprintf("layer.%02d", i)] = float32s(1)
	}
	for _, c := range []struct {
		name string
		ask  func(b *Builder)
		says []string
	}{
		{"shape", func(b *Builder) { b.Param("head.weight", 4, 10) },
			[]string{`"head.weight"`, "[10 4]", "[4 10]", "23 tensors", "layer.00", "and 15 more"}},
		{"missing", func(b *Builder) { b.Param("tail.weight", 4); b.Param("tail.bias", 4); b.Param("tail.bias", 4) },
			[]string{`"tail.weight"`, "[4]", "2 tensors are missing", "24 tensors"}},
		{"all else asked for", func(b *Builder) {
			for _, n := range many.Names() {
				b.Param(n, 7, 7)
			}
		}, []string{`"head.weight"`}},
		{"type", func(b *Builder) { b.Param("int", 1) }, []string{`"int"`, "int64", "float16"}},
		{"length", func(b *Builder) { b.Param("short", 3) }, []string{`"short"`, "8 bytes"}},
		{"unreadable", func(b *Builder) { b.Param("unread", 0) }, []string{"cannot be read"}},
	} {
		b := NewBuilder(many)
		c.ask(b)
		b.Output("y", b.Input("x", 1))
		m, err := b.Build()
		if m != nil || !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: model %v, error %v", c.name, m, err)
		}
		for _, s := range c.says {
			if !strings.Contains(fmt.Sprint(err), s) {
				t.Errorf("%s: error %q does not say %q", c.name, err, s)
			}
		}
		if c.name == "all else asked for" && strings.Contains(fmt.Sprint(err), "no use") {
			t.Errorf("everything was asked for: %v", err)
		}
	}
	b := NewBuilder(nil)
	if b.Param("w", 1); b.Err() == nil {
		t.Error("a parameter without weights")
	}
}

// TestMistakesStick checks that a builder reports its first mistake, and that a
// mistake in the graph is not blamed on the checkpoint.
func TestMistakesStick(t *testing.T) {
	b := NewBuilder(checkpoint{"w": float32s(3)})
	x := b.Input("x", 2, 3)
	bad := b.Add(x, b.Const([]int{2}, 1, 2))
	if !bad.IsZero() {
		t.Error("a value after a mistake")
	}
	b.Output("y", b.Relu(b.Mul(bad, b.Param("v", 9))))
	_, err := b.Build()
	if s := fmt.Sprint(err); !strings.Contains(s, "[2 3]") || !strings.Contains(s, "[2]") || strings.Contains(s, `"v"`) || strings.Contains(s, "no use") {
		t.Errorf("error %v", err)
	}
	if b.Err() == nil || !errors.Is(b.Err(), assay.ErrInvalid) {
		t.Errorf("Err returns %v", b.Err())
	}
}

func TestPlaceExternal(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	make := func(parts ...string) string {
		path := filepath.Join(append([]string{root}, parts...)...)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, make([]byte, 10), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one, two, blob := make("a", "one.bin"), make("a", "deep", "two.bin"), make("blobs", "abc")
	link := filepath.Join(root, "a", "link.bin")
	if err := os.Symlink(filepath.Join("..", "blobs", "abc"), link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	for _, c := range []struct {
		files []string
		dir   string
		want  []string
	}{
		{[]string{""}, "", []string{""}},
		{[]string{one, "", one}, filepath.Join(root, "a"), []string{"one.bin", "", "one.bin"}},
		{[]string{one, two}, filepath.Join(root, "a"), []string{"one.bin", "deep/two.bin"}},
		{[]string{two, one}, filepath.Join(root, "a"), []string{"deep/two.bin", "one.bin"}},
		{[]string{link}, filepath.Join(root, "blobs"), []string{"abc"}},
		{[]string{one, link, blob}, root, []string{"a/one.bin", "blobs/abc", "blobs/abc"}},
	} {
		var inits []initializer
		for _, f := range c.files {
			inits = append(inits, initializer{name: "w", file: f})
		}
		dir, err := placeExternal(inits)
		var got []string
		for _, i := range inits {
			got = append(got, i.location)
		}
		if err != nil || dir != c.dir || !slices.Equal(got, c.want) {
			t.Errorf("%q: folder %s, names %q, %v; want %s, %q", c.files, dir, got, err, c.dir, c.want)
		}
	}
	for _, bad := range []string{filepath.Join(root, "none"), root} {
		if _, err := placeExternal([]initializer{{name: "w", file: bad}}); err == nil || !strings.Contains(err.Error(), `"w"`) {
			t.Errorf("%s: error %v", bad, err)
		}
	}
}

// FuzzDump checks that printing any bytes ends in text or in an error that says
// so, and that what a Builder writes is always printed.
func FuzzDump(f *testing.F) {
	b := NewBuilder(checkpoint{"w": float32s(4, 4), "h": {shape: []int{1}, dtype: "float16", raw: make([]byte, 2)}})
	x := b.Input("x", Dynamic, 4)
	b.Output("y", b.LayerNorm(b.MatMul(x, b.Param("w", 4, 4)), b.Const([]int{4}, 1, 2, 3, 4), b.Const([]int{4}, 0, 0, 0, 0), 1e-5))
	b.Output("z", b.Reshape(b.Gelu(b.Add(x, b.Param("h", 1))), 2, Dynamic))
	m, err := b.Build()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(m.Proto)
	f.Add(m.Proto[:len(m.Proto)/2])
	f.Add([]byte{})
	f.Add([]byte{0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, proto []byte) {
		var s strings.Builder
		if err := Dump(&s, proto); err != nil && (!errors.Is(err, assay.ErrInvalid) || s.Len() > 0) {
			t.Errorf("error %v after %d bytes of text", err, s.Len())
		}
	})
}
