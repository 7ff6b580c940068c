package weights

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

// hdf5Facts is what h5py says of a file.
type hdf5Facts struct {
	Tensors map[string]hdf5Fact `json:"tensors"`
	Texts   map[string]string   `json:"texts"`
}

type hdf5Fact struct {
	DType  string `json:"dtype"`
	Shape  []int  `json:"shape"`
	SHA256 string `json:"sha256"`
}

// factsOf says the same of a checkpoint.
func factsOf(t *testing.T, c *Checkpoint) hdf5Facts {
	t.Helper()
	got := hdf5Facts{Tensors: map[string]hdf5Fact{}, Texts: c.Metadata()}
	for _, name := range c.Names() {
		raw, err := c.Bytes(name)
		if err != nil {
			t.Fatal(err)
		}
		shape, _ := c.Shape(name)
		_, _, _, dtype := c.Place(name)
		got.Tensors[name] = hdf5Fact{dtype, shape, sumOf(raw)}
	}
	return got
}

// TestHDF5 reads files of h5py, in four versions of the format, and a real one.
func TestHDF5(t *testing.T) {
	var want map[string]hdf5Facts
	readJSON(t, "hdf5/hdf5.json", &want)
	if len(want) != 5 {
		t.Fatalf("%d golden files, want 5", len(want))
	}
	for name, w := range want {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata/hdf5", name)
			if strings.Contains(name, "/") {
				path = dataFile(t, name)
			}
			c := open(t, path)
			if c.Container() != HDF5 {
				t.Errorf("container %s", c.Container())
			}
			if diff := cmp.Diff(w, factsOf(t, c)); diff != "" {
				t.Errorf("h5py (-) and here (+):\n%s", diff)
			}
			checkInvariants(t, c)
			mapped := 0
			for _, tensor := range c.Names() {
				if file, _, _, _ := c.Place(tensor); file == path {
					mapped++
				}
			}
			if mapped == 0 {
				t.Error("no tensor can be mapped")
			}
		})
	}
}

// TestHDF5Refuses names what is not read.
func TestHDF5Refuses(t *testing.T) {
	for name, want := range map[string][]string{
		"gzip":      {`"a/kernel:0"`, "shuffle, gzip", "one piece"},
		"chunks":    {`"a/kernel:0"`, "in chunks", "one piece"},
		"big":       {`"a/kernel:0"`, "big-endian"},
		"text":      {`"a/kernel:0"`, "texts"},
		"bool":      {`"a/kernel:0"`, "enumerations"},
		"soft":      {`"alias"`, "link to a path"},
		"hard":      {`"a/kernel:0"`, "two names"},
		"loop":      {`"a/up"`, "two names, or contains itself"},
		"external":  {`"a/kernel:0"`, "other files"},
		"link":      {`"other"`, "another file"},
		"unwritten": {`"a/kernel:0"`, "never written"},
		"names":     {`"bias:0"`, "is not there"},
		"null":      {`"a/kernel:0"`, "empty by declaration"},
		"block":     {"not a container"}, // the signature is not at the start
	} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile("testdata/hdf5/refused_" + name + ".h5")
			if err != nil {
				t.Fatal(err)
			}
			refused(t, data, want...)
		})
	}
}

// kerasPieces are the weights of a small network, and its layers.
func kerasPieces() ([]Piece, []string) {
	specs := []TensorSpec{}
	add := func(name string, shape ...int) {
		specs = append(specs, TensorSpec{Name: name, Shape: shape, DType: "float32", Init: Init{Kind: InitNormal, Mean: 0.5, Scale: 0.1}})
	}
	add("conv1/conv1/kernel:0", 3, 3, 3, 4)
	for _, p := range []string{"gamma", "beta", "moving_mean", "moving_variance"} {
		add("conv1_bn/conv1_bn/"+p+":0", 4)
	}
	add("conv_dw_1/conv_dw_1/depthwise_kernel:0", 3, 3, 4, 1)
	add("dense_1/dense_1/kernel:0", 4, 10)
	add("dense_1/dense_1/bias:0", 10)
	return SyntheticPieces(20240611, specs), []string{"input_1", "conv1", "conv1_bn", "conv1_relu", "conv_dw_1", "pool", "dense_1"}
}

// manyPieces has every type, more layers than one leaf or one tree of the
// library's own size holds, a scalar and a tensor without values.
func manyPieces() []Piece {
	var pieces []Piece
	types := []string{"float32", "float16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		shape := [][]int{{}, {0, 3}, {5}, {2, 3}, {2, 1, 3}}[i%5]
		kind := types[i%len(types)]
		spec := TensorSpec{Shape: shape, DType: kind}
		pieces = append(pieces, Piece{Name: fmt.Sprintf("layer%d/deep/er/w:0", i), Shape: shape, DType: kind, Make: func() ([]byte, error) {
			raw := make([]byte, spec.Bytes())
			for j := range raw {
				raw[j] = byte(r.IntN(64)) // no NaN
			}
			return raw, nil
		}})
	}
	return pieces
}

// writeKeras writes the files that reference/weights_hdf5.py checks.
func writeKeras(t *testing.T, dir string) map[string]string {
	t.Helper()
	small, layers := kerasPieces()
	paths := map[string]string{}
	for name, write := range map[string]func(io.Writer) error{
		"keras.h5": func(w io.Writer) error {
			return WriteKerasHDF5(t.Context(), w, small, KerasOptions{Layers: layers, Texts: map[string]string{"synthetic": SyntheticMark(20240611)}})
		},
		"many.h5": func(w io.Writer) error { return WriteKerasHDF5(t.Context(), w, manyPieces(), KerasOptions{}) },
	} {
		paths[name] = filepath.Join(dir, name)
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(paths[name], b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// kerasSums are of the files that h5py and Keras were shown to load.
var kerasSums = map[string]string{
	"keras.h5": "745e6c8ff5c8c2d4a87ab657307d4666515ae171e50aa8e17aaac86e9b04bb03",
	"many.h5":  "dfd2c59dcdb24024b52979779b1397e227c4731cb6ce9aab66edbbbe2cd68633",
}

// TestKerasHDF5 writes files and reads them; their bytes are those that h5py and
// Keras were shown to load.
func TestKerasHDF5(t *testing.T) {
	dir := os.Getenv("ASSAY_HDF5_DIR")
	if dir == "" {
		dir = t.TempDir()
	}
	for name, path := range writeKeras(t, dir) {
		c := open(t, path)
		facts := factsOf(t, c)
		checkInvariants(t, c)
		if os.Getenv("ASSAY_HDF5_DIR") != "" {
			data, err := json.Marshal(facts)
			if err == nil {
				err = os.WriteFile(strings.TrimSuffix(path, ".h5")+".json", data, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := sumOf(data); got != kerasSums[name] {
			t.Errorf("%s: SHA-256 %s is not that of the file that was shown to load, %s", name, got, kerasSums[name])
		}
		pieces, layers := kerasPieces()
		if name == "many.h5" {
			pieces, layers = manyPieces(), nil
			for i := range 300 {
				layers = append(layers, fmt.Sprintf("layer%d", i))
			}
		}
		if facts.Texts["layer_names"] != strings.Join(layers, "\n") || facts.Texts["keras_version"] != "2.1.6" || facts.Texts["backend"] != "tensorflow" {
			t.Errorf("%s: texts %q", name, facts.Texts)
		}
		for _, p := range pieces {
			raw, err := p.Make()
			if err != nil {
				t.Fatal(err)
			}
			if got := facts.Tensors[p.Name]; got.DType != p.DType || !slices.Equal(got.Shape, p.Shape) || got.SHA256 != sumOf(raw) {
				t.Errorf("%s: %s is %+v", name, p.Name, got)
			}
			if file, at, length, _ := c.Place(p.Name); length > 0 && (file != path || at%64 != 0) {
				t.Errorf("%s: %s lies at %d of %q", name, p.Name, at, file)
			}
		}
		if len(facts.Tensors) != len(pieces) {
			t.Errorf("%s: %d tensors, want %d", name, len(facts.Tensors), len(pieces))
		}
	}
	if os.Getenv("ASSAY_HDF5_DIR") != "" {
		t.Skipf("wrote %s for reference/weights_hdf5.py", dir)
	}
}

func TestKerasHDF5Refuses(t *testing.T) {
	one := func(name, dtype string, shape ...int) Piece {
		return Piece{Name: name, Shape: shape, DType: dtype, Make: func() ([]byte, error) { return make([]byte, 4), nil }}
	}
	for want, c := range map[string]struct {
		pieces []Piece
		opt    KerasOptions
	}{
		"without tensors":       {},
		"has no layer":          {pieces: []Piece{one("kernel:0", "float32", 1)}},
		"two pieces":            {pieces: []Piece{one("a/b", "float32", 1), one("a/b", "float32", 1)}},
		"a tensor and a group":  {pieces: []Piece{one("a/b", "float32", 1), one("a/b/c", "float32", 1)}},
		"or it is a group's":    {pieces: []Piece{one("a/b/c", "float32", 1), one("a/b", "float32", 1)}},
		"does not allow":        {pieces: []Piece{one("a//b", "float32", 1)}},
		`no values of type`:     {pieces: []Piece{one("a/b", "bfloat16", 2)}},
		"33 dimensions":         {pieces: []Piece{one("a/b", "float32", slices.Repeat([]int{1}, 33)...)}},
		`no layer "a"`:          {pieces: []Piece{one("a/b", "float32", 1)}, opt: KerasOptions{Layers: []string{"x"}}},
		"named twice":           {pieces: []Piece{one("a/b", "float32", 1)}, opt: KerasOptions{Layers: []string{"a", "a"}}},
		"4 bytes were made":     {pieces: []Piece{one("a/b", "float32", 2)}},
		"attribute weight_name": {pieces: []Piece{one("a/"+strings.Repeat("x", 70_000), "float32", 1)}},
	} {
		err := WriteKerasHDF5(t.Context(), io.Discard, c.pieces, c.opt)
		if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestHostileHDF5 are files that say what cannot be, made of ones that are right.
func TestHostileHDF5(t *testing.T) {
	small, layers := kerasPieces()
	var b bytes.Buffer
	if err := WriteKerasHDF5(t.Context(), &b, small, KerasOptions{Layers: layers}); err != nil {
		t.Fatal(err)
	}
	good := b.Bytes()
	for cut := range good {
		if _, err := openBytes(good[:cut], Limits{}); !errors.Is(err, assay.ErrInvalid) {
			t.Fatalf("cut after %d of %d bytes: %v", cut, len(good), err)
		}
	}
	le := binary.LittleEndian
	// put changes 8 bytes at an offset after the n-th place of a mark.
	put := func(mark string, n, after int, v uint64) []byte {
		data, at := bytes.Clone(good), 0
		for range n + 1 {
			i := bytes.Index(data[at:], []byte(mark))
			if i < 0 {
				t.Fatalf("no %q", mark)
			}
			at += i + 1
		}
		le.PutUint64(data[at-1+after:], v)
		return data
	}
	layout := "\x08\x00\x18\x00\x00\x00\x00\x00\x03\x01" // the message of a dataset's place
	kernel := "\x01\x00\x28\x00\x00\x00\x00\x00\x01\x04" // that of a shape of four sizes
	where := func(n int) uint64 {                        // of the n-th dataset's values
		data, at := good, 0
		for range n + 1 {
			at += bytes.Index(data[at:], []byte(layout)) + 1
		}
		return le.Uint64(good[at+9:])
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"values outside":     {put(layout, 0, 10, 1<<40), "lie outside the file"},
		"values at the top":  {put(layout, 0, 10, 1<<63-1), "lie outside the file"},
		"no such address":    {put(layout, 0, 10, 1<<63+5), "an address of"},
		"undefined":          {put(layout, 0, 10, 1<<64-1), "never written"},
		"another length":     {put(layout, 0, 18, 1<<40), "does not take"},
		"shared bytes":       {put(layout, 0, 10, where(1)), "share bytes"},
		"huge shape":         {put(kernel, 0, 16, 1<<40), "does not take"},
		"overflowing shape":  {put(kernel, 0, 16, 1<<62), "2⁶³"},
		"negative shape":     {put(kernel, 0, 16, 1<<63), "a length of"},
		"tree is a heap":     {put("TREE\x00\x00", 0, 0, le.Uint64([]byte("HEAP\x00\x00\x00\x00"))), "signature"},
		"tree of another":    {put("TREE\x00\x00", 0, 4, 1), "type 1"},
		"tree of many":       {put("TREE\x00\x00", 0, 6, 0xffff), "lie outside"},
		"tree of a tree":     {put("TREE\x00\x00", 0, 5, 7<<8|3), "signature"},
		"no leaf":            {put("TREE\x00\x00", 0, 32, 0), "signature"},
		"leaf outside":       {put("TREE\x00\x00", 0, 32, 1<<40), "lie outside"},
		"name outside":       {put("SNOD", 0, 8, 1<<20), "a name at byte"},
		"empty name":         {put("SNOD", 0, 8, 0), `named ""`},
		"member outside":     {put("SNOD", 0, 16, 1<<40), "lie outside"},
		"member is the root": {put("SNOD", 0, 16, 96), "two names, or contains itself"},
		"member undefined":   {put("SNOD", 0, 16, 1<<64-1), "has no address"},
		"heap outside":       {put("HEAP", 0, 24, 1<<40), "lie outside"},
		"heap of all":        {put("HEAP", 0, 8, 1<<62), "lie outside"},
		"superblock 9":       {put("\x89HDF", 0, 8, 9), "version 9"},
		"addresses of 3":     {put("\x89HDF", 0, 13, 0x03<<0|8<<8), "addresses of 3 bytes"},
		"no root":            {put("\x89HDF", 0, 64, 1<<64-1), "outside"},
		"cut off":            {put("\x89HDF", 0, 40, 1<<40), "it was cut off"},
		"list of what's not": {bytes.Replace(good, []byte("pool\x00\x00\x00\x00\x00"), []byte("poll\x00\x00\x00\x00\x00"), 1), "is not there"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.data, c.want) })
	}
}

// h5Groups makes a file of groups, the first of which is the root; each lists the
// numbers of its members, which are called name, or by its ends if there are more.
func h5Groups(groups [][]int64, name string) []byte {
	le := binary.LittleEndian
	out := make([]byte, 96)
	copy(out, hdf5Magic)
	out[13], out[14] = 8, 8
	at := make([]int64, len(groups))
	next := int64(96)
	text := func(members int) int { // bytes of a group's names
		if members == 0 {
			return 0
		}
		return padded(len(name) + 1)
	}
	for i, members := range groups {
		at[i] = next
		next += int64(40 + 40 + text(len(members)) + 48 + 8 + 40*len(members)) // header, heap, tree, leaf
	}
	le.PutUint64(out[64:], uint64(at[0]))
	le.PutUint64(out[40:], uint64(next))
	for i, members := range groups {
		heap := at[i] + 40
		tree := heap + 40 + int64(text(len(members)))
		leaf := tree + 48
		out = append(out, 1, 0, 1, 0, 1, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0x11, 0, 16, 0, 0, 0, 0, 0)
		out = le.AppendUint64(le.AppendUint64(out, uint64(tree)), uint64(heap))
		out = append(out, "HEAP\x00\x00\x00\x00"...)
		for _, v := range []int64{int64(8 + text(len(members))), 1, heap + 32, 0} {
			out = le.AppendUint64(out, uint64(v))
		}
		names := make([]byte, text(len(members)))
		if len(members) > 0 {
			copy(names, name)
		}
		out = append(append(out, names...), "TREE\x00\x00\x01\x00"...)
		for _, v := range []int64{-1, -1, 0, leaf, 8} {
			out = le.AppendUint64(out, uint64(v))
		}
		out = le.AppendUint16(append(out, "SNOD\x01\x00"...), uint16(len(members)))
		for j, m := range members {
			out = le.AppendUint64(le.AppendUint64(out, uint64(8+j)), uint64(at[m]))
			out = append(out, make([]byte, 24)...)
		}
	}
	return out
}

// TestHDF5Bombs are small files that describe something huge.
func TestHDF5Bombs(t *testing.T) {
	chain := make([][]int64, 200)
	for i := range chain[:199] {
		chain[i] = []int64{int64(i + 1)}
	}
	refused(t, h5Groups(chain, "g"), "nested deeper than 64")
	refused(t, h5Groups([][]int64{{0}}, "g"), "contains itself")
	refused(t, h5Groups([][]int64{{1}, {0}}, "g"), "contains itself")
	refused(t, h5Groups([][]int64{{}}, "g"), "no tensors")
	wide := make([][]int64, 2001) // members whose names are the ends of one long text
	for i := range 2000 {
		wide[0] = append(wide[0], int64(i+1))
	}
	refused(t, h5Groups(wide, strings.Repeat("n", 4000)), "names and texts are too long")
	// A header that continues with itself.
	var b bytes.Buffer
	small, layers := kerasPieces()
	if err := WriteKerasHDF5(t.Context(), &b, small, KerasOptions{Layers: layers}); err != nil {
		t.Fatal(err)
	}
	loop := b.Bytes()
	root := binary.LittleEndian.Uint64(loop[64:])
	body := loop[root+16:]
	body[0] = h5Continuation // was the symbol table: address and length follow
	binary.LittleEndian.PutUint64(body[8:], root+16)
	binary.LittleEndian.PutUint64(body[16:], 24)
	refused(t, loop, "too often")
}

func FuzzHDF5(f *testing.F) {
	names, err := filepath.Glob("testdata/hdf5/*.h5")
	if err != nil || len(names) < 10 {
		f.Fatal(len(names), err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 100<<10 {
			f.Add(data)
		}
	}
	small, layers := kerasPieces()
	var b bytes.Buffer
	if err := WriteKerasHDF5(f.Context(), &b, small, KerasOptions{Layers: layers}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(h5Groups([][]int64{{1}, {2}, {}}, "g"))
	f.Fuzz(fuzzOpen)
}
