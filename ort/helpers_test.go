package ort

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay/onnx"
)

// need skips the test because something is missing, unless ASSAY_TEST_REQUIRE
// lists word: then it fails.
func need(t testing.TB, word, format string, args ...any) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), word) {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// openRuntime loads the library that Find finds.
func openRuntime(t testing.TB) *Runtime {
	t.Helper()
	lib, err := Find(context.Background(), FindOptions{})
	if err != nil {
		need(t, "ort", "%v", err)
	}
	rt, err := Open(lib)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close() })
	return rt
}

// openSession opens a model that must be good.
func openSession(t testing.TB, rt *Runtime, m *onnx.Model, opt SessionOptions) *Session {
	t.Helper()
	s, err := rt.OpenSession(context.Background(), m, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// build makes a model that must be good.
func build(t testing.TB, w onnx.Weights, graph func(b *onnx.Builder)) *onnx.Model {
	t.Helper()
	b := onnx.NewBuilder(w)
	graph(b)
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// uniform returns a tensor of values in [-1, 1), the same for every seed.
func uniform(seed uint64, shape ...int) onnx.Tensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	t := onnx.Tensor{Shape: shape, Data: make([]float32, n)}
	for i := range t.Data {
		t.Data[i] = rng.Float32()*2 - 1
	}
	return t
}

// A fileWeights is a checkpoint: float32 tensors one after another in a file, or
// nowhere if file is empty.
type fileWeights struct {
	file    string
	names   []string
	tensors map[string]onnx.Tensor
	offset  map[string]int64
}

// newWeights writes tensors named w0, w1, … to a file in dir, or to none if dir
// is empty.
func newWeights(t testing.TB, dir string, tensors ...onnx.Tensor) *fileWeights {
	t.Helper()
	w := &fileWeights{tensors: map[string]onnx.Tensor{}, offset: map[string]int64{}}
	data := make([]byte, 64) // so that no offset is zero
	for i, x := range tensors {
		name := fmt.Sprintf("w%d", i)
		w.names, w.tensors[name], w.offset[name] = append(w.names, name), x, int64(len(data))
		data = append(data, raw(x)...)
	}
	if dir != "" {
		w.file = filepath.Join(dir, "weights.bin")
		if err := os.WriteFile(w.file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func raw(x onnx.Tensor) []byte {
	var data []byte
	for _, v := range x.Data {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data
}

func (w *fileWeights) Names() []string { return w.names }

func (w *fileWeights) Shape(name string) ([]int, bool) {
	t, ok := w.tensors[name]
	return t.Shape, ok
}

func (w *fileWeights) Place(name string) (file string, offset, length int64, dtype string) {
	return w.file, w.offset[name], int64(4 * len(w.tensors[name].Data)), "float32"
}

func (w *fileWeights) Bytes(name string) ([]byte, error) { return raw(w.tensors[name]), nil }

// sameBits fails unless the tensors are equal to the last bit.
func sameBits(t testing.TB, what string, got, want onnx.Tensor) {
	t.Helper()
	if !slices.Equal(got.Shape, want.Shape) {
		t.Fatalf("%s: shape %v, want %v", what, got.Shape, want.Shape)
	}
	for i := range want.Data {
		if math.Float32bits(got.Data[i]) != math.Float32bits(want.Data[i]) {
			t.Fatalf("%s: value %d is %g, want %g", what, i, got.Data[i], want.Data[i])
		}
	}
}

// near fails unless got is within tol of want everywhere, and returns the worst
// difference.
func near(t testing.TB, what string, got, want onnx.Tensor, tol float64) float64 {
	t.Helper()
	if !slices.Equal(got.Shape, want.Shape) {
		t.Fatalf("%s: shape %v, want %v", what, got.Shape, want.Shape)
	}
	worst, at := 0.0, 0
	for i := range want.Data {
		d := math.Abs(float64(got.Data[i]) - float64(want.Data[i]))
		if math.IsNaN(d) {
			worst, at = d, i
			break
		}
		if d > worst {
			worst, at = d, i
		}
	}
	if !(worst <= tol) { // written so that NaN fails
		t.Errorf("%s: off by %.2g at %d (got %g, want %g, allowed %.2g)", what, worst, at, got.Data[at], want.Data[at], tol)
	}
	return worst
}

// anonymous returns the program's anonymous memory in bytes.
func anonymous(t testing.TB) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("memory is only known where /proc is")
	}
	for line := range strings.Lines(string(status)) {
		var kb int64
		if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kb); n == 1 {
			return kb << 10
		}
	}
	t.Fatal("no RssAnon in /proc/self/status")
	return 0
}
