package metric

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/ort"
	"github.com/gen-emerge/assay/stat"
	"github.com/gen-emerge/assay/weights"
)

// lpipsNeed skips the test because something is missing, unless
// ASSAY_TEST_REQUIRE lists word: then it fails.
func lpipsNeed(t testing.TB, word, format string, args ...any) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), word) {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// lpipsData returns the path of a file of the test data.
func lpipsData(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("ASSAY_TEST_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "data")
	}
	path := filepath.Join(root, filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		lpipsNeed(t, "data", "test data: %v; set ASSAY_TEST_DATA", err)
	}
	return path
}

// An lpipsEngine runs graphs with ONNX Runtime, as the program does.
type lpipsEngine struct{ *ort.Runtime }

func (e lpipsEngine) Open(ctx context.Context, m *onnx.Model) (Runner, error) {
	s, err := e.OpenSession(ctx, m, ort.SessionOptions{})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func openLPIPSEngine(t testing.TB) lpipsEngine {
	t.Helper()
	lib, err := ort.Find(context.Background(), ort.FindOptions{})
	if err != nil {
		lpipsNeed(t, "ort", "%v", err)
	}
	rt, err := ort.Open(lib)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close() })
	return lpipsEngine{rt}
}

func openLPIPSWeights(t testing.TB) *weights.Checkpoint {
	t.Helper()
	w, err := weights.Open(lpipsData(t, "weights/lpips_squeeze/lpips_squeeze.pt"), weights.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// openLPIPS returns the instrument; the checkpoint is closed before it is used,
// as a caller may do.
func openLPIPS(t testing.TB, side int) *Instrument {
	t.Helper()
	e, w := openLPIPSEngine(t), openLPIPSWeights(t)
	in, err := OpenLPIPSSqueezeAt(t.Context(), w, "digest", e, side)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() { in.Close() })
	return in
}

// only is a checkpoint with some of its tensors.
type only struct {
	onnx.Weights
	has func(string) bool
}

func (o only) Names() []string {
	return slices.DeleteFunc(o.Weights.Names(), func(n string) bool { return !o.has(n) })
}

func (o only) Shape(name string) ([]int, bool) {
	if !o.has(name) {
		return nil, false
	}
	return o.Weights.Shape(name)
}

// changed is a checkpoint with the last element of one tensor replaced.
type changed struct {
	onnx.Weights
	name  string
	value float32
}

func (c changed) Bytes(name string) ([]byte, error) {
	raw, err := c.Weights.Bytes(name)
	if err == nil && name == c.name {
		raw = bytes.Clone(raw)
		binary.LittleEndian.PutUint32(raw[len(raw)-4:], math.Float32bits(c.value))
	}
	return raw, err
}

// openLPIPSRunner returns the metric's graph, to be run on float images.
func openLPIPSRunner(t testing.TB) Runner {
	t.Helper()
	m, err := lpipsGraph(openLPIPSWeights(t), lpipsSqueezeNet, 0, lpipsOperators)
	if err != nil {
		t.Fatal(err)
	}
	// lins.N are second names of linN.
	if extra := slices.DeleteFunc(m.Unused, func(n string) bool { return strings.HasPrefix(n, "lins.") }); len(extra) > 0 {
		t.Errorf("the graph has no use for %q", extra)
	}
	run, err := openLPIPSEngine(t).Open(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Close() })
	return run
}

func lpipsRun(t testing.TB, run Runner, a, b onnx.Tensor) float64 {
	t.Helper()
	pair := onnx.Tensor{Shape: append([]int{2}, a.Shape[1:]...), Data: slices.Concat(a.Data, b.Data)}
	out, err := run.Run(t.Context(), pair)
	if err != nil {
		t.Fatal(err)
	}
	return float64(out[0].Data[0])
}

// lpipsRaw reads a file of 64·64·3 values in [0, 1] as three planes, and as
// pixels, mapped to [−1, 1].
func lpipsRaw(t testing.TB, name string) (planar, interleaved onnx.Tensor) {
	t.Helper()
	data, err := os.ReadFile(lpipsData(t, "weights/lpips_squeeze/test_img_"+name+".raw"))
	if err != nil {
		t.Fatal(err)
	}
	const n = 64 * 64
	planar = onnx.Tensor{Shape: []int{1, 3, 64, 64}, Data: make([]float32, 3*n)}
	interleaved = onnx.Tensor{Shape: planar.Shape, Data: make([]float32, 3*n)}
	for i := range 3 * n {
		v := math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))*2 - 1
		planar.Data[i] = v
		interleaved.Data[i%3*n+i/3] = v
	}
	return planar, interleaved
}

// An mt19937 is PyTorch's CPU generator.
type mt19937 struct{ *stat.MT19937 }

func newMT19937(seed uint32) mt19937 { return mt19937{stat.NewMT19937(seed)} }

func (m mt19937) uint32() uint32 { return m.Uint32() }

// float32 returns a number in [0, 1) as torch.rand does.
func (m mt19937) float32() float32 { return float32(m.Uint32()&(1<<24-1)) / (1 << 24) }
