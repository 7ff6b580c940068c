package weights

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

// What package onnx asks of a checkpoint.
var _ interface {
	Names() []string
	Shape(name string) (shape []int, ok bool)
	Place(name string) (file string, offset, length int64, dtype string)
	Bytes(name string) ([]byte, error)
} = (*Checkpoint)(nil)

func open(t testing.TB, path string) *Checkpoint {
	t.Helper()
	c, err := Open(path, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func digest(t testing.TB, c *Checkpoint) string {
	t.Helper()
	d, err := c.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func readJSON(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

// TestContainers compares files that torch.save, safetensors and NumPy wrote with
// what Python says is in them: see reference/weights_torch.py.
func TestContainers(t *testing.T) {
	var want map[string]struct {
		Digest  string
		Tensors map[string]struct {
			DType  string
			Shape  []int
			SHA256 string
		}
	}
	readJSON(t, "containers.json", &want)
	kinds := map[string]Container{
		"flat_zip.torch": TorchZip, "torch_zip.torch": TorchZip, "flat_legacy.torch": TorchLegacy, "torch_legacy.torch": TorchLegacy,
		"flat.st": Safetensors, "flat.npz": NPZ, "numpy_stored.npz": NPZ, "numpy_deflated.npz": NPZ,
	}
	if len(want) != len(kinds) {
		t.Errorf("%d files described, want %d", len(want), len(kinds))
	}
	for file, w := range want {
		t.Run(file, func(t *testing.T) {
			c := open(t, filepath.Join("testdata", file))
			if c.Container() != kinds[file] {
				t.Errorf("container %q, want %q", c.Container(), kinds[file])
			}
			if len(c.Names()) != len(w.Tensors) || !slices.IsSorted(c.Names()) {
				t.Errorf("names %q, want the %d described ones, sorted", c.Names(), len(w.Tensors))
			}
			for name, tensor := range w.Tensors {
				shape, ok := c.Shape(name)
				if !ok || !slices.Equal(shape, tensor.Shape) {
					t.Errorf("%s: shape %v %v, want %v", name, shape, ok, tensor.Shape)
					continue
				}
				raw, err := c.Bytes(name)
				if err != nil {
					t.Error(err)
				}
				sum := sha256.Sum256(raw)
				if hex.EncodeToString(sum[:]) != tensor.SHA256 {
					t.Errorf("%s: other values", name)
				}
				if _, _, _, dtype := c.Place(name); dtype != tensor.DType {
					t.Errorf("%s: dtype %s, want %s", name, dtype, tensor.DType)
				}
			}
			if got := digest(t, c); got != w.Digest {
				t.Errorf("digest %s, Python says %s", got, w.Digest)
			}
			checkInvariants(t, c)
		})
	}
}

// checkInvariants holds for every checkpoint that could be opened.
func checkInvariants(t testing.TB, c *Checkpoint) {
	t.Helper()
	for _, name := range c.Names() {
		shape, _ := c.Shape(name)
		n := 1
		for _, s := range shape {
			n *= s
		}
		file, offset, length, kind := c.Place(name)
		if length != int64(n)*dtype(kind).size() || dtype(kind).size() == 0 {
			t.Fatalf("%s: shape %v of %s, but %d bytes", name, shape, kind, length)
		}
		raw, err := c.Bytes(name)
		if err != nil {
			if errors.Is(err, assay.ErrInvalid) && c.container == NPZ {
				continue // a compressed array can turn out damaged when it is read
			}
			t.Fatalf("%s: %v", name, err)
		}
		if int64(len(raw)) != length {
			t.Fatalf("%s: %d bytes, Place says %d", name, len(raw), length)
		}
		if file == "" {
			continue
		}
		mapped := make([]byte, length)
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.ReadAt(mapped, offset); err != nil || string(mapped) != string(raw) {
			t.Fatalf("%s: Place and Bytes disagree (%v)", name, err)
		}
		f.Close()
	}
}

func TestMetadata(t *testing.T) {
	want := map[string]string{"epoch": "12", "arch": "tiny", "lr": "0.125", "best": "true", "big": "1099511627776", "negative": "-5"}
	for _, file := range []string{"torch_zip.torch", "torch_legacy.torch"} {
		if diff := cmp.Diff(want, open(t, "testdata/"+file).Metadata()); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
	if diff := cmp.Diff(map[string]string{"format": "pt"}, open(t, "testdata/flat.st").Metadata()); diff != "" {
		t.Error(diff)
	}
}

// TestReal compares real checkpoints with PyTorch's reading of them.
func TestReal(t *testing.T) {
	var want map[string]struct {
		Digest string
		Sums   map[string]float64
	}
	readJSON(t, "real.json", &want)
	for name, w := range want {
		t.Run(name, func(t *testing.T) {
			c := open(t, dataFile(t, name))
			if got := digest(t, c); got != w.Digest {
				t.Errorf("digest %s, PyTorch's values give %s", got, w.Digest)
			}
			for tensor, want := range w.Sums {
				values, err := c.Float64(tensor)
				if err != nil {
					t.Fatal(err)
				}
				got, size := 0.0, 0.0
				for _, v := range values {
					got += v
					size += math.Abs(v)
				}
				if math.Abs(got-want) > 1e-12*(1+size) { // the order of summation
					t.Errorf("%s: sum %v, PyTorch %v", tensor, got, want)
				}
			}
			checkInvariants(t, c)
		})
	}
}

// TestLPIPSHeads checks the sums of the squeeze heads that the LPIPS repository's
// own file gives, to the digits at hand.
func TestLPIPSHeads(t *testing.T) {
	c := open(t, dataFile(t, "lpips_squeeze/lpips_squeeze.pt"))
	if n := len(c.Names()); n != 66 {
		t.Errorf("%d tensors, want 66", n)
	}
	channels := []int{64, 128, 256, 384, 384, 512, 512}
	sums := []float64{5.690101, 1.185279, 16.326565, 71.012624, 37.370723, 24.262872, 17.590553}
	for i, want := range sums {
		name := "lin" + string(rune('0'+i)) + ".model.1.weight"
		if shape, _ := c.Shape(name); !slices.Equal(shape, []int{1, channels[i], 1, 1}) {
			t.Errorf("%s: shape %v", name, shape)
		}
		values, err := c.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, v := range values {
			sum += float64(v)
			if v < 0 {
				t.Errorf("%s: a negative weight", name)
			}
		}
		if math.Abs(sum-want) > 1e-5 {
			t.Errorf("%s: sum %v, want %v", name, sum, want)
		}
	}
}

// TestAestheticHeads checks the published biases of the LAION linear heads.
func TestAestheticHeads(t *testing.T) {
	for file, want := range map[string]float32{"b_32": 3.4214709, "b_16": 3.1506021, "l_14": 3.5293717} {
		c := open(t, dataFile(t, "clip_heads_and_vectors/laion/sa_0_4_vit_"+file+"_linear.pth"))
		if v, err := c.Float32("bias"); err != nil || len(v) != 1 || v[0] != want {
			t.Errorf("%s: bias %v %v, want %v", file, v, err, want)
		}
	}
}

// TestRealInThreeContainers rewrites a real checkpoint in the other containers;
// the digest must not change, and Place must be usable where values are aligned.
func TestRealInThreeContainers(t *testing.T) {
	c := open(t, dataFile(t, "lpips_squeeze/lpips_squeeze.pt"))
	var rows []row
	for _, name := range c.Names() {
		shape, _ := c.Shape(name)
		r := row{name: name, shape: []int64{}}
		for _, s := range shape {
			r.shape = append(r.shape, int64(s))
		}
		var err error
		if r.data, err = c.Bytes(name); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	want := digest(t, c)
	slices.Reverse(rows) // order must not matter
	pickle, storages := pickleOf(rows)
	for kind, data := range map[Container][]byte{
		TorchZip: torchZip(t, pickle, storages...), TorchLegacy: torchLegacy(pickle, storages...),
		Safetensors: safetensorsRows(rows),
	} {
		again, err := openBytes(data, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if again.Container() != kind || digest(t, again) != want {
			t.Errorf("%s, written as %s: other digest", again.Container(), kind)
		}
	}
}

func TestDigestTellsWeightsApart(t *testing.T) {
	base := row{"a.b", []int64{2, 2}, []byte("0123456789abcdef")}
	seen := map[string]string{}
	for what, rows := range map[string][]row{
		"base":        {base},
		"value":       {{"a.b", []int64{2, 2}, []byte("1123456789abcdef")}},
		"name":        {{"a.c", []int64{2, 2}, base.data}},
		"shape":       {{"a.b", []int64{4}, base.data}},
		"split":       {{"a.b", []int64{2}, base.data[:8]}, {"a.c", []int64{2}, base.data[8:]}},
		"empty added": {base, {"z", []int64{0}, nil}},
	} {
		c, err := openBytes(safetensorsRows(rows), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		d := digest(t, c)
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s have one digest", what, other)
		}
		seen[d] = what
	}
}

func TestSub(t *testing.T) {
	c := open(t, "testdata/torch_zip.torch")
	sub, err := c.Sub("views.")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"expanded", "slice", "tied", "tied_again", "transposed", "whole"}, sub.Names()); diff != "" {
		t.Error(diff)
	}
	a, _ := c.Bytes("views.slice")
	b, err := sub.Bytes("slice")
	if err != nil || string(a) != string(b) {
		t.Errorf("values differ through Sub: %v", err)
	}
	if _, ok := sub.Shape("views.slice"); ok {
		t.Error("the prefix is still there")
	}
	if _, err := c.Sub("model."); !errors.Is(err, assay.ErrNotFound) || !strings.Contains(err.Error(), `"model."`) {
		t.Errorf("Sub of an absent prefix: %v", err)
	}
	if _, err := sub.Bytes("nope"); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("Bytes of an absent tensor: %v", err)
	}
	if file, off, n, kind := sub.Place("nope"); file != "" || off != 0 || n != 0 || kind != "" {
		t.Error("Place of an absent tensor is not zero")
	}
	if err := errors.Join(sub.Close(), c.Close()); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if _, err := c.Bytes("views.whole"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("reading after Close: %v", err)
	}
}

func TestPlace(t *testing.T) {
	c := open(t, "testdata/torch_zip.torch")
	for name, mapped := range map[string]bool{
		"views.whole": true, "views.tied": true, "views.transposed": false, "views.slice": false, "views.expanded": false,
	} {
		if file, _, _, _ := c.Place(name); (file != "") != mapped {
			t.Errorf("%s: file %q, mapped should be %v", name, file, mapped)
		}
	}
	// A float at an odd offset cannot be mapped, but can be read.
	header := `{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}`
	for len(header)%8 != 0 {
		header += " "
	}
	odd, err := openBytes(safetensorsOf(header, []byte("xABCD")), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	odd.file = "somewhere"
	if file, _, _, _ := odd.Place("a"); file != "somewhere" {
		t.Error("an aligned tensor is not offered for mapping")
	}
	if file, _, length, dtype := odd.Place("b"); file != "" || length != 4 || dtype != "float32" {
		t.Errorf("unaligned floats: Place gives %q, %d, %s", file, length, dtype)
	}
	if raw, err := odd.Bytes("b"); err != nil || string(raw) != "ABCD" {
		t.Errorf("unaligned floats: %q %v", raw, err)
	}
}

func TestFloats(t *testing.T) {
	c := open(t, "testdata/flat_zip.torch")
	for _, name := range []string{"half", "brain", "conv.bias"} {
		narrow, err := c.Float32(name)
		if err != nil {
			t.Fatal(err)
		}
		wide, err := c.Float64(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range narrow {
			if float64(narrow[i]) != wide[i] {
				t.Errorf("%s[%d]: %v and %v", name, i, narrow[i], wide[i])
			}
		}
	}
	for _, name := range []string{"double", "long", "int", "bool"} {
		if _, err := c.Float32(name); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("Float32 of %s: %v", name, err)
		}
	}
	if _, err := c.Float64("long"); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("Float64 of int64: %v", err)
	}
	for _, name := range []string{"int", "short", "char", "byte", "bool", "double"} {
		if v, err := c.Float64(name); err != nil || len(v) == 0 {
			t.Errorf("Float64 of %s: %v %v", name, v, err)
		}
	}
}

// TestHalf checks every half against its definition in IEEE 754.
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		got := halfToFloat32(uint16(h))
		exp, frac := h>>10&31, h&1023
		want := math.Ldexp(float64(1024+frac), exp-25)
		switch {
		case exp == 0:
			want = math.Ldexp(float64(frac), -24)
		case exp == 31 && frac == 0:
			want = math.Inf(1)
		case exp == 31:
			if got == got {
				t.Fatalf("%04x: %v, want NaN", h, got)
			}
			continue
		}
		if h>>15 == 1 {
			want = -want
		}
		if float64(got) != want || math.Signbit(float64(got)) != (h>>15 == 1) {
			t.Fatalf("%04x: %v, want %v", h, got, want)
		}
	}
}

func BenchmarkOpenLPIPS(b *testing.B) {
	path := dataFile(b, "lpips_squeeze/lpips_squeeze.pt")
	b.ReportAllocs()
	for b.Loop() {
		c, err := Open(path, Limits{})
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}

func BenchmarkDigestLPIPS(b *testing.B) {
	c := open(b, dataFile(b, "lpips_squeeze/lpips_squeeze.pt"))
	b.SetBytes(2_923_960)
	b.ReportAllocs()
	for b.Loop() {
		digest(b, c)
	}
}
